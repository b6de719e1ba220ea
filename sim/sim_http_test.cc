#include "sim/sim_http.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/sim_http_stream.h"
#include "sim/sim_network.h"
#include "sim/world.h"

namespace forebay::sim {
namespace {

constexpr uint64_t kTag = 42;
constexpr uint64_t kSize = 3'000'000;

Code CodeOf(const auto& result) {
  return result ? Code::kInternal : result.error().code();
}

SimHttpReply Serve(const SimHttpRequest& request) {
  if (request.path != "/object") return {.status = 404};
  if (request.method == "PUT") return {.status = 201, .body = SimBody("got " + request.body)};
  return {.status = 200,
          .headers = {{"ETag", "\"v1\""},
                      {"X-Range", std::string(FindHeader(request.headers, "range"))}},
          .body = SimBody::Tagged(kTag, 0, kSize)};
}

struct Got {
  int status = 0;
  std::string etag;
  std::string length;
  std::string retry_after;
  std::vector<std::byte> body;
  Duration took{};
};

Task<Result<Got>> Fetch(Env& env, std::string url, Call call = {}) {
  const Instant start = env.clock.Now();
  HttpRequest request{.url = url, .headers = {{"Range", "bytes=0-"}}};
  FB_CO_ASSIGN(auto response, co_await env.http.Send(std::move(request), call));
  Got got{.status = response->status(),
          .etag = std::string(response->Header("etag")),
          .length = std::string(response->Header("content-length")),
          .retry_after = std::string(response->Header("retry-after"))};
  std::vector<std::byte> buffer(1 << 20);
  for (;;) {
    FB_CO_ASSIGN(const size_t size, co_await response->Read(buffer, call));
    if (size == 0) break;
    got.body.insert(got.body.end(), buffer.begin(), buffer.begin() + static_cast<long>(size));
  }
  got.took = env.clock.Now() - start;
  co_return got;
}

Task<Result<std::string>> Put(Env& env, std::string url, std::string text) {
  const size_t half = text.size() / 2;
  const Bytes all = AsBytes(text);
  HttpRequest request{.method = "PUT", .url = url, .body = {all.first(half), all.subspan(half)}};
  FB_CO_ASSIGN(auto response, co_await env.http.Send(std::move(request), {}));
  std::string answer(100, '?');
  FB_CO_ASSIGN(const size_t size,
               co_await response->Read(std::as_writable_bytes(std::span(answer)), {}));
  co_return answer.substr(0, size);
}

class SimHttpTest : public testing::Test {
 protected:
  Result<Got> Get(Call call = {}) {
    return world.Run(Fetch(node.env(), "https://blob/object", call));
  }
  World world{1};
  Node& node = world.AddNode("a");
  HttpServer& server = world.AddHttpServer("https://blob/", Serve);
};

TEST_F(SimHttpTest, ServesTaggedBodiesAtItsBandwidth) {
  const auto got = Get();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 200);
  EXPECT_EQ(got->etag, "\"v1\"");
  EXPECT_EQ(got->length, "3000000");
  std::vector<std::byte> expected(kSize);
  TagBytes(kTag, 0, expected);
  EXPECT_EQ(got->body, expected);
  const auto& options = world.options().http;
  EXPECT_GE(got->took, options.latency +
                           Duration(kSize * 1'000'000'000 / options.bytes_per_second) -
                           microseconds(1));
}

TEST(TagBytes, AnyPieceIsAPieceOfTheWhole) {
  std::vector<std::byte> whole(200), piece(50);
  TagBytes(7, 1000, whole);
  for (size_t from = 0; from < 20; ++from) {
    TagBytes(7, 1000 + from, piece);
    EXPECT_TRUE(std::equal(piece.begin(), piece.end(), whole.begin() + static_cast<long>(from)));
  }
}

TEST_F(SimHttpTest, FindsServersByTheLongestBase) {
  world.AddHttpServer("https://blob/object/deeper",
                      [](const SimHttpRequest&) { return SimHttpReply{.status = 299}; });
  EXPECT_EQ(world.Run(Fetch(node.env(), "https://blob/object/deeper/x"))->status, 299);
  EXPECT_EQ(world.Run(Fetch(node.env(), "https://blob/object/deeperx"))->status, 404);
  EXPECT_EQ(CodeOf(world.Run(Fetch(node.env(), "https://blobby/object"))), Code::kUnavailable);
  EXPECT_EQ(CodeOf(world.Run(Fetch(node.env(), "ftp://blob/object"))), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(world.Run(Fetch(node.env(), "https://"))), Code::kInvalidArgument);
}

TEST_F(SimHttpTest, TheHandlerSeesTheBody) {
  EXPECT_EQ(world.Run(Put(node.env(), "https://blob/object", "seventeen")).value(),
            "got seventeen");
}

TEST_F(SimHttpTest, ErrorsOnPurpose) {
  server.FailNext(HttpFault::kConnectFailure);
  EXPECT_EQ(CodeOf(Get()), Code::kUnavailable);
  server.FailNext(HttpFault::kError500);
  EXPECT_EQ(Get()->status, 500);
  EXPECT_EQ(server.handled(), 0u);
  server.FailNext(HttpFault::kLostReply);
  EXPECT_EQ(CodeOf(Get()), Code::kUnavailable);
  EXPECT_EQ(server.handled(), 1u);  // the server did it all the same
  server.FailNext(HttpFault::kOtherEtag);
  EXPECT_EQ(Get()->etag, "\"another version\"");
  server.FailNext(HttpFault::kResetInBody);
  EXPECT_EQ(CodeOf(Get()), Code::kUnavailable);
  server.FailNext(HttpFault::kShortBody);
  const auto brief = Get();
  ASSERT_TRUE(brief);
  EXPECT_LT(brief->body.size(), kSize);
  EXPECT_EQ(brief->length, std::to_string(brief->body.size()));
  server.SetDown(true);
  EXPECT_EQ(CodeOf(Get()), Code::kUnavailable);
  server.SetDown(false);
  world.net().Isolate(node);
  EXPECT_EQ(CodeOf(Get()), Code::kUnavailable);
}

TEST_F(SimHttpTest, A503SometimesSaysWhenToComeBack) {
  int says = 0;
  for (int i = 0; i < 40; ++i) {
    server.FailNext(HttpFault::kError503);
    const auto got = Get();
    ASSERT_EQ(got->status, 503);
    says += got->retry_after.empty() ? 0 : 1;
  }
  EXPECT_GT(says, 5);
  EXPECT_LT(says, 35);
}

TEST_F(SimHttpTest, StallsAndDripsMeetTheDeadline) {
  server.FailNext(HttpFault::kStall);
  const Call call{.deadline = world.Now() + seconds(10)};
  EXPECT_EQ(CodeOf(Get(call)), Code::kDeadlineExceeded);
  EXPECT_EQ(world.Now(), call.deadline);
  server.FailNext(HttpFault::kSlowDrip);
  EXPECT_EQ(CodeOf(Get({.deadline = world.Now() + seconds(10)})), Code::kDeadlineExceeded);
  EXPECT_TRUE(Get());
}

TEST_F(SimHttpTest, EveryRateFires) {
  HttpOptions options;
  options.faults = {.connect_failure = 0.1,
                    .error_500 = 0.1,
                    .error_503 = 0.1,
                    .stall = 0.1,
                    .reset_in_body = 0.1,
                    .short_body = 0.1,
                    .other_etag = 0.1,
                    .slow_drip = 0.1,
                    .lost_reply = 0.1};
  server.SetOptions(options);
  for (int i = 0; i < 150; ++i) static_cast<void>(Get({.deadline = world.Now() + seconds(5)}));
  for (const char* kind :
       {"http.connect_failure", "http.error_500", "http.error_503", "http.stall", "http.reset",
        "http.short_body", "http.other_etag", "http.slow_drip", "http.lost_reply"}) {
    EXPECT_GT(world.faults().fired(kind), 0u) << kind;
  }
}

// -- Servers that lie on machines, and bodies that go on.

class SimHttpStreamTest : public testing::Test {
 protected:
  SimHttpStreamTest() { server.HostOn(host); }
  SimHttpReply Answer(const SimHttpRequest&) {
    stream = std::make_shared<SimHttpStream>(world);
    stream->Push("hello");
    return {.stream = stream};
  }
  Result<std::unique_ptr<HttpResponse>> Send() {
    return world.Run(client.env().http.Send(
        {.method = "POST", .url = "http://host/", .body = {AsBytes("ask")}, .left = &left},
        {.deadline = world.Now() + seconds(60)}));
  }
  /// What comes within so long: its text, or its error's code.
  std::string Read(HttpResponse& response, size_t bytes, Duration within = seconds(1)) {
    std::string text;
    const Instant deadline = world.Now() + within;
    while (text.size() < bytes) {
      std::byte buffer[100];
      const auto got = world.Run(response.Read(buffer, {.deadline = deadline}));
      if (!got) return text + std::string(CodeName(got.error().code()));
      if (*got == 0) return text + "end";
      text += AsText(Bytes(buffer).first(*got));
    }
    return text;
  }

