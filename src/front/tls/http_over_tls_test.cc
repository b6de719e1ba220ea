// What HTTP and TLS make of one another.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/world.h"
#include "src/front/http/server.h"
#include "src/front/tls/layer.h"
#include "src/front/tls/testing/certificates.h"
#include "src/front/tls/testing/client.h"

namespace forebay::tls {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kRequest = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr const char* kLastRequest = "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

class Hello final : public http::HttpService {
 public:
  Task<void> Serve(http::HttpConnection& connection, CancelToken cancel) override {
    const Bytes parts[] = {AsBytes("hello")};
    static_cast<void>(co_await connection.Respond({.content_length = 5}, parts, cancel));
  }
};

/// A server that takes one connection at a time.
class HttpOverTlsTest : public testing::Test {
 protected:
  using Scene = Task<void> (*)(Env& env, std::string address);

  void Run(Scene scene) { world_.Run(RunTask(server_node_.env(), client_node_.env(), scene)); }

  static Task<void> RunTask(Env& server_env, Env& client_env, Scene scene) {
    const TestCertificate own = MakeCertificate();
    const auto below = server_env.net.Listen("server:0").value();
    const TlsLayer layer(ServerIdentity::Create(own.certificate_pem, own.key_pem).value(),
                         {.answer_to_plain_text = http::AnswerToPlainHttp()});
    Hello service;
    http::HttpServer server({.connections = 1}, {{server_env, service}},
                            [&](Env& env, std::unique_ptr<Stream> stream) {
                              return layer.Secure(env, std::move(stream));
                            });
    CancelSource stop;
    TaskGroup group(server_env.executor);
    group.Spawn(server.Run(*below, stop.token()));
    co_await scene(client_env, below->address());
    stop.Cancel();
    co_await group.Join();
  }

  sim::World world_{7};
  sim::Node& server_node_ = world_.AddNode("server");
  sim::Node& client_node_ = world_.AddNode("client");
};

Task<Result<std::unique_ptr<TestClient>>> Connect(Env& env, std::string address) {
  FB_CO_ASSIGN(auto stream, co_await env.net.Connect(address, {}));
  auto client = std::make_unique<TestClient>(std::move(stream), TestClientOptions{});
  FB_CO_TRY(co_await client->Shake({}));
  co_return client;
}

/// One answer on a connection that stays open.
Task<std::string> Ask(TestClient& client) {
  if (!co_await client.Send(kRequest, {})) co_return "nothing sent";
  std::string all;
  std::byte piece[512];
  while (!all.ends_with("hello")) {
    const auto size = co_await client.Recv(piece, {});
    if (!size || *size == 0) co_return all + " and an end";
    all += AsText(Bytes(piece).first(*size));
  }
  co_return all;
}

TEST_F(HttpOverTlsTest, AnswersAndSaysTheEnd) {
  Run([](Env& env, std::string address) -> Task<void> {
    auto client = (co_await Connect(env, address)).value();
    EXPECT_THAT(co_await Ask(*client), StartsWith("HTTP/1.1 200 "));
    EXPECT_TRUE(co_await client->Send(kLastRequest, {}));
    EXPECT_THAT((co_await RecvAll(*client, {})).value_or("cut"), HasSubstr("hello"));
  });
}

TEST_F(HttpOverTlsTest, WhoComesWithoutTlsIsToldWhere) {
  Run([](Env& env, std::string address) -> Task<void> {
    const auto stream = (co_await env.net.Connect(address, {})).value();
    const Bytes parts[] = {AsBytes(kRequest)};
    EXPECT_TRUE(co_await stream->Send(parts, {}));
    std::string answer;
    std::byte piece[1000];
    for (size_t size = 1; size > 0;) {
      size = (co_await stream->Recv(piece, {})).value_or(0);
      answer += AsText(Bytes(piece).first(size));
    }
    EXPECT_THAT(answer, testing::AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("https://")));
  });
}

TEST_F(HttpOverTlsTest, WhoIsTurnedAwayHearsWhyAndThoseWhoNeverShakeHandsHoldNobodyUp) {
  Run([](Env& env, std::string address) -> Task<void> {
    auto first = (co_await Connect(env, address)).value();
    EXPECT_THAT(co_await Ask(*first), StartsWith("HTTP/1.1 200 "));
    {
      auto second = (co_await Connect(env, address)).value();
      EXPECT_THAT((co_await RecvAll(*second, {})).value_or("cut"), StartsWith("HTTP/1.1 503 "));
    }
    std::vector<std::unique_ptr<Stream>> silent;
    for (int i = 0; i < 100; ++i) silent.push_back((co_await env.net.Connect(address, {})).value());
    const Instant start = env.clock.Now();
    EXPECT_THAT(co_await Ask(*first), StartsWith("HTTP/1.1 200 "));
    EXPECT_TRUE(co_await first->SayEnd({}));
    EXPECT_EQ((co_await RecvAll(*first, {})).value_or("cut"), "");
    // Its place is free, and whoever comes next gets it.
    auto next = (co_await Connect(env, address)).value();
    EXPECT_THAT(co_await Ask(*next), StartsWith("HTTP/1.1 200 "));
    EXPECT_LT(env.clock.Now() - start, seconds(1));
  });
}

}  // namespace
}  // namespace forebay::tls
