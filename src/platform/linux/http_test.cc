#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "src/base/units.h"
#include "src/platform/linux/http_reply.h"
#include "src/platform/linux/loop_threads.h"
#include "src/platform/linux/test_loop.h"
#include "src/runtime/spread_http.h"
#include "src/runtime/sync.h"
#include "src/runtime/task_group.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;

/// What the peer does with the requests of one connection after the other.
struct Script {
  std::string answer;
  enum class Then { kNextRequest, kClose, kStall } then = Then::kNextRequest;
  size_t answers_a_connection = ~size_t{0};  // then it closes without a word
  size_t deaf_after = ~size_t{0};  // answers a connection; then it takes one more, and closes
  size_t pauses_at = ~size_t{0};   // each answer, until it is told to go on
};

/// A small, scripted HTTP server over our own Net.
class Peer {
 public:
  Peer(Env& env, Script script) : env_(env), script_(std::move(script)), group_(env.executor) {
    auto listener = env.net.Listen("127.0.0.1:0");
    EXPECT_TRUE(listener.has_value());
    listener_ = std::move(*listener);
    group_.Spawn(AcceptAll());
  }

  std::string Url(const std::string& path) const { return "http://" + listener_->address() + path; }
  const std::vector<std::string>& requests() const { return requests_; }
  int connections() const { return connections_; }
  uint64_t sent() const { return sent_; }
  /// The answer of which some has come.
  void GoOn() { go_on_->Set(); }

  Task<void> Stop() {
    stop_.Cancel();
    co_await group_.Join();
  }

 private:
  Task<void> AcceptAll() {
    for (;;) {
      auto stream = co_await listener_->Accept({.cancel = stop_.token()});
      if (!stream) co_return;
      ++connections_;
      group_.Spawn(Serve(std::move(*stream)));
    }
  }

  Task<void> Serve(std::unique_ptr<Stream> stream) {
    for (size_t i = 0; i < script_.answers_a_connection; ++i) {
      std::string request;
      if (!co_await ReadRequest(*stream, &request)) co_return;
      requests_.push_back(request);
      if (i >= script_.deaf_after) co_return;
      if (!co_await SendAnswer(*stream)) co_return;
      if (script_.then == Script::Then::kClose) co_return;
      if (script_.then == Script::Then::kStall) {
        static_cast<void>(co_await env_.clock.SleepUntil(Instant::Never(), stop_.token()));
        co_return;
      }
    }
  }

  Task<bool> SendAnswer(Stream& stream) {
    constexpr size_t kPiece = 16 * kKiB;
    Event go_on(env_.executor);
    go_on_ = &go_on;
    for (size_t at = 0; at < script_.answer.size(); at += kPiece) {
      if (at >= script_.pauses_at) co_await go_on.Wait();
      const Bytes piece = AsBytes(std::string_view(script_.answer).substr(at, kPiece));
      if (!co_await stream.Send(std::span(&piece, 1), {.cancel = stop_.token()})) co_return false;
      sent_ += piece.size();
    }
    co_return true;
  }

  Task<bool> ReadRequest(Stream& stream, std::string* request) {
    char buffer[4096];
    while (!Complete(*request)) {
      const auto got = co_await stream.Recv(std::as_writable_bytes(std::span(buffer)),
                                            {.cancel = stop_.token()});
      if (!got || *got == 0) co_return false;
      request->append(buffer, *got);
    }
    co_return true;
  }

  static bool Complete(const std::string& request) {
    const size_t head = request.find("\r\n\r\n");
    if (head == std::string::npos) return false;
    const std::string_view name = "Content-Length: ";
    const size_t length = request.find(name);
    if (length == std::string::npos || length > head) return true;
    return request.size() - head - 4 >= std::stoul(request.substr(length + name.size()));
  }

  Env& env_;
  const Script script_;
  TaskGroup group_;
  CancelSource stop_;
  std::unique_ptr<Listener> listener_;
  std::vector<std::string> requests_;
  int connections_ = 0;
  uint64_t sent_ = 0;
  Event* go_on_ = nullptr;
};

