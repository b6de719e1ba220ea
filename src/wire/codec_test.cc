#include "src/wire/codec.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "src/base/prng.h"
#include "src/wire/handshake.h"
#include "src/wire/inbox.h"
#include "src/wire/pieces.h"
#include "src/wire/testing/field_printer.h"
#include "src/wire/testing/samples.h"

namespace forebay::wire {
namespace {

struct Vector {
  std::string hex;
  std::string fields;
};

/// testing/vectors.txt: three lines a message (name, hex, fields), '#' begins a comment.
std::map<std::string, Vector> ReadVectors() {
  std::ifstream file(FOREBAY_WIRE_VECTORS);
  std::map<std::string, Vector> vectors;
  std::string line;
  std::string name;
  while (std::getline(file, line)) {
    if (line.starts_with("name ")) name = line.substr(5);
    if (line.starts_with("hex ")) vectors[name].hex = line.substr(4);
    if (line.starts_with("fields ")) vectors[name].fields = line.substr(7);
  }
  return vectors;
}

std::vector<std::byte> FromHex(std::string_view hex) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

constexpr RequestHead kHead{.deadline_ms = 1500, .trace = {.hi = 0xa, .lo = 0xb}};

template <class M>
std::vector<std::byte> Encode(bool is_request, const FrameHeader& header, const M& message) {
  std::vector<std::byte> frame(kSmallRequestBytes);
  frame.resize(is_request ? EncodeFrame(frame, header, kHead, message)
                          : EncodeFrame(frame, header, message));
  EXPECT_FALSE(frame.empty()) << NameOf(header.type);
  return frame;
}

std::string PrintHeader(const FrameHeader& header) {
  return fmt::format("type={} flags={} status={} queue_depth={} id={} data_size={}",
                     static_cast<int>(header.type), header.flags, header.status, header.queue_depth,
                     header.request_id, header.data_size);
}

/// What a frame says, in words.
template <class M>
Result<std::string> Decode(bool is_request, Bytes frame) {
  Inbox inbox;
  std::ranges::copy(frame, inbox.Room(frame.size()).begin());
  inbox.Received(frame.size());
  FB_ASSIGN(const bool whole, inbox.Parse());
  if (!whole) return "incomplete";
  Bytes body = inbox.meta();
  std::string text = PrintHeader(inbox.header());
  if (is_request) {
    FB_ASSIGN(const RequestHead head, DecodeHead(inbox.header(), inbox.meta(), &body));
    text += " " + PrintFields(head);
  }
  FB_ASSIGN(const M message, DecodeMeta<M>(inbox.header().type, body));
  const std::string fields = PrintFields(message);
  return fields.empty() ? text : text + " " + fields;
}

TEST(Inbox, PeeksAtFramesThatAreThereWholeAndBringNoData) {
  std::vector<std::byte> frames(4096);
  size_t size = 0;
  size_t after_third = 0;
  for (uint64_t id = 1; id <= 5; ++id) {
    const GetRequest request{.offset = id, .size = 10, .path = "/a/b", .if_match = {}};
    const uint32_t data = id == 5 ? 100 : 0;
    size += EncodeRequest(MutableBytes(frames).subspan(size), id, {}, request, data);
    if (id == 3) after_third = size;
  }
  const auto peek = [&](size_t bytes, size_t most) {
    Inbox inbox;
    std::ranges::copy(Bytes(frames).first(bytes), inbox.Room(bytes).begin());
    inbox.Received(bytes);
    uint64_t last = 0;
    const size_t seen = inbox.Peek(most, [&](const FrameHeader& header, Bytes meta) {
      EXPECT_EQ(header.request_id, ++last);
      EXPECT_TRUE(CheckMeta(header, meta));
    });
    EXPECT_EQ(seen, last);
    return seen;
  };
  EXPECT_EQ(peek(after_third, 10), 3u);
  EXPECT_EQ(peek(after_third, 2), 2u);
  EXPECT_EQ(peek(after_third - 1, 10), 2u);
  EXPECT_EQ(peek(after_third + kHeaderBytes - 1, 10), 3u);
  EXPECT_EQ(peek(size, 10), 4u);  // the fifth says that data follow
}

TEST(Vectors, EveryMessageIsWrittenAndReadAsTheFileSays) {
  const auto vectors = ReadVectors();
  size_t seen = 0;
  std::string expected;
  ForEachSample(
      [&](std::string_view name, bool is_request, FrameHeader header, const auto& message) {
        using M = std::decay_t<decltype(message)>;
        const std::vector<std::byte> frame = Encode(is_request, header, message);
        const auto fields = Decode<M>(is_request, frame);
        ASSERT_TRUE(fields.has_value()) << name << ": " << fields.error().ToString();
        expected += fmt::format("name {}\nhex {}\nfields {}\n\n", name, ToHex(frame), *fields);
        const auto vector = vectors.find(std::string(name));
        if (vector == vectors.end()) {
          ADD_FAILURE() << "the file says nothing of " << name;
          return;
        }
        ++seen;
        EXPECT_EQ(vector->second.hex, ToHex(frame)) << name;
        const auto read = Decode<M>(is_request, FromHex(vector->second.hex));
        EXPECT_EQ(read.value_or("error"), vector->second.fields) << name;
      });
  EXPECT_EQ(seen, vectors.size());
  if (::testing::Test::HasFailure() || vectors.empty()) {
    ADD_FAILURE() << "the file should read:\n" << expected;
  }
}

/// The words behind `kind` of each line that begins with it.
std::vector<std::vector<std::string>> LinesOf(std::string_view kind) {
  std::ifstream file(FOREBAY_WIRE_VECTORS);
  std::vector<std::vector<std::string>> lines;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string word;
    if (!(words >> word) || word != kind) continue;
    lines.emplace_back();
    while (words >> word) lines.back().push_back(word);
  }
  return lines;
}

TEST(Vectors, ChecksumsOfDataAreAsTheFileSays) {
  const auto lines = LinesOf("piece");
  ASSERT_FALSE(lines.empty());
  for (const auto& words : lines) {  // HI LO BLOCK_BYTES OFFSET SIZE BYTE CRCS
    ASSERT_EQ(words.size(), 7u);
    const VersionId version{
        {.hi = std::stoull(words[0], nullptr, 16), .lo = std::stoull(words[1], nullptr, 16)}};
    const auto block_bytes = static_cast<uint32_t>(std::stoul(words[2]));
    const std::vector<std::byte> data(std::stoul(words[4]),
                                      static_cast<std::byte>(std::stoul(words[5])));
    EXPECT_TRUE(VerifyPieces(version, block_bytes, std::stoull(words[3]), data, FromHex(words[6])))
        << words[6];
  }
}

TEST(Vectors, ProofsAreAsTheFileSays) {
  const auto lines = LinesOf("proof");
  ASSERT_FALSE(lines.empty());
  for (const auto& words : lines) {  // SECRET HELLO WELCOME CLIENT SERVER
    ASSERT_EQ(words.size(), 5u);
    const auto secret = FromHex(words[0]);
    const auto hello = FromHex(words[1]);
    const auto welcome = FromHex(words[2]);
    EXPECT_EQ(ToHex(Prove(AsText(secret), ClientTranscript(hello, welcome))), words[3]);
    EXPECT_EQ(ToHex(Prove(AsText(secret), ServerTranscript(hello, welcome))), words[4]);
  }
}

TEST(Vectors, NoCutFrameIsTakenForAWholeOne) {
  ForEachSample(
      [&](std::string_view name, bool is_request, FrameHeader header, const auto& message) {
        using M = std::decay_t<decltype(message)>;
        const std::vector<std::byte> frame = Encode(is_request, header, message);
        for (size_t size = 0; size < frame.size(); ++size) {
          EXPECT_EQ(Decode<M>(is_request, Bytes(frame).first(size)).value_or("error"), "incomplete")
              << name << " cut to " << size;
        }
      });
}

TEST(Vectors, NoFlippedBitGoesUnnoticed) {
  ForEachSample(
      [&](std::string_view name, bool is_request, FrameHeader header, const auto& message) {
        using M = std::decay_t<decltype(message)>;
        std::vector<std::byte> frame = Encode(is_request, header, message);
        for (size_t bit = 0; bit < frame.size() * 8; ++bit) {
          frame[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
          EXPECT_FALSE(Decode<M>(is_request, frame).has_value()) << name << " bit " << bit;
          frame[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
        }
      });
}

/// A meta that is intact and says too little or too much: every prefix, and one byte more.
TEST(Vectors, NoShortOrLongMetaIsTaken) {
  ForEachSample([&](std::string_view name, bool, FrameHeader header, const auto& message) {
    using M = std::decay_t<decltype(message)>;
    std::vector<std::byte> frame = Encode(false, header, message);
    const Bytes meta = Bytes(frame).subspan(kHeaderBytes);
    const std::string fields = PrintFields(message);
    for (size_t size = 0; size < meta.size(); ++size) {
      const auto read = DecodeMeta<M>(header.type, meta.first(size));
      if (!read) continue;
      // Only what ends with all the rest may be shorter, and then it says something else.
      EXPECT_NE(PrintFields(*read), fields) << name << " cut to " << size;
    }
    frame.push_back(std::byte{0});
    const auto longer = DecodeMeta<M>(header.type, Bytes(frame).subspan(kHeaderBytes));
    if (longer) EXPECT_NE(PrintFields(*longer), fields) << name;
  });
}

TEST(FrameHeader, RefusesWhatIsTooLargeOrUnknown) {
  std::array<std::byte, kHeaderBytes> bytes;
  const auto code_of = [&](const FrameHeader& header) {
    EncodeHeader(header, bytes.data());
    const auto read = DecodeHeader(bytes);
    return read ? Code::kInternal : read.error().code();
  };
  EXPECT_EQ(code_of({}), Code::kInternal);
  EXPECT_EQ(code_of({.meta_size = kMaxMetaBytes, .data_size = kMaxDataBytes}), Code::kInternal);
  EXPECT_EQ(code_of({.meta_size = kMaxMetaBytes + 1}), Code::kInvalidArgument);
  EXPECT_EQ(code_of({.data_size = kMaxDataBytes + 1}), Code::kInvalidArgument);
  EXPECT_EQ(code_of({.flags = 8}), Code::kInvalidArgument);
  bytes[28] ^= std::byte{1};
  EXPECT_EQ(DecodeHeader(bytes).error().code(), Code::kCorrupt);
}

TEST(Codec, RefusesFieldsOverTheirLimits) {
  std::vector<std::byte> buffer(1u << 20);
  const std::string long_path(kMaxPathBytes + 1, 'x');
  EXPECT_EQ(EncodeRequest(buffer, 1, {}, OpenRequest{.path = long_path, .if_match = {}}), 0u);
  EXPECT_GT(EncodeRequest(buffer, 1, {}, OpenRequest{.path = "/a", .if_match = {}}), 0u);
  EXPECT_EQ(EncodeRequest(MutableBytes(buffer).first(40), 1, {}, PingRequest{}), 0u);
  GetManyRequest many;
  many.items.resize(kMaxGetManyItems + 1);
  EXPECT_EQ(EncodeRequest(buffer, 1, {}, many), 0u);

  // The same, said by a peer.
  FieldWriter writer(buffer);
  writer.Number("size", static_cast<uint16_t>(long_path.size()));
  writer.Rest("path", long_path);
  writer.Number("if_match", uint16_t{0});
  const auto read = DecodeMeta<OpenRequest>(MessageType::kOpen, Bytes(buffer).first(writer.size()));
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().message(), "Open: bad field path");
}

TEST(Codec, AClaimedCountCostsNothing) {
  std::byte meta[2];
  StoreTo(meta, uint16_t{1000});
  const auto read = DecodeMeta<GetManyRequest>(MessageType::kGetMany, meta);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code(), Code::kInvalidArgument);
}

TEST(Codec, ErrorsTravelWithTheirCodes) {
  std::array<std::byte, 256> frame;
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code) {
    const Error error(static_cast<Code>(code), "what happened");
    ASSERT_GT(EncodeErrorAnswer(frame, {.request_id = 9}, 3, error), 0u);
    const auto header = DecodeHeader(std::span(frame).first<kHeaderBytes>());
    ASSERT_TRUE(header.has_value());
    EXPECT_EQ(header->status, code + 1);  // as in docs/PROTOCOL.md and forebay.h
    const Bytes meta = Bytes(frame).subspan(kHeaderBytes, header->meta_size);
    EXPECT_EQ(ErrorOf(*header, meta).ToString(), error.ToString());
  }
  EXPECT_EQ(CodeOf(999), Code::kInternal);
}

