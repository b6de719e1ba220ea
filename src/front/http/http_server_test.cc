#include "src/front/http/server.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "sim/world.h"

namespace forebay::http {
namespace {

using sim::World;
using testing::HasSubstr;
using testing::StartsWith;

/// Answers with the request's method, path and body.
class EchoService final : public HttpService {
 public:
  Task<void> Serve(HttpConnection& connection, CancelToken cancel) override {
    std::string text = connection.request().method + " " + std::string(connection.request().path());
    if (connection.request().path() != "/ignore") {
      std::byte piece[7];
      while (true) {
        const auto size = co_await connection.ReadBody(piece, cancel);
        if (!size || *size == 0) break;
        text += " ";
        text += AsText(Bytes(piece).first(*size));
      }
    }
    const Bytes parts[] = {AsBytes(text)};
    static_cast<void>(co_await connection.Respond({.content_length = text.size()}, parts, cancel));
  }
};

Task<Result<void>> SendText(Stream& stream, std::string text) {
  const Bytes parts[] = {AsBytes(text)};
  co_return co_await stream.Send(parts, {});
}

/// What comes until the peer ends, or `until` has been seen.
Task<std::string> RecvUntil(Stream& stream, std::string until) {
  std::string all;
  std::byte piece[512];
  while (until.empty() || all.find(until) == std::string::npos) {
    const auto size = co_await stream.Recv(piece, {});
    if (!size || *size == 0) break;
    all += AsText(Bytes(piece).first(*size));
  }
  co_return all;
}

class HttpServerTest : public testing::Test {
 protected:
  /// Sends `text` to a server, and gives all that it answers until it closes.
  std::string Exchange(std::string text, HttpLimits limits = {}) {
    return world_.Run(
        ExchangeTask(server_node_.env(), client_node_.env(), service_, std::move(text), limits));
  }

  static Task<std::string> ExchangeTask(Env& server_env, Env& client_env, HttpService& service,
                                        std::string text, HttpLimits limits) {
    auto listener = server_env.net.Listen("server:0").value();
    CancelSource stop;
    HttpServer server(server_env, limits, service);
    TaskGroup group(server_env.executor);
    group.Spawn(server.Run(*listener, stop.token()));
    auto client = (co_await client_env.net.Connect(listener->address(), {})).value();
    static_cast<void>(co_await SendText(*client, std::move(text)));
    std::string answer = co_await RecvUntil(*client, "");
    stop.Cancel();
    co_await group.Join();
    co_return answer;
  }