/// On the loop of the test alone, or spread over so many threads and it.
class HttpOnBoth : public testing::TestWithParam<std::tuple<IoBackend, size_t>> {
 protected:
  void SetUp() override {
    const auto [io, threads] = GetParam();
    MakeTestLoop(io, &loop_);
    if (loop_ == nullptr) return;
    auto started = LoopThreads::Start(threads, {.io = io});
    ASSERT_TRUE(started.has_value()) << started.error().ToString();
    threads_ = std::move(*started);
    std::vector<Env*> loops = threads_->envs();
    loops.push_back(&loop_->env());
    spread_.emplace(loop_->env(), loops);
    env_.emplace(WithHttp(loop_->env(), threads == 0 ? loop_->env().http : *spread_));
  }
  void TearDown() override {
    if (spread_) loop_->Run(spread_->Close());
  }

  Env& env() { return *env_; }

  std::unique_ptr<Loop> loop_;
  std::unique_ptr<LoopThreads> threads_;
  std::optional<SpreadHttp> spread_;
  std::optional<Env> env_;
};
std::string HttpTestName(const testing::TestParamInfo<std::tuple<IoBackend, size_t>>& info) {
  const auto [io, threads] = info.param;
  return std::string(IoBackendName(io)) + (threads > 0 ? "Spread" : "");
}
INSTANTIATE_TEST_SUITE_P(Io, HttpOnBoth,
                         testing::Combine(testing::ValuesIn(kBothBackends), testing::Values(0, 2)),
                         HttpTestName);

struct Answer {
  int status = 0;
  std::string body;
  std::string etag;
  std::optional<Error> error;  // of the head or of the body
};

Task<std::optional<Error>> ReadAll(HttpResponse& response, std::string* body) {
  char buffer[3000];
  for (;;) {
    const auto got = co_await response.Read(std::as_writable_bytes(std::span(buffer)), {});
    if (!got) co_return got.error();
    if (*got == 0) co_return std::nullopt;
    body->append(buffer, *got);
  }
}

Task<Answer> Exchange(Env& env, HttpRequest request, Call call) {
  Answer answer;
  auto response = co_await env.http.Send(std::move(request), call);
  if (!response) {
    answer.error = response.error();
    co_return answer;
  }
  answer.status = (*response)->status();
  answer.etag = (*response)->Header("etag");
  answer.error = co_await ReadAll(**response, &answer.body);
  co_return answer;
}

struct Outcome {
  Answer answer;
  std::vector<std::string> requests;
  int connections = 0;
};

Task<Outcome> Converse(Env& env, Script script, HttpRequest request, int times) {
  Peer peer(env, std::move(script));
  Outcome outcome;
  request.url = peer.Url(request.url);
  for (int i = 0; i < times; ++i) outcome.answer = co_await Exchange(env, request, {});
  co_await peer.Stop();
  outcome.requests = peer.requests();
  outcome.connections = peer.connections();
  co_return outcome;
}

TEST_P(HttpOnBoth, GetsABodyOfKnownLength) {
  const Outcome outcome = loop_->Run(Converse(
      env(), {.answer = "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 5\r\n\r\nhello"},
      {.url = "/a?b=c", .headers = {{"Range", "bytes=0-4"}, {"X-Empty", ""}}}, 1));
  ASSERT_FALSE(outcome.answer.error) << outcome.answer.error->ToString();
  EXPECT_EQ(outcome.answer.status, 200);
  EXPECT_EQ(outcome.answer.body, "hello");
  EXPECT_EQ(outcome.answer.etag, "\"v1\"");
  ASSERT_EQ(outcome.requests.size(), 1u);
  EXPECT_TRUE(outcome.requests[0].starts_with("GET /a?b=c HTTP/1.1\r\n"));
  EXPECT_NE(outcome.requests[0].find("Range: bytes=0-4\r\n"), std::string::npos);
  EXPECT_NE(outcome.requests[0].find("X-Empty:"), std::string::npos);
}

