#include "src/front/http/server.h"

#include <algorithm>
#include <atomic>
#include <deque>

#include "src/base/assert.h"
#include "src/runtime/cancel_across.h"

namespace forebay::http {
namespace {

/// After an Accept that failed for another reason than the end: the reason may last.
constexpr Duration kPauseAfterError = std::chrono::milliseconds(50);
constexpr Duration kTurnAwayTime = std::chrono::seconds(1);
/// Who has to shake hands before it can be told anything may be slow about it; past so many the
/// next are told nothing.
constexpr size_t kTurnedAwayAtOnce = 16;
constexpr Duration kSayEndTime = std::chrono::seconds(1);

Task<void> JoinThere(TaskGroup& group) {
  co_await group.Join();
}

}  // namespace

/// One loop and its connections.
struct HttpServer::Line {
  explicit Line(const HttpLoop& loop)
      : env(loop.env), service(loop.service), group(loop.env.executor) {}

  Env& env;
  HttpService& service;
  /// Promised to this loop, and not ended yet.
  std::atomic<size_t> connections{0};

  // -- On the loop itself.
  TaskGroup group;
  CancelToken stop, cut;  // of that loop; there before its first connection
};

HttpServer::HttpServer(HttpLimits limits, const std::vector<HttpLoop>& loops, HttpLayer layer)
    : limits_(limits),
      layer_(std::move(layer)),
      env_(loops.front().env),
      handing_over_(env_.executor),
      turning_away_(env_.executor) {
  for (const HttpLoop& loop : loops) lines_.push_back(std::make_unique<Line>(loop));
}

HttpServer::~HttpServer() = default;

size_t HttpServer::connections() const {
  size_t sum = 0;
  for (const auto& line : lines_) sum += line->connections.load(std::memory_order_relaxed);
  return sum;
}

std::vector<size_t> HttpServer::connections_by_loop() const {
  std::vector<size_t> of_each;
  for (const auto& line : lines_) of_each.push_back(line->connections);
  return of_each;
}

Task<void> HttpServer::Run(Listener& listener, CancelToken stop, CancelToken cut) {
  std::deque<CancelAcross> across;
  for (const auto& line : lines_) {
    line->stop = across.emplace_back(line->env.executor, env_.executor, stop).token();
    line->cut = across.emplace_back(line->env.executor, env_.executor, cut).token();
  }
  co_await Accept(listener, stop);
  co_await handing_over_.Join();
  TaskGroup ending(env_.executor);
  for (const auto& line : lines_) {
    ending.Spawn(RunOn(line->env.executor, env_.executor, JoinThere(line->group)));
  }
  co_await ending.Join();
  co_await turning_away_.Join();
  for (CancelAcross& one : across) co_await one.Join();
}

Task<void> HttpServer::Accept(Listener& listener, CancelToken stop) {
  while (!stop.cancelled()) {
    auto stream = co_await listener.Accept({.cancel = stop});
    if (stream) {
      if (connections() < limits_.connections) {
        Welcome(*std::move(stream));
      } else if (turning_away_.running() < kTurnedAwayAtOnce) {
        turning_away_.Spawn(TurnAway(Layered(env_, *std::move(stream)), stop));
      } else {
        (*stream)->Shutdown();
      }
      continue;
    }
    if (stream.error().code() == Code::kCancelled) break;
    env_.log.Warning("http", stream.error().Within("accept").ToString());
    static_cast<void>(co_await env_.clock.Sleep(kPauseAfterError, stop));
  }
}

/// To the loop that has the fewest, the first of equals: that is the one which accepts.
void HttpServer::Welcome(std::unique_ptr<Stream> stream) {
  Line& line = **std::ranges::min_element(lines_, {},
                                          [](const auto& one) { return one->connections.load(); });
  ++line.connections;
  if (&line == lines_.front().get()) return line.group.Spawn(ServeOne(line, std::move(stream)));
  auto released = stream->Release();
  // A loop of a platform that cannot: the server was given loops that it cannot use.
  FB_ASSERT(released.has_value());
  handing_over_.Spawn(RunOn(line.env.executor, env_.executor,
                            TakeOver(line, std::move(*released), stream->peer())));
}

Task<void> HttpServer::TakeOver(Line& line, std::unique_ptr<Descriptor> connection,
                                std::string peer) {
  auto stream = line.env.net.Adopt(*connection, std::move(peer));
  if (stream) {
    line.group.Spawn(ServeOne(line, *std::move(stream)));
  } else {
    line.env.log.Warning("http", stream.error().ToString());
    --line.connections;
  }
  co_return;
}

std::unique_ptr<Stream> HttpServer::Layered(Env& env, std::unique_ptr<Stream> stream) const {
  return layer_ ? layer_(env, std::move(stream)) : std::move(stream);
}

Task<void> HttpServer::ServeOne(Line& line, std::unique_ptr<Stream> stream) {
  stream = Layered(line.env, std::move(stream));
  {
    HttpConnection connection(line.env, *stream, limits_);
    while (co_await connection.NextRequest(line.stop)) {
      co_await line.service.Serve(connection, line.cut);
    }
  }
  co_await stream->SayEnd({.deadline = line.env.clock.Now() + kSayEndTime, .cancel = {}});
  stream->Shutdown();
  stream.reset();
  --line.connections;
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
