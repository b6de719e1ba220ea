#include "src/front/s3/aws_chunks.h"

#include <gtest/gtest.h>

#include "src/front/s3/checksums.h"
#include "src/origin/http/text.h"

namespace forebay::s3door {
namespace {

using Kind = AwsChunks::Event::Kind;

/// What the frames hold, with input given `step` bytes at a time; "!" and a code for an error.
std::string Unframed(std::string_view body, AwsChunks::Trailers trailers, size_t step) {
  AwsChunks chunks(trailers);
  std::string told;
  for (size_t at = 0; at < body.size(); at += step) {
    Bytes input = AsBytes(body.substr(at, step));
    for (;;) {
      const auto event = chunks.Next(input);
      if (!event) return told + "!" + std::string(event.error().kind.code);
      if (event->kind == Kind::kChunk) told += "<" + event->signature + ":";
      if (event->kind == Kind::kData) told += AsText(event->data);
      if (event->kind == Kind::kChunkEnd) told += ">";
      if (event->kind == Kind::kTrailer) told += "{" + event->name + "=" + event->value + "}";
      if (event->kind == Kind::kEnd) return told + "." + std::string(AsText(input));
      if (event->kind == Kind::kNeedMore && input.empty()) break;
    }
  }
  return told;
}

void ExpectUnframed(std::string_view body, AwsChunks::Trailers trailers,
                    std::string_view expected) {
  for (size_t step = 1; step <= body.size(); ++step) {
    const std::string told = Unframed(body, trailers, step);
    if (step == body.size()) EXPECT_EQ(told, expected);
    // What follows the end is left in the input, however much came.
    EXPECT_EQ(told.substr(0, told.find('.')), expected.substr(0, expected.find('.')));
  }
}

TEST(AwsChunks, TakesTheFramesOffHoweverTheyAreSplit) {
  ExpectUnframed("5;chunk-signature=ab\r\nhello\r\nA\r\n0123456789\r\n0;chunk-signature=cd\r\n\r\n",
                 AwsChunks::Trailers::kNone, "<ab:hello><:0123456789><cd:.");
  ExpectUnframed("0;chunk-signature=cd\r\n\r\nmore", AwsChunks::Trailers::kNone, "<cd:.more");
}

TEST(AwsChunks, TrailersFollowTheLastChunk) {
  ExpectUnframed("1\r\nx\r\n0\r\nx-amz-checksum-crc32: AAAAAA==\r\n\r\n",
                 AwsChunks::Trailers::kPlain, "<:x><:{x-amz-checksum-crc32=AAAAAA==}.");
  ExpectUnframed("0\r\n\r\n", AwsChunks::Trailers::kPlain, "<:.");
  ExpectUnframed("0;chunk-signature=a\r\nn:v\r\nx-amz-trailer-signature:s\r\n\r\n",
                 AwsChunks::Trailers::kSigned, "<a:{n=v}{x-amz-trailer-signature=s}.");
  // Some put an empty line before the signature.
  ExpectUnframed("0;chunk-signature=a\r\nn:v\n\r\nx-amz-trailer-signature:s\r\n\r\n",
                 AwsChunks::Trailers::kSigned, "<a:{n=v}{x-amz-trailer-signature=s}.");
}

TEST(AwsChunks, RefusesWhatIsNoFrame) {
  const auto told = [](std::string_view body) {
    return Unframed(body, AwsChunks::Trailers::kPlain, body.size());
  };
  EXPECT_EQ(told("x\r\n"), "!InvalidRequest");
  EXPECT_EQ(told("-1\r\n"), "!InvalidRequest");
  EXPECT_EQ(told("\r\n"), "!InvalidRequest");
  EXPECT_EQ(told("ffffffffffffffff\r\n"), "!InvalidRequest");
  EXPECT_EQ(told("1\r\nab\r\n"), "<:a!InvalidRequest");
  EXPECT_EQ(told(std::string(2000, '0')), "!InvalidRequest");
  EXPECT_EQ(told("0\r\nno colon\r\n"), "<:!MalformedTrailerError");
  std::string many = "0\r\n";
  for (int i = 0; i < 20; ++i) many += "a:b\r\n";
  EXPECT_TRUE(told(many).ends_with("!MalformedTrailerError"));
}

TEST(Checksums, OfTheirCheckValue) {
  // As the catalogue of CRCs and the standards of the hashes have them, in hex.
  const std::pair<std::string_view, std::string_view> known[] = {
      {"CRC32", "cbf43926"},
      {"crc32c", "e3069283"},
      {"CRC64NVME", "ae8b14860a799888"},
      {"SHA1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"},
      {"SHA256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"}};
  for (const auto& [name, expected] : known) {
    const auto algorithm = AlgorithmNamed(name);
    ASSERT_TRUE(algorithm) << name;
    EXPECT_EQ(AlgorithmOfHeader(HeaderOf(*algorithm)), algorithm);
    Checksum sum(*algorithm);
    for (int round = 0; round < 2; ++round) {  // it begins anew
      for (const std::string_view piece : {"1", "23456", "", "789"}) sum.Add(AsBytes(piece));
      const std::string bytes = sum.Finish();
      EXPECT_EQ(bytes.size(), BytesOf(*algorithm));
      EXPECT_EQ(http_origin::Hex(AsBytes(bytes)), expected) << name;
    }
  }
  EXPECT_FALSE(AlgorithmNamed("MD5"));
  EXPECT_FALSE(AlgorithmNamed(""));
}

}  // namespace
}  // namespace forebay::s3door
