#include "src/front/http/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace forebay::http {
namespace {

using testing::HasSubstr;

constexpr size_t kMaxHeader = 4096;

std::expected<RequestHead, Refusal> ReadWhole(std::string_view text) {
  RequestReader reader(kMaxHeader);
  const auto used = reader.ReadHead(AsBytes(text));
  if (!used) return std::unexpected(used.error());
  EXPECT_TRUE(reader.head_done()) << text;
  return reader.TakeHead();
}

int StatusOf(std::string_view text) {
  const auto head = ReadWhole(text);
  return head ? 200 : head.error().status;
}

TEST(HttpCodec, ReadsARequest) {
  const auto head =
      ReadWhole("GET /a%20b?c=d HTTP/1.1\r\nHost: x\r\nX-One: 1\r\nContent-Length: 3\r\n\r\nabc");
  ASSERT_TRUE(head) << head.error().why;
  EXPECT_EQ(head->method, "GET");
  EXPECT_EQ(head->target, "/a%20b?c=d");
  EXPECT_EQ(head->path(), "/a%20b");
  ASSERT_NE(head->Find("x-ONE"), nullptr);
  EXPECT_EQ(*head->Find("x-ONE"), "1");
  EXPECT_EQ(head->Find("x-two"), nullptr);
  EXPECT_EQ(head->content_length, 3u);
  EXPECT_TRUE(head->has_body);
  EXPECT_TRUE(head->keep_alive);
}

TEST(HttpCodec, AHeadThatIsUsedAgainKeepsNothingOfTheLast) {
  RequestReader reader(kMaxHeader);
  RequestHead head;
  for (const std::string_view text :
       {"PUT /long-as-it-is HTTP/1.1\r\nHost: x\r\nX-One: 1\r\nContent-Length: 3\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: y\r\n\r\n"}) {
    ASSERT_TRUE(reader.ReadHead(AsBytes(text)));
    reader.TakeHead(head);
    reader.Reset();
  }
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.target, "/a");
  EXPECT_EQ(head.headers.size(), 1u);
  EXPECT_EQ(*head.Find("Host"), "y");
  EXPECT_EQ(head.content_length, std::nullopt);
  EXPECT_FALSE(head.has_body);
}

TEST(HttpCodec, AHeadMayComeByteByByte) {
  RequestReader reader(kMaxHeader);
  const std::string text = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
  size_t used = 0;
  for (size_t seen = 1; seen <= text.size(); ++seen) {
    ASSERT_FALSE(reader.head_done());
    const auto more = reader.ReadHead(AsBytes(std::string_view(text).substr(used, seen - used)));
    ASSERT_TRUE(more) << more.error().why;
    used += *more;
  }
  EXPECT_EQ(used, text.size());
  ASSERT_TRUE(reader.head_done());
  EXPECT_TRUE(reader.done());
  EXPECT_EQ(reader.TakeHead().target, "/a");
}

TEST(HttpCodec, AnAbsoluteTargetIsCutToItsPath) {
  EXPECT_EQ(ReadWhole("GET http://h:1/p?q HTTP/1.1\r\nHost: h\r\n\r\n")->target, "/p?q");
  EXPECT_EQ(ReadWhole("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n")->target, "/");
  EXPECT_EQ(ReadWhole("GET HTTP://h/o HTTP/1.1\r\nHost: h\r\n\r\n")->target, "/o");
  EXPECT_EQ(ReadWhole("GET http://h?a=/b HTTP/1.1\r\nHost: h\r\n\r\n")->target, "/?a=/b");
  EXPECT_EQ(ReadWhole("GET /a?b=http://h/c HTTP/1.1\r\nHost: h\r\n\r\n")->target,
            "/a?b=http://h/c");
}

TEST(HttpCodec, HostileRequestsAreRefused) {
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\n\r\n"), 400);  // no Host
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/9.1\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(StatusOf("\x16\x03\x01\x02 TLS\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n"),
            400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(5000, 'x') + "\r\n\r\n"),
            431);
}