  World world{1};
  Node& host = world.AddNode("host");
  Node& client = world.AddNode("client");
  std::shared_ptr<SimHttpStream> stream;
  HttpServer& server = world.AddHttpServer(
      "http://host", [this](const SimHttpRequest& request) { return Answer(request); });
  bool left = false;
  const std::string late{CodeName(Code::kDeadlineExceeded)};
  const std::string broken{CodeName(Code::kUnavailable)};
};

TEST_F(SimHttpStreamTest, BringsWhatIsPushedInOrderUntilItsEnd) {
  const auto response = Send();
  ASSERT_TRUE(response) << response.error().ToString();
  EXPECT_TRUE(left);
  EXPECT_EQ(Read(**response, 5), "hello");
  EXPECT_EQ(Read(**response, 1), late);
  const Instant pushed = world.Now();
  for (const char* piece : {"a", "b", "c"}) stream->Push(piece);
  EXPECT_EQ(Read(**response, 3), "abc");
  EXPECT_GT(world.Now(), pushed);
  stream->Push("last");
  stream->End();
  stream->Push("not this");
  EXPECT_EQ(Read(**response, 100), "lastend");
}

TEST_F(SimHttpStreamTest, BreaksAndIsLeft) {
  {
    const auto response = Send();
    stream->Break();
    EXPECT_EQ(Read(**response, 100), "hello" + broken);
    EXPECT_TRUE(stream->read());
  }
  EXPECT_FALSE(stream->read());
  const auto response = Send();
  server.FailNext(HttpFault::kResetInBody);
  stream->Push("0123456789");
  EXPECT_TRUE(Read(**response, 100).ends_with(broken));
}

TEST_F(SimHttpStreamTest, AShortCutDelaysAndALongOneSilences) {
  const auto response = Send();
  EXPECT_EQ(Read(**response, 5), "hello");
  world.net().Partition(host, client, false);
  stream->Push("one");
  EXPECT_EQ(Read(**response, 1, seconds(5)), late);
  world.net().HealAll();
  EXPECT_EQ(Read(**response, 3), "one");
  world.net().Isolate(host);
  stream->Push("two");
  EXPECT_EQ(Read(**response, 1, seconds(20)), late);
  world.net().HealAll();
  EXPECT_EQ(Read(**response, 1, seconds(10)), late);  // given up; nobody has said so
  EXPECT_EQ(Read(**response, 1, seconds(60)), broken);
}

TEST_F(SimHttpStreamTest, RequestsMeetPartitionsAndCrashesOfTheHost) {
  int sent = 0;
  for (int i = 0; i < 20; ++i) {
    world.net().Partition(client, host);
    left = false;
    const auto cut = Send();
    ASSERT_FALSE(cut.has_value());
    EXPECT_EQ(cut.error().code(), Code::kUnavailable);
    sent += left ? 1 : 0;
    world.net().HealAll();
  }
  // A kept connection takes the request; a new one cannot be made.
  EXPECT_GT(sent, 0);
  EXPECT_LT(sent, 20);
  EXPECT_EQ(server.handled(), 0u);
  // The question arrives, its answer does not.
  world.net().Partition(host, client, false);
  EXPECT_FALSE(Send().has_value());
  world.net().HealAll();
  host.Crash();
  left = false;
  EXPECT_FALSE(Send().has_value());
  EXPECT_FALSE(left);
  host.Restart();
  EXPECT_TRUE(Send().has_value());
}

}  // namespace
}  // namespace forebay::sim
