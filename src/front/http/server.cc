#include "src/front/http/server.h"

#include <string>

namespace forebay::http {
namespace {

/// After an Accept that failed for another reason than the end: the reason may last.
constexpr Duration kPauseAfterError = std::chrono::milliseconds(50);
constexpr Duration kTurnAwayTime = std::chrono::seconds(1);
/// Who has to shake hands before it can be told anything may be slow about it; past so many the
/// next are told nothing.
constexpr size_t kTurnedAwayAtOnce = 16;
constexpr Duration kSayEndTime = std::chrono::seconds(1);

}  // namespace

HttpServer::HttpServer(Env& env, HttpLimits limits, HttpService& service)
    : env_(env),
      limits_(limits),
      service_(service),
      group_(env.executor),
      turning_away_(env.executor) {}

Task<void> HttpServer::Run(Listener& listener, CancelToken stop, CancelToken cut) {
  while (!stop.cancelled()) {
    auto stream = co_await listener.Accept({.cancel = stop});
    if (stream) {
      if (group_.running() < limits_.connections) {
        group_.Spawn(ServeOne(*std::move(stream), stop, cut));
      } else if (turning_away_.running() < kTurnedAwayAtOnce) {
        turning_away_.Spawn(TurnAway(*std::move(stream), stop));
      } else {
        (*stream)->Shutdown();
      }
      continue;
    }
    if (stream.error().code() == Code::kCancelled) break;
    env_.log.Warning("http", stream.error().Within("accept").ToString());
    static_cast<void>(co_await env_.clock.Sleep(kPauseAfterError, stop));
  }
  co_await group_.Join();
  co_await turning_away_.Join();
}

Task<void> HttpServer::ServeOne(std::unique_ptr<Stream> stream, CancelToken stop, CancelToken cut) {
  HttpConnection connection(env_, *stream, limits_);
  while (co_await connection.NextRequest(stop)) {
    co_await service_.Serve(connection, cut);
  }
  co_await stream->SayEnd({.deadline = env_.clock.Now() + kSayEndTime, .cancel = {}});
  stream->Shutdown();
}

Task<void> HttpServer::TurnAway(std::unique_ptr<Stream> stream, CancelToken stop) {
  const std::string body = "too many connections; try again later\n";
  const std::string head = FormatHead({.status = 503,
                                       .headers = {{"Retry-After", "1"}},
                                       .content_length = body.size(),
                                       .keep_alive = false});
  const Bytes parts[] = {AsBytes(head), AsBytes(body)};
  static_cast<void>(
      co_await stream->Send(parts, {.deadline = env_.clock.Now() + kTurnAwayTime, .cancel = stop}));
  co_await stream->SayEnd({.deadline = env_.clock.Now() + kTurnAwayTime, .cancel = stop});
  stream->Shutdown();
}

std::string AnswerToPlainHttp() {
  const std::string body = "this port speaks TLS: begin the address with https://\n";
  return FormatHead({.status = 400, .content_length = body.size(), .keep_alive = false}) + body;
}

}  // namespace forebay::http