TEST_P(HttpOnBoth, GetsAChunkedBodyAfterAnInterimHead) {
  const Outcome outcome = loop_->Run(Converse(
      env(),
      {.answer = "HTTP/1.1 103 Early Hints\r\nETag: no\r\n\r\n"
                 "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nETag: yes\r\n\r\n"
                 "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"},
      {.url = "/"}, 1));
  ASSERT_FALSE(outcome.answer.error) << outcome.answer.error->ToString();
  EXPECT_EQ(outcome.answer.status, 404);
  EXPECT_EQ(outcome.answer.body, "abcdefg");
  EXPECT_EQ(outcome.answer.etag, "yes");
}

TEST_P(HttpOnBoth, UsesAConnectionAgain) {
  const Outcome outcome = loop_->Run(Converse(
      env(), {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"}, {.url = "/"}, 5));
  EXPECT_EQ(outcome.requests.size(), 5u);
  EXPECT_EQ(outcome.connections, 1);
}

TEST_P(HttpOnBoth, AKeptConnectionThatThePeerClosedIsReplaced) {
  const std::string body(100'000, 'p');
  const HttpRequest requests[] = {{.method = "PUT", .url = "/", .body = {AsBytes(body)}},
                                  {.method = "GET", .url = "/"}};
  for (const HttpRequest& request : requests) {
    const Outcome outcome = loop_->Run(Converse(
        env(),
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", .answers_a_connection = 1},
        request, 3));
    ASSERT_FALSE(outcome.answer.error) << outcome.answer.error->ToString();
    EXPECT_EQ(outcome.requests.size(), 3u);
    EXPECT_EQ(outcome.connections, 3);
  }
}

Task<int> AskByName(Env& env, int times) {
  Peer peer(env, {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"});
  std::string url = peer.Url("/");
  url.replace(url.find("127.0.0.1"), 9, "localhost");
  for (int i = 0; i < times; ++i) {
    const Answer answer = co_await Exchange(env, {.url = url}, {});
    EXPECT_EQ(answer.body, "ok");
  }
  co_await peer.Stop();
  for (const std::string& request : peer.requests()) {
    EXPECT_NE(request.find("Host: localhost:"), std::string::npos) << request;
  }
  co_return peer.connections();
}

TEST_P(HttpOnBoth, NamesAreFoundAndTheirConnectionsUsedAgain) {
  EXPECT_LE(loop_->Run(AskByName(env(), 10)), 4);  // libcurl's, and ours, on each loop
}

TEST_P(HttpOnBoth, AConnectionThatCannotGoOnIsNotUsedAgain) {
  for (const char* answer : {
           "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
           "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
           "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more than was promised",
       }) {
    const Outcome outcome = loop_->Run(Converse(env(), {.answer = answer}, {.url = "/"}, 2));
    ASSERT_FALSE(outcome.answer.error) << outcome.answer.error->ToString();
    EXPECT_EQ(outcome.answer.body, "ok");
    EXPECT_EQ(outcome.connections, 2) << answer;
  }
}

TEST_P(HttpOnBoth, ABodyMayEndWithItsConnection) {
  const std::string body(100'000, 'b');
  const Outcome outcome = loop_->Run(
      Converse(env(), {.answer = "HTTP/1.1 200 OK\r\n\r\n" + body, .then = Script::Then::kClose},
               {.url = "/"}, 1));
  ASSERT_FALSE(outcome.answer.error) << outcome.answer.error->ToString();
  EXPECT_EQ(outcome.answer.body, body);
}

TEST_P(HttpOnBoth, AHeadMayBeLargeButNotOfAnySize) {
  const auto answer = [](size_t bytes) {
    std::string head = "HTTP/1.1 200 OK\r\n";
    for (int i = 0; head.size() < bytes; ++i) {
      head += "X-" + std::to_string(i) + ": " + std::string(1000, 'h') + "\r\n";
    }
    return head + "ETag: e\r\nContent-Length: 2\r\n\r\nok";
  };
  const Outcome large = loop_->Run(Converse(env(), {.answer = answer(50'000)}, {.url = "/"}, 2));
  ASSERT_FALSE(large.answer.error) << large.answer.error->ToString();
  EXPECT_EQ(large.answer.etag, "e");
  EXPECT_EQ(large.answer.body, "ok");
  EXPECT_EQ(large.connections, 1);
  const Outcome larger = loop_->Run(Converse(env(), {.answer = answer(500'000)}, {.url = "/"}, 1));
  ASSERT_TRUE(larger.answer.error);
  EXPECT_EQ(larger.answer.error->code(), Code::kUnavailable);
}

TEST(ReplyReader, HeadsBeforeTheHeadAreBoundedTogether) {
  platform::ReplyReader reader;
  const std::string interim =
      "HTTP/1.1 103 Early Hints\r\nX: " + std::string(1000, 'x') + "\r\n\r\n";
  size_t taken = 0;
  for (; taken < 10 * platform::ReplyReader::kMaxHeadBytes; taken += interim.size()) {
    const auto used = reader.ReadHead(AsBytes(interim));
    if (!used) break;
    EXPECT_EQ(*used, interim.size());
  }
  EXPECT_LE(taken, platform::ReplyReader::kMaxHeadBytes);
}

TEST_P(HttpOnBoth, ReadsChunksOfAnySizeWithWordsBehindThem) {
  std::string answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", body;
  for (const size_t size : {1, 70'000, 3, 8192, 4096}) {
    const std::string chunk(size, static_cast<char>('a' + size % 7));
    answer += fmt::format("{:x};word=\"of a chunk\"\r\n{}\r\n", size, chunk);
    body += chunk;
  }
  answer += "0\r\nX-Trailer: t\r\n\r\n";
  const Outcome outcome = loop_->Run(Converse(env(), {.answer = answer}, {.url = "/"}, 3));
  ASSERT_FALSE(outcome.answer.error) << outcome.answer.error->ToString();
  EXPECT_EQ(outcome.answer.body, body);
  EXPECT_EQ(outcome.connections, 1);
}

TEST_P(HttpOnBoth, WhatIsNoHttpIsUnavailable) {
  for (const char* answer : {
           "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
       }) {
    const Outcome outcome = loop_->Run(
        Converse(env(), {.answer = answer, .then = Script::Then::kClose}, {.url = "/"}, 1));
    ASSERT_TRUE(outcome.answer.error) << answer;
    EXPECT_EQ(outcome.answer.error->code(), Code::kUnavailable);
  }
}

TEST_P(HttpOnBoth, AnAnswerWithoutABodyEndsWithItsHead) {
  for (const char* answer :
       {"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}) {
    const Outcome outcome = loop_->Run(Converse(env(), {.answer = answer}, {.url = "/"}, 2));
    ASSERT_FALSE(outcome.answer.error) << answer << outcome.answer.error->ToString();
    EXPECT_EQ(outcome.answer.body, "");
    EXPECT_EQ(outcome.connections, 1) << answer;
  }
}

TEST_P(HttpOnBoth, SendsABodyInParts) {
  const std::string large(300'000, 'x');
  for (const char* method : {"PUT", "POST"}) {
    const Outcome outcome = loop_->Run(
        Converse(env(), {.answer = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"},
                 {.method = method,
                  .url = "/",
                  .body = {AsBytes("first,"), Bytes(), AsBytes(large), AsBytes(",last")}},
                 1));
    ASSERT_FALSE(outcome.answer.error) << outcome.answer.error->ToString();
    EXPECT_EQ(outcome.answer.status, 201);
    ASSERT_EQ(outcome.requests.size(), 1u);
    EXPECT_TRUE(outcome.requests[0].starts_with(method));
    EXPECT_TRUE(outcome.requests[0].ends_with("\r\n\r\nfirst," + large + ",last"));
    EXPECT_EQ(outcome.requests[0].find("Expect"), std::string::npos);
  }
}

TEST_P(HttpOnBoth, HeadDeleteAndEmptyPutHaveNoBody) {
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
  const Outcome head =
      loop_->Run(Converse(env(), {.answer = answer}, {.method = "HEAD", .url = "/"}, 2));
  ASSERT_FALSE(head.answer.error) << head.answer.error->ToString();
  EXPECT_EQ(head.answer.body, "");
  const std::string none = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  for (const char* method : {"DELETE", "PUT"}) {
    const Outcome empty =
        loop_->Run(Converse(env(), {.answer = none}, {.method = method, .url = "/"}, 1));
    ASSERT_FALSE(empty.answer.error) << empty.answer.error->ToString();
    EXPECT_TRUE(empty.requests[0].starts_with(method));
  }
}

TEST_P(HttpOnBoth, AShortBodyIsNeverTakenForAWholeOne) {
  const std::string short_bodies[] = {
      "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello",
  };
  for (const std::string& answer : short_bodies) {
    const Outcome outcome = loop_->Run(
        Converse(env(), {.answer = answer, .then = Script::Then::kClose}, {.url = "/"}, 1));
    EXPECT_EQ(outcome.answer.body, "hello");
    ASSERT_TRUE(outcome.answer.error) << answer;
    EXPECT_EQ(outcome.answer.error->code(), Code::kUnavailable);
  }
}

TEST_P(HttpOnBoth, APeerThatBreaksOffOrTalksNonsenseIsUnavailable) {
  for (const char* answer : {"", "HTTP/1.1 200", "what?\r\n\r\n"}) {
    const Outcome outcome = loop_->Run(
        Converse(env(), {.answer = answer, .then = Script::Then::kClose}, {.url = "/"}, 1));
    ASSERT_TRUE(outcome.answer.error) << answer;
    EXPECT_EQ(outcome.answer.error->code(), Code::kUnavailable);
  }
}

TEST_P(HttpOnBoth, ErrorsKeepSecretsToThemselves) {
  const Answer answer =
      loop_->Run(Exchange(env(), {.url = "http://user:secret@127.0.0.1:1/path?sig=secret"}, {}));
  ASSERT_TRUE(answer.error);
  EXPECT_EQ(answer.error->code(), Code::kUnavailable);
  EXPECT_NE(answer.error->message().find("127.0.0.1:1/path"), std::string::npos);
  EXPECT_EQ(answer.error->message().find("secret"), std::string::npos);
}

TEST_P(HttpOnBoth, BadRequestsAreRefused) {
  const auto code = [this](HttpRequest request) {
    const Answer answer = loop_->Run(Exchange(env(), std::move(request), {}));
    return answer.error ? answer.error->code() : Code::kInternal;
  };
  EXPECT_EQ(code({.url = "nonsense://x/"}), Code::kInvalidArgument);
  EXPECT_EQ(code({.url = "file:///etc/passwd"}), Code::kInvalidArgument);
  EXPECT_EQ(code({.url = ""}), Code::kInvalidArgument);
  EXPECT_EQ(code({.url = "http://127.0.0.1:1/", .headers = {{"A", "b\r\nC: d"}}}),
            Code::kInvalidArgument);
}

Task<void> NoteCode(Env& env, HttpRequest request, Call call, Code* code) {
  const Answer answer = co_await Exchange(env, std::move(request), call);
  *code = answer.error ? answer.error->code() : Code::kInternal;
}

Task<void> StallInTheHead(Env& env, Code* by_deadline, Code* by_cancel) {
  Peer peer(env, {.answer = "HTTP/1.1 2", .then = Script::Then::kStall});
  CancelSource source;
  TaskGroup group(env.executor);
  group.Spawn(
      NoteCode(env, {.url = peer.Url("/")}, {.deadline = env.clock.Now() + 20ms}, by_deadline));
  group.Spawn(NoteCode(env, {.url = peer.Url("/")}, {.cancel = source.token()}, by_cancel));
  EXPECT_TRUE((co_await env.clock.Sleep(10ms)).has_value());
  source.Cancel();
  co_await group.Join();
  co_await peer.Stop();
}

TEST_P(HttpOnBoth, AStallInTheHeadEndsByDeadlineOrCancel) {
  Code by_deadline{}, by_cancel{};
  loop_->Run(StallInTheHead(env(), &by_deadline, &by_cancel));
  EXPECT_EQ(by_deadline, Code::kDeadlineExceeded);
  EXPECT_EQ(by_cancel, Code::kCancelled);
}

Task<void> StallInTheBody(Env& env) {
  Peer peer(env, {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
                  .then = Script::Then::kStall});
  {
    auto response = co_await env.http.Send({.url = peer.Url("/")}, {});
    EXPECT_TRUE(response.has_value()) << response.error().ToString();
    std::byte buffer[100];
    EXPECT_EQ((co_await (*response)->Read(buffer, {})).value_or(0), 5u);
    const auto late = co_await (*response)->Read(buffer, {.deadline = env.clock.Now() + 5ms});
    EXPECT_EQ(late.error().code(), Code::kDeadlineExceeded);
  }  // given up before its end
  co_await peer.Stop();
}

TEST_P(HttpOnBoth, AStallInTheBodyEndsByDeadline) {
  loop_->Run(StallInTheBody(env()));
}

Task<void> SendTheRestLater(Env& env, Listener& listener, Event& go) {
  auto stream = co_await listener.Accept({});
  std::byte request[1000];
  static_cast<void>(co_await (*stream)->Recv(request, {}));
  const Bytes first = AsBytes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
  static_cast<void>(co_await (*stream)->Send(std::span(&first, 1), {}));
  co_await go.Wait();
  const Bytes rest = AsBytes("world");
  static_cast<void>(co_await (*stream)->Send(std::span(&rest, 1), {}));
  static_cast<void>(co_await (*stream)->Recv(request, {}));  // until the client goes
}

Task<void> WaitInVainThenReadOn(Env& env) {
  auto listener = env.net.Listen("127.0.0.1:0");
  Event go(env.executor);
  TaskGroup group(env.executor);
  group.Spawn(SendTheRestLater(env, **listener, go));
  {
    auto response = co_await env.http.Send({.url = "http://" + (*listener)->address() + "/"}, {});
    EXPECT_TRUE(response.has_value()) << response.error().ToString();
    std::byte buffer[100];
    EXPECT_EQ((co_await (*response)->Read(buffer, {})).value_or(0), 5u);
    const auto late = co_await (*response)->Read(buffer, {.deadline = env.clock.Now() + 5ms});
    EXPECT_EQ(late.error().code(), Code::kDeadlineExceeded);
    go.Set();
    EXPECT_EQ((co_await (*response)->Read(buffer, {})).value_or(0), 5u);
    EXPECT_EQ(AsText(Bytes(buffer).first(5)), "world");
  }
  {  // whoever gives an exchange up in its middle leaves no connection to the next
    const Answer next = co_await Exchange(env, {.url = "http://" + (*listener)->address() + "/"},
                                          {env.clock.Now() + 1ms, {}});
    EXPECT_TRUE(next.error.has_value());
  }
  co_await group.Join();
}

TEST_P(HttpOnBoth, AReadThatWaitedInVainMayBeMadeAgain) {
  loop_->Run(WaitInVainThenReadOn(env()));
}

Task<void> ReadSlowly(Env& env) {
  constexpr size_t kBody = 64 * kMiB;
  Peer peer(env, {.answer = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kBody) +
                            "\r\n\r\n" + std::string(kBody, 'x')});
  auto response = co_await env.http.Send({.url = peer.Url("/")}, {});
  EXPECT_TRUE(response.has_value()) << response.error().ToString();
  EXPECT_TRUE((co_await env.clock.Sleep(50ms)).has_value());
  // What the sockets and one buffer hold, not the body: nobody has read any of it.
  EXPECT_LT(peer.sent(), kBody / 2);
  std::string body;
  EXPECT_FALSE(co_await ReadAll(**response, &body));
  EXPECT_EQ(body.size(), kBody);
  co_await peer.Stop();
}

TEST_P(HttpOnBoth, WhatIsNotReadIsNotPulledWithoutBound) {
  loop_->Run(ReadSlowly(env()));
}

/// `at_once`: a read takes what there is. From another loop it comes a piece at a time.
Task<void> ReadWhatPauses(Env& env, bool at_once) {
  constexpr size_t kPause = 2 * kMiB, kBody = 4 * kMiB + 17;
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kBody);
  Peer peer(env, {.answer = head + "\r\n\r\n" + std::string(kBody, 'x'), .pauses_at = kPause});
  for (int times = 0; times < 3; ++times) {
    auto response = co_await env.http.Send({.url = peer.Url("/")}, {});
    EXPECT_TRUE(response.has_value()) << response.error().ToString();
    const size_t sent = kPause - head.size() - 4;
    std::vector<std::byte> buffer(64 * kKiB);
    size_t got = 0;
    // The last of them are few, and more come only when these are here.
    while (got < sent) {
      const size_t most = at_once ? buffer.size() : std::min(buffer.size(), sent - got);
      const auto into = std::span(buffer).first(most);
      const auto size = co_await (*response)->Read(into, {});
      EXPECT_TRUE(size.value_or(0) > 0);
      got += size.value_or(kBody);
    }
    peer.GoOn();
    std::string rest;
    EXPECT_FALSE(co_await ReadAll(**response, &rest));
    EXPECT_EQ(got + rest.size(), kBody);
  }
  EXPECT_EQ(peer.connections(), 1);
  co_await peer.Stop();
}

TEST_P(HttpOnBoth, ALargeBodyThatPausesComesAsFarAsItWasSent) {
  loop_->Run(ReadWhatPauses(env(), std::get<1>(GetParam()) == 0));
}

Task<void> GetInto(Env& env, std::string url, int* right) {
  const Answer answer = co_await Exchange(env, {.url = std::move(url)}, {});
  if (!answer.error && answer.body == "ok") ++*right;
}

Task<int> ManyAtOnce(Env& env, int count) {
  Peer peer(env, {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"});
  int right = 0;
  {
    TaskGroup group(env.executor);
    for (int i = 0; i < count; ++i) group.Spawn(GetInto(env, peer.Url("/"), &right));
    co_await group.Join();
  }
  co_await peer.Stop();
  co_return right;
}

TEST_P(HttpOnBoth, ManyAtOnceAllArrive) {
  EXPECT_EQ(loop_->Run(ManyAtOnce(env(), 600)), 600);
}

Task<void> SaySomethingUnasked(Env& env, Listener& listener) {
  const Bytes answer = AsBytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  const Bytes unasked = AsBytes("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
  std::vector<std::unique_ptr<Stream>> streams;
  std::byte request[1000];
  for (int i = 0; i < 2; ++i) {
    auto stream = co_await listener.Accept({env.clock.Now() + 2s, {}});
    if (!stream) co_return;
    streams.push_back(*std::move(stream));
    static_cast<void>(co_await streams.back()->Recv(request, {}));
    static_cast<void>(co_await streams.back()->Send(std::span(&answer, 1), {}));
    if (i > 0) break;
    EXPECT_TRUE((co_await env.clock.Sleep(5ms)).has_value());
    static_cast<void>(co_await streams.back()->Send(std::span(&unasked, 1), {}));
  }
}

Task<void> AskBeforeAndAfter(Env& env) {
  auto listener = env.net.Listen("127.0.0.1:0");
  TaskGroup group(env.executor);
  group.Spawn(SaySomethingUnasked(env, **listener));
  for (int i = 0; i < 2; ++i) {
    const Answer answer =
        co_await Exchange(env, {.url = "http://" + (*listener)->address() + "/"}, {});
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "ok");
    EXPECT_TRUE((co_await env.clock.Sleep(20ms)).has_value());
  }
  co_await group.Join();
}

TEST_P(HttpOnBoth, WhatAKeptConnectionSaysUnaskedIsNoAnswer) {
  loop_->Run(AskBeforeAndAfter(env()));
}

// -- On several loops.

/// Notes the threads that it is used from.
class NotedHttp final : public Http {
 public:
  explicit NotedHttp(Http& http) : http_(http) {}
  Task<Result<std::unique_ptr<HttpResponse>>> Send(HttpRequest request, Call call) override {
    at_ = std::this_thread::get_id();
    return http_.Send(std::move(request), call);
  }
  std::thread::id at() const { return at_; }

 private:
  Http& http_;
  std::thread::id at_;
};

Task<void> HoldFour(SpreadHttp& spread, std::string url) {
  std::vector<std::unique_ptr<HttpResponse>> held;
  for (int i = 0; i < 4; ++i) {
    auto response = co_await spread.Send({.url = url}, {});
    EXPECT_TRUE(response.has_value()) << response.error().ToString();
    if (response) held.push_back(*std::move(response));
  }
  held.clear();
  co_await spread.Close();
}

Task<void> SpreadFour(Env& env, std::vector<Env*> loops) {
  Peer peer(env, {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"});
  SpreadHttp spread(env, loops);
  co_await HoldFour(spread, peer.Url("/"));
  co_await peer.Stop();
}

TEST_P(HttpOnBoth, ExchangesGoToTheLoopThatHasFewest) {
  std::vector<Env*> loops = threads_->envs();
  loops.push_back(&loop_->env());
  std::vector<std::unique_ptr<NotedHttp>> noted;
  std::vector<std::unique_ptr<Env>> envs;
  std::vector<Env*> lines;
  for (Env* loop : loops) {
    noted.push_back(std::make_unique<NotedHttp>(loop->http));
    envs.push_back(std::make_unique<Env>(WithHttp(*loop, *noted.back())));
    lines.push_back(envs.back().get());
  }
  loop_->Run(SpreadFour(loop_->env(), lines));
  std::set<std::thread::id> threads;
  for (const auto& one : noted) threads.insert(one->at());
  EXPECT_EQ(threads.size(), loops.size());
  EXPECT_FALSE(threads.contains(std::thread::id()));
}

// -- What must not happen twice.

struct Sent {
  std::optional<Error> error;
  bool left = false;
};

/// The second of two requests, whose kept connection the peer closes on it unanswered.
Task<Sent> SendOverAClosingConnection(Env& env, bool once, int* requests) {
  Peer peer(env, {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", .deaf_after = 1});
  Sent sent;
  const std::string body = "change";
  for (int i = 0; i < 2; ++i) {
    sent.left = false;
    const Answer answer = co_await Exchange(env,
                                            {.method = "POST",
                                             .url = peer.Url("/"),
                                             .body = {AsBytes(body)},
                                             .once = once,
                                             .left = &sent.left},
                                            {});
    sent.error = answer.error;
  }
  co_await peer.Stop();
  *requests = static_cast<int>(peer.requests().size());
  co_return sent;
}

TEST_P(HttpOnBoth, WhatGoesOutOnceIsNotRepeatedOnAnotherConnection) {
  int requests = 0;
  const Sent repeated = loop_->Run(SendOverAClosingConnection(env(), false, &requests));
  EXPECT_FALSE(repeated.error) << repeated.error->ToString();
  EXPECT_EQ(requests, 3);
  const Sent once = loop_->Run(SendOverAClosingConnection(env(), true, &requests));
  ASSERT_TRUE(once.error);
  EXPECT_EQ(once.error->code(), Code::kUnavailable);
  EXPECT_TRUE(once.left);
  EXPECT_EQ(requests, 2);
}

TEST_P(HttpOnBoth, WhatFindsNobodyHasNotLeft) {
  bool left = false;
  const std::string body = "change";
  const Answer answer = loop_->Run(Exchange(
      env(),
      {.method = "POST", .url = "http://127.0.0.1:1/", .body = {AsBytes(body)}, .left = &left},
      {}));
  ASSERT_TRUE(answer.error);
  EXPECT_FALSE(left);
}

TEST_P(HttpOnBoth, AFileOfAuthoritiesThatIsNotThereIsAnError) {
  const auto tls = std::make_shared<const HttpTls>(HttpTls{.ca_file = "/none/ca.pem"});
  const Answer answer =
      loop_->Run(Exchange(env(), {.url = "https://127.0.0.1:1/", .tls = tls}, {}));
  ASSERT_TRUE(answer.error);
  EXPECT_EQ(answer.error->code(), Code::kUnavailable);
}

}  // namespace
}  // namespace forebay