TEST(HttpCodec, BodiesInChunksComeOutWhole) {
  RequestReader reader(kMaxHeader);
  std::string text =
      "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n10;ext=1\r\n0123456789abcdef\r\n0\r\n\r\nGET";
  text.erase(0, *reader.ReadHead(AsBytes(text)));
  EXPECT_TRUE(reader.TakeHead().has_body);
  std::string body;
  std::byte into[5];
  while (!reader.done()) {
    const auto progress = reader.ReadBody(AsBytes(text), into);
    ASSERT_TRUE(progress) << progress.error().why;
    ASSERT_GT(progress->consumed + progress->produced, 0u);
    body += AsText(Bytes(into).first(progress->produced));
    text.erase(0, progress->consumed);
  }
  EXPECT_EQ(body, "abc0123456789abcdef");
  EXPECT_EQ(text, "GET");
}

TEST(HttpCodec, ATrailerMayComeByteByByte) {
  RequestReader reader(kMaxHeader);
  std::string text = "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  text.erase(0, *reader.ReadHead(AsBytes(text)));
  std::byte into[5];
  for (const char c : std::string_view("0\r\nX: y\r\n\r\n")) {
    text += c;
    const auto progress = reader.ReadBody(AsBytes(text), into);
    ASSERT_TRUE(progress) << progress.error().why;
    EXPECT_EQ(progress->produced, 0u);
    text.erase(0, progress->consumed);
  }
  EXPECT_TRUE(reader.done());
}

TEST(HttpCodec, AHeadersValueCannotEndIt) {
  const std::string head = FormatHead({.status = 404,
                                       .headers = {{"X-Key", "a\r\nSet-Cookie: b"}},
                                       .content_length = 7,
                                       .keep_alive = false});
  EXPECT_THAT(head, testing::StartsWith("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_THAT(head, HasSubstr("X-Key: a??Set-Cookie: b\r\n"));
  EXPECT_THAT(head, HasSubstr("Content-Length: 7\r\n"));
  EXPECT_THAT(head, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(head, testing::EndsWith("\r\n\r\n"));
}

/// Lines without an end come one by one. How many bytes of them were taken, or are kept to be
/// looked at again, when they are refused: by the reader, or for filling a connection's buffer.
size_t TakenOfEndlessLines(RequestReader& reader, std::string unread) {
  const std::string line = "X-Line: " + std::string(1000, 'x') + "\r\n";
  std::byte into[64];
  for (size_t taken = unread.size(); taken < 100 * kMaxHeader; taken += line.size()) {
    unread += line;
    for (size_t used = 1; used > 0;) {
      if (reader.head_done()) {
        const auto progress = reader.ReadBody(AsBytes(unread), into);
        if (!progress) return progress.error().status == 431 ? taken : ~size_t{0};
        used = progress->consumed;
      } else {
        const auto read = reader.ReadHead(AsBytes(unread));
        if (!read) return read.error().status == 431 ? taken : ~size_t{0};
        used = *read;
      }
      unread.erase(0, used);
    }
    if (unread.size() > kMaxHeader) return taken;
  }
  return ~size_t{0};
}

TEST(RequestReaderTest, LinesWithoutAnEndAreBoundedTogether) {
  RequestReader reader(kMaxHeader);
  EXPECT_LE(TakenOfEndlessLines(reader, "GET / HTTP/1.1\r\nHost: h\r\n"), 2 * kMaxHeader);
  RequestReader of_trailers(kMaxHeader);
  const std::string head = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  ASSERT_EQ(of_trailers.ReadHead(AsBytes(head)).value_or(0), head.size());
  EXPECT_LE(TakenOfEndlessLines(of_trailers, "0\r\n"), 2 * kMaxHeader);
}

}  // namespace
}  // namespace forebay::http
