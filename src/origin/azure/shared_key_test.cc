#include "src/origin/azure/shared_key.h"

#include <gtest/gtest.h>

#include "sim/world.h"
#include "src/base/base64.h"
#include "src/base/units.h"
#include "src/origin/azure/blocks.h"
#include "src/origin/azure/crc64.h"
#include "src/origin/azure/listing.h"
#include "src/origin/http/request.h"

namespace forebay::azure {
namespace {

using http_origin::HeaderOf;

TEST(SharedKeyTest, StringToSignIsThatOfTheReference) {
  // Request and text of "Authorize with Shared Key" in the reference of the service.
  HttpRequest request{
      .url =
          "https://myaccount.blob.core.windows.net/mycontainer?restype=container&comp=metadata"
          "&timeout=20",
      .headers = {{"x-ms-version", "2015-02-21"},
                  {"X-Ms-Date", "Fri, 26 Jun 2015 23:39:12 GMT"},
                  {"Content-Length", "0"}}};
  EXPECT_EQ(StringToSign(request, "myaccount"),
            "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n"
            "x-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container\n"
            "timeout:20");
}

TEST(SharedKeyTest, EverythingThatMattersIsSigned) {
  HttpRequest request{.method = "PUT",
                      .url = "http://127.0.0.1:10000/acc/c/a%20b%2B?comp=block&blockid=QQ%3D%3D",
                      .headers = {{"Range", "bytes=0-1"},
                                  {"If-Match", "\"e\""},
                                  {"Content-Length", "3"},
                                  {"Content-Type", "text/x"}}};
  EXPECT_EQ(StringToSign(request, "acc"),
            "PUT\n\n\n3\n\ntext/x\n\n\n\"e\"\n\n\nbytes=0-1\n/acc/acc/c/a%20b%2B\nblockid:QQ==\n"
            "comp:block");
  SignWithKey(request, "acc", "key", 0);
  const size_t headers = request.headers.size();
  const std::string first(HeaderOf(request, "authorization"));
  SignWithKey(request, "acc", "key", 1'000'000'000);
  EXPECT_EQ(request.headers.size(), headers);
  EXPECT_NE(HeaderOf(request, "Authorization"), first);
  EXPECT_TRUE(first.starts_with("SharedKey acc:"));
}

TEST(SharedKeyTest, HeadersAreInTheOrderOfTheService) {
  // That of words: '_' before digits, those before letters, and '-' as good as nothing.
  const char* const order[] = {"x-ms-blob-type",  "x-ms-client-request-id", "x-ms-date",
                               "x-ms-meta-i_",    "x-ms-meta-i0",           "x-ms-meta-part_a",
                               "x-ms-meta-part1", "x-ms-meta-v_2d1",        "x-ms-meta-v2_2dx",
                               "x-ms-version"};
  HttpRequest request{.method = "GET", .url = "https://h/c/k"};
  std::string lines;
  for (const char* name : order) {
    request.headers.insert(request.headers.begin(), {name, "v"});
    lines += std::string(name) + ":v\n";
  }
  EXPECT_NE(StringToSign(request, "acc").find("\n" + lines + "/acc/"), std::string::npos)
      << StringToSign(request, "acc");
}

TEST(SharedKeyTest, SignaturesOfOthersAreAddedOnce) {
  const std::string sas = NormalSas(" ?sv=1&se=2026-11-21T08%3A49%3A37Z&sig=a%2Bb&sp=r\n").value();
  EXPECT_EQ(sas, "sig=a%2Bb&sv=1&se=2026-11-21T08%3A49%3A37Z&sp=r");
  EXPECT_EQ(SasEnds(sas), int64_t{1'795'250'977} * 1'000'000'000);
  EXPECT_EQ(SasEnds("sig=a&se=1970-01-02"), int64_t{86'400} * 1'000'000'000);
  EXPECT_EQ(SasEnds("sig=a&se=1970-01-02T00:01Z"), int64_t{86'460} * 1'000'000'000);
  EXPECT_EQ(SasEnds("sig=a&si=policy"), INT64_MAX);
  HttpRequest request{.url = "https://h/c/k"};
  AddSas(request, sas);
  AddSas(request, "sig=new");
  EXPECT_EQ(request.url, "https://h/c/k?sig=new");
  request.url = "https://h/c?comp=list";
  AddSas(request, sas);
  AddSas(request, "sig=new");
  EXPECT_EQ(request.url, "https://h/c?comp=list&sig=new");
  for (const char* wrong : {"", "sv=1", "sig=a b", "sig=a#b"}) {
    EXPECT_FALSE(NormalSas(wrong)) << wrong;
  }
}

TEST(Crc64Test, IsWrittenWithItsLowestByteFirst) {
  EXPECT_EQ(Crc64Text(0x0102030405060708), "CAcGBQQDAgE=");
}

TEST(BlocksTest, NamesComeBack) {
  sim::World world(1);
  const std::string id = NewUploadId(world.env(), "https://h/c", "a/b");
  EXPECT_TRUE(IsUploadId(id, "https://h/c", "a/b"));
  EXPECT_FALSE(IsUploadId(id, "https://h/c", "a/c"));
  EXPECT_FALSE(IsUploadId(id, "https://h/d", "a/b"));
  EXPECT_FALSE(IsUploadId(std::string(32, '0'), "https://h/c", "a/b"));
  const BlockName name{.upload = id,
                       .part = 10'000,
                       .stamp = NewStamp(world.env()),
                       .index = 49'999,
                       .kind = BlockName::Kind::kLast};
  const auto parsed = ParseBlockId(BlockId(name));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(BlockId(*parsed), BlockId(name));
  EXPECT_EQ(parsed->index, name.index);
  for (const char* other : {"", "QQ==", "no base64", "AAAAAAAAAAAAAAAAAAAA"}) {
    EXPECT_FALSE(ParseBlockId(other)) << other;
  }
  std::string same_bytes = BlockId(name);  // of its last digit only the upper bits count
  ++same_bytes[same_bytes.size() - 2];
  EXPECT_EQ(FromBase64(same_bytes).value(), FromBase64(BlockId(name)).value());
  EXPECT_FALSE(ParseBlockId(same_bytes));
}

TEST(BlocksTest, APartIsTheLatestOfItsWholeTries) {
  const std::string upload(32, 'a'), other(32, 'b');
  const auto block = [](const std::string& of, uint32_t part, char stamp, uint32_t index,
                        BlockName::Kind kind) {
    return Block{.id = BlockId({.upload = of,
                                .part = part,
                                .stamp = std::string(16, stamp),
                                .index = index,
                                .kind = kind}),
                 .size = 10};
  };
  using enum BlockName::Kind;
  BlockList list{.uncommitted = {block(upload, 1, '1', 0, kMiddle), block(upload, 1, '1', 1, kLast),
                                 block(upload, 1, '2', 0, kLast), block(upload, 1, '3', 1, kLast),
                                 block(upload, 2, '1', 0, kMiddle),
                                 block(upload, 3, '1', 0, kEmpty), block(other, 4, '1', 0, kLast),
                                 block(upload, 0, '1', 0, kMiddle),
                                 Block{.id = "QQ==", .size = 1}}};
  UploadState state = StateOf(list, upload);
  EXPECT_FALSE(state.over);
  ASSERT_EQ(state.parts.size(), 2u);
  EXPECT_EQ(state.parts.at(1).part.etag, PartEtag(1, std::string(16, '2')));
  EXPECT_EQ(state.parts.at(1).part.size, 10u);
  EXPECT_EQ(state.parts.at(3).part.size, 0u);
  list.committed.push_back(list.uncommitted[0]);
  EXPECT_TRUE(StateOf(list, upload).over);
  EXPECT_FALSE(StateOf(list, other).over);
}

TEST(BlocksTest, FiveTebibytesFit) {
  uint64_t object = 0;
  for (uint32_t i = 0; i < kMaxBlocks; ++i) object += BlockBytes(8 * kMiB, i);
  EXPECT_GE(object, 5 * kTiB);
  EXPECT_EQ(BlockBytes(8 * kMiB, 1899), 8 * kMiB);
  uint64_t part = 0;
  for (uint32_t i = 0; i < kMaxBlocks / kMaxParts; ++i) part += PartBlockBytes(8 * kMiB, i);
  EXPECT_GE(part * kMaxParts, 5 * kTiB);
}

TEST(MarkersTest, KeepWhatWasUsedLately) {
  Markers markers(2);
  const ListOptions options{.prefix = "p"};
  const auto find = [&](const char* after, const char* delimiter = "") {
    return markers.Find({.prefix = "p", .delimiter = delimiter, .after = after}).marker;
  };
  markers.Keep(options, "a", {.marker = "1", .exact = true});
  markers.Keep(options, "b", {.marker = "2", .exact = true});
  EXPECT_EQ(find("a"), "1");
  EXPECT_EQ(find("a", "/"), "");
  markers.Keep(options, "c", {.marker = "3", .exact = true});
  EXPECT_EQ(find("b"), "");
  EXPECT_EQ(find("a"), "1");
  EXPECT_EQ(find("c"), "3");
  EXPECT_FALSE(markers.Find({.after = "a"}).exact);
  EXPECT_TRUE(markers.Find({}).exact);
}

}  // namespace
}  // namespace forebay::azure
