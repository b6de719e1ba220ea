// Accepts connections of HTTP/1.1 and hands their requests to a service.
#pragma once

#include <memory>
#include <string>

#include "src/front/http/connection.h"
#include "src/runtime/task_group.h"

namespace forebay::http {

/// What answers. One per door; called for many connections at once, on the door's loop.
class HttpService {
 public:
  virtual ~HttpService() = default;
  /// Responds to connection.request() exactly once, or not at all where sending failed.
  virtual Task<void> Serve(HttpConnection& connection, CancelToken cancel) = 0;
};

/// Used from one loop. Listener and service must outlive Run.
class HttpServer {
 public:
  HttpServer(Env& env, HttpLimits limits, HttpService& service);

  /// Serves until `stop`; returns when every connection has ended.
  Task<void> Run(Listener& listener, CancelToken stop) { return Run(listener, stop, stop); }
  /// The same, but what had begun to be answered by `stop` goes on until it is done, or `cut`.
  Task<void> Run(Listener& listener, CancelToken stop, CancelToken cut);

  size_t connections() const { return group_.running(); }

 private:
  Task<void> ServeOne(std::unique_ptr<Stream> stream, CancelToken stop, CancelToken cut);
  Task<void> TurnAway(std::unique_ptr<Stream> stream, CancelToken stop);

  Env& env_;
  const HttpLimits limits_;
  HttpService& service_;
  TaskGroup group_;
  TaskGroup turning_away_;
};

/// What a door behind TLS says to who comes without.
std::string AnswerToPlainHttp();

}  // namespace forebay::http