  World world_{7};
  sim::Node& server_node_ = world_.AddNode("server");
  sim::Node& client_node_ = world_.AddNode("client");
  EchoService service_;
};

TEST_F(HttpServerTest, AnswersOneAfterTheOtherOnOneConnection) {
  const std::string answer = Exchange(
      "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
      "PUT /b HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n012345678"
      "GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("GET /a"));
  EXPECT_THAT(answer, HasSubstr("PUT /b 0123456 78"));
  EXPECT_THAT(answer, testing::EndsWith("GET /c"));
}

TEST_F(HttpServerTest, ABodyThatNobodyReadIsReadAway) {
  const std::string answer = Exchange(
      "PUT /ignore HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
      "GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, testing::EndsWith("GET /c"));
}

TEST_F(HttpServerTest, ALargeBodyThatNobodyReadEndsTheConnection) {
  const std::string answer = Exchange(
      "PUT /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n012345678"
      "GET /c HTTP/1.1\r\nHost: x\r\n\r\n",
      {.unread_body_bytes = 8});
  EXPECT_THAT(answer, HasSubstr("PUT /ignore"));
  EXPECT_THAT(answer, testing::Not(HasSubstr("GET /c")));
}

TEST_F(HttpServerTest, ABodyIsInvitedWhereTheClientWaitsForThat) {
  for (const char* expect : {"100-continue", "100-Continue"}) {
    const std::string answer =
        Exchange(fmt::format("PUT /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: {}\r\n"
                             "Connection: close\r\n\r\n",
                             expect));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 100 Continue\r\n\r\n"));
  }
}

TEST_F(HttpServerTest, WhoWaitsWithNothingToSendIsInvitedToo) {
  const std::string answer = Exchange(
      "PUT /b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nExpect: 100-continue\r\n"
      "Connection: close\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
}

TEST_F(HttpServerTest, WhoIsRefusedBeforeHisBodyIsToldThatTheConnectionEnds) {
  for (const char* headers :
       {"Content-Length: 3\r\nExpect: 100-continue\r\n", "Content-Length: 9999999\r\n"}) {
    const std::string answer =
        Exchange(std::string("PUT /ignore HTTP/1.1\r\nHost: x\r\n") + headers + "\r\n");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  }
}

TEST_F(HttpServerTest, LongBodiesComeWholeHoweverTheyAreSplit) {
  const std::string body(100'000, 'b');
  const std::string answer =
      Exchange("PUT /b HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + body +
               "GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_GE(std::ranges::count(answer, 'b'), 100'000);
  EXPECT_THAT(answer, testing::EndsWith("GET /c"));
}

TEST_F(HttpServerTest, OnlyChunksAreATransferCoding) {
  for (const char* codings : {"gzip", "gzip, chunked", "gzip\r\nTransfer-Encoding: chunked"}) {
    EXPECT_THAT(Exchange(fmt::format("PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {}\r\n\r\n",
                                     codings)),
                StartsWith("HTTP/1.1 501 "))
        << codings;
  }
}

TEST_F(HttpServerTest, AHeadGetsNoBody) {
  const std::string answer = Exchange("HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 7\r\n"));
  EXPECT_THAT(answer, testing::EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, WhatIsNoRequestIsRefusedAndTheConnectionEnds) {
  EXPECT_THAT(Exchange("hello\r\n\r\n"), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_THAT(Exchange("GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(20'000, 'x')),
              StartsWith("HTTP/1.1 431 "));
}

TEST_F(HttpServerTest, ARefusalAfterAHeadHasItsBody) {
  EXPECT_THAT(Exchange("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n"),
              HasSubstr("no request of HTTP/1.1"));
}

TEST_F(HttpServerTest, WhoSaysNothingIsLetGo) {
  const Instant start = world_.Now();
  EXPECT_EQ(Exchange(""), "");
  EXPECT_GE(world_.Now() - start, HttpLimits{}.idle);
}

/// Sends `text`, then a byte each `pause` until nobody listens; gives how many.
Task<int> Trickle(Env& server_env, Env& client_env, HttpService& service, HttpLimits limits,
                  std::string text, Duration pause) {
  auto listener = server_env.net.Listen("server:0").value();
  CancelSource stop;
  HttpServer server(server_env, limits, service);
  TaskGroup group(server_env.executor);
  group.Spawn(server.Run(*listener, stop.token()));
  auto client = (co_await client_env.net.Connect(listener->address(), {})).value();
  EXPECT_TRUE(co_await SendText(*client, std::move(text)));
  int sent = 0;
  do {
    static_cast<void>(co_await client_env.clock.Sleep(pause, {}));
    if (!co_await SendText(*client, "x")) break;
    ++sent;
  } while (server.connections() > 0 && sent < 1000);
  stop.Cancel();
  co_await group.Join();
  co_return sent;
}

TEST_F(HttpServerTest, ABodyMustGetOn) {
  const std::string sized = "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n";
  const HttpLimits limits{.body = std::chrono::seconds(30), .body_bytes_per_second = 10};
  const auto sent = [&](Duration pause) {
    return world_.Run(
        Trickle(server_node_.env(), client_node_.env(), service_, limits, sized, pause));
  };
  // A byte a second never comes to ten, so the 30 seconds and what 33 bytes earn are all it has.
  EXPECT_NEAR(sent(std::chrono::seconds(1)), 33, 3);
  EXPECT_EQ(sent(std::chrono::milliseconds(100)), 1000);
}

TEST_F(HttpServerTest, WhoNeverEndsHisRequestIsToldSo) {
  const Instant start = world_.Now();
  EXPECT_THAT(Exchange("GET / HTTP/1.1\r\nHost: x\r\n"),
              StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_LT(world_.Now() - start, HttpLimits{}.idle);
}

Task<void> FillUp(Env& server_env, Env& client_env, HttpService& service) {
  auto listener = server_env.net.Listen("server:0").value();
  CancelSource stop;
  HttpServer server(server_env, {.connections = 2}, service);
  TaskGroup group(server_env.executor);
  group.Spawn(server.Run(*listener, stop.token()));
  std::vector<std::unique_ptr<Stream>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back((co_await client_env.net.Connect(listener->address(), {})).value());
    if (i == 2) continue;
    EXPECT_TRUE(co_await SendText(*clients.back(), "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"));
    EXPECT_THAT(co_await RecvUntil(*clients.back(), "GET /a"), StartsWith("HTTP/1.1 200"));
  }
  EXPECT_THAT(co_await RecvUntil(*clients.back(), ""), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(server.connections(), 2u);
  // A graceful stop does not wait for those who keep their connections open.
  stop.Cancel();
  co_await group.Join();
}

TEST_F(HttpServerTest, MoreConnectionsThanAllowedAreTurnedAwayAndTheEndWaitsForNobody) {
  const Instant start = world_.Now();
  world_.Run(FillUp(server_node_.env(), client_node_.env(), service_));
  EXPECT_LT(world_.Now() - start, std::chrono::seconds(5));
}

}  // namespace
}  // namespace forebay::http