TEST(FrameCrc, IsTheOneThatEverybodyKnows) {
  EXPECT_EQ(FrameCrc(AsBytes("123456789")), 0xe3069283u);
}

TEST(Pieces, AreBoundToTheirPlace) {
  const VersionId version{{.hi = 1, .lo = 2}};
  constexpr uint32_t kBlock = 64u << 10;
  std::vector<std::byte> data(200'000);
  Prng prng(1);
  for (std::byte& byte : data) byte = static_cast<std::byte>(prng.Next());
  for (const auto& [offset, size] : {std::pair<uint64_t, uint64_t>{0, 200'000},
                                     {4095, 2},
                                     {65'000, 70'000},
                                     {4096, 4096},
                                     {70'000, 0}}) {
    std::vector<uint32_t> crcs;
    for (uint64_t at = offset; at < offset + size;) {
      const uint64_t end = std::min<uint64_t>(offset + size, (at / kPageBytes + 1) * kPageBytes);
      crcs.push_back(PageCrc(BlockKey::Of(version, static_cast<uint32_t>(at / kBlock)),
                             static_cast<uint32_t>(at % kBlock / kPageBytes),
                             Bytes(data).subspan(at, end - at)));
      at = end;
    }
    ASSERT_EQ(crcs.size(), PieceCount(offset, size));
    const Bytes raw = std::as_bytes(std::span(crcs));
    const Bytes piece = Bytes(data).subspan(offset, size);
    EXPECT_TRUE(VerifyPieces(version, kBlock, offset, piece, raw));
    if (size == 0) continue;
    EXPECT_FALSE(VerifyPieces(version, kBlock, offset + kPageBytes, piece, raw));
    EXPECT_FALSE(VerifyPieces({{.hi = 1, .lo = 3}}, kBlock, offset, piece, raw));
    EXPECT_FALSE(VerifyPieces(version, kBlock, offset, piece, raw.first(raw.size() - 4)));
    EXPECT_FALSE(VerifyPieces(version, 1000, offset, piece, raw));
    std::vector<std::byte> bad(piece.begin(), piece.end());
    bad.back() ^= std::byte{1};
    EXPECT_FALSE(VerifyPieces(version, kBlock, offset, bad, raw));
  }
}

TEST(Handshake, ChoosesTheHighestCommonVersionOrNamesBothRanges) {
  EXPECT_EQ(Negotiate({.min_version = 1, .max_version = 9}).value_or(0), 2);
  EXPECT_EQ(Negotiate({.min_version = 0, .max_version = 1}).value_or(0), 1);
  for (const uint16_t version : {0, 9}) {
    const auto none = Negotiate({.min_version = version, .max_version = version});
    ASSERT_FALSE(none.has_value());
    EXPECT_NE(none.error().message().find(
                  fmt::format("versions {} to {}, this node 1 to 2", version, version)),
              std::string::npos)
        << none.error().message();
  }
  EXPECT_FALSE(Negotiate({.min_version = 3, .max_version = 0}).has_value());
  EXPECT_EQ(Negotiate({.min_version = 2, .max_version = 3}, {.min = 1, .max = 4}).value_or(0), 3);
  EXPECT_FALSE(Negotiate({.min_version = 1, .max_version = 2}, {.min = 3, .max = 4}).has_value());
}

TEST(Handshake, ProofsAreHmacSha256OverBothHellos) {
  // RFC 4231, test case 2.
  EXPECT_EQ(ToHex(Prove("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const std::string client = ClientTranscript(AsBytes("ab"), AsBytes("c"));
  EXPECT_NE(client, ClientTranscript(AsBytes("a"), AsBytes("bc")));
  EXPECT_NE(client, ServerTranscript(AsBytes("ab"), AsBytes("c")));
  EXPECT_TRUE(SameProof(Prove("k", client), Prove("k", client)));
  EXPECT_FALSE(SameProof(Prove("k", client), Prove("l", client)));
}

TEST(Handshake, TokensAreNameAndHex) {
  const auto token = Token::Parse("reader 00fF10\n");
  ASSERT_TRUE(token.has_value());
  EXPECT_EQ(token->name, "reader");
  EXPECT_EQ(token->secret, std::string("\x00\xff\x10", 3));
  for (const char* bad :
       {"", "reader", "reader ", " 00", "reader 0", "reader zz", "reader 00 11"}) {
    EXPECT_FALSE(Token::Parse(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace forebay::wire
