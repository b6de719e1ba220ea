// Accepts connections of HTTP/1.1 and hands their requests to a service.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/front/http/connection.h"
#include "src/runtime/task_group.h"

namespace forebay::http {

/// What answers. One per loop of a door; called for many connections at once, on that loop.
class HttpService {
 public:
  virtual ~HttpService() = default;
  /// Responds to connection.request() exactly once, or not at all where sending failed.
  virtual Task<void> Serve(HttpConnection& connection, CancelToken cancel) = 0;
};

/// A loop that serves connections, with what answers on it.
struct HttpLoop {
  Env& env;
  HttpService& service;
};

/// What stands between an accepted connection and its bytes, as TLS does. Called on the loop that
/// will serve it, before anything was received or sent.
using HttpLayer = std::function<std::unique_ptr<Stream>(Env& env, std::unique_ptr<Stream> stream)>;

/// Used from the first of its loops, which accepts; each connection goes to the loop that has the
/// fewest. Listener, services and layer must outlive Run, during which all loops must run.
class HttpServer {
 public:
  HttpServer(Env& env, HttpLimits limits, HttpService& service)
      : HttpServer(limits, {{env, service}}) {}
  HttpServer(HttpLimits limits, const std::vector<HttpLoop>& loops, HttpLayer layer = {});
  ~HttpServer();

  /// Serves until `stop`; returns when every connection has ended.
  Task<void> Run(Listener& listener, CancelToken stop) { return Run(listener, stop, stop); }
  /// The same, but what had begun to be answered by `stop` goes on until it is done, or `cut`.
  Task<void> Run(Listener& listener, CancelToken stop, CancelToken cut);

  /// Any thread.
  size_t connections() const;
  /// Of each loop. Any thread.
  std::vector<size_t> connections_by_loop() const;

 private:
  struct Line;
  Task<void> Accept(Listener& listener, CancelToken stop);
  void Welcome(std::unique_ptr<Stream> stream);
  Task<void> TakeOver(Line& line, std::unique_ptr<Descriptor> connection, std::string peer);
  Task<void> ServeOne(Line& line, std::unique_ptr<Stream> stream);
  Task<void> TurnAway(std::unique_ptr<Stream> stream, CancelToken stop);
  std::unique_ptr<Stream> Layered(Env& env, std::unique_ptr<Stream> stream) const;

  const HttpLimits limits_;
  const HttpLayer layer_;
  std::vector<std::unique_ptr<Line>> lines_;
  Env& env_;                // of the first
  TaskGroup handing_over_;  // of connections to other loops
  TaskGroup turning_away_;
};

/// What a door behind TLS says to who comes without.
std::string AnswerToPlainHttp();

}  // namespace forebay::http
