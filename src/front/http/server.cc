#include "src/front/http/server.h"

#include <string>

namespace forebay::http {
namespace {

/// After an Accept that failed for another reason than the end: the reason may last.
constexpr Duration kPauseAfterError = std::chrono::milliseconds(50);
constexpr Duration kTurnAwayTime = std::chrono::seconds(1);

}  // namespace

HttpServer::HttpServer(Env& env, HttpLimits limits, HttpService& service)
    : env_(env), limits_(limits), service_(service), group_(env.executor) {}

Task<void> HttpServer::Run(Listener& listener, CancelToken stop, CancelToken cut) {
  while (!stop.cancelled()) {
    auto stream = co_await listener.Accept({.cancel = stop});
    if (stream) {
      if (group_.running() < limits_.connections) {
        group_.Spawn(ServeOne(*std::move(stream), stop, cut));
      } else {
        co_await TurnAway(*std::move(stream), stop);
      }
      continue;
    }
    if (stream.error().code() == Code::kCancelled) break;
    env_.log.Warning("http", stream.error().Within("accept").ToString());
    static_cast<void>(co_await env_.clock.Sleep(kPauseAfterError, stop));
  }
  co_await group_.Join();
}

Task<void> HttpServer::ServeOne(std::unique_ptr<Stream> stream, CancelToken stop, CancelToken cut) {
  HttpConnection connection(env_, *stream, limits_);
  while (co_await connection.NextRequest(stop)) {
    co_await service_.Serve(connection, cut);
  }
  stream->Shutdown();
}

/// A few bytes into an empty socket: this does not wait for the peer.
Task<void> HttpServer::TurnAway(std::unique_ptr<Stream> stream, CancelToken stop) {
  const std::string body = "too many connections; try again later\n";
  const std::string head = FormatHead({.status = 503,
                                       .headers = {{"Retry-After", "1"}},
                                       .content_length = body.size(),
                                       .keep_alive = false});
  const Bytes parts[] = {AsBytes(head), AsBytes(body)};
  static_cast<void>(
      co_await stream->Send(parts, {.deadline = env_.clock.Now() + kTurnAwayTime, .cancel = stop}));
  stream->Shutdown();
}

}  // namespace forebay::http
