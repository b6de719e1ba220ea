// HTTP for a caller on one loop whose exchanges happen on several: what sockets, TLS and copies
// cost is not all that loop's.
#pragma once

#include <memory>
#include <vector>

#include "src/runtime/env.h"
#include "src/runtime/run_on.h"
#include "src/runtime/task_group.h"

namespace forebay {

/// Used from the loop of `here` only.
class SpreadHttp final : public Http {
 public:
  /// `loops` may include the caller's own; all of them must run until Close is over.
  SpreadHttp(Env& here, const std::vector<Env*>& loops);
  ~SpreadHttp() override;

  Task<Result<std::unique_ptr<HttpResponse>>> Send(HttpRequest request, Call call) override;

  /// Returns when nothing is left on the other loops. Before it is called all responses are gone,
  /// and afterwards nobody sends.
  Task<void> Close();

 private:
  class Response;
  struct Line {
    Env* env;
    size_t exchanges = 0;  // begun, and their responses not gone
  };

  Line& Idlest();
  template <class T>
  Task<T> There(Line& line, Task<T> task) {
    return RunOn(line.env->executor, here_.executor, std::move(task));
  }
  Task<Result<size_t>> ReadThere(Line& line, HttpResponse& response, MutableBytes into,
                                 size_t enough, Call call);

  Env& here_;
  std::vector<Line> lines_;
  TaskGroup group_;
};

}  // namespace forebay
