// Further loops of one program, each on a thread of its own.
#pragma once

#include <memory>
#include <vector>

#include "src/platform/linux/loop.h"

namespace forebay {

/// The loops run, and do what is posted to them (see run_on.h), until this is destroyed. Whoever
/// uses them must be done by then, and may be on any thread.
class LoopThreads {
 public:
  /// `count` may be 0. Signals that the caller's thread blocks are blocked there as well.
  static Result<std::unique_ptr<LoopThreads>> Start(size_t count, const LoopOptions& options);
  LoopThreads(const LoopThreads&) = delete;
  LoopThreads& operator=(const LoopThreads&) = delete;
  ~LoopThreads();

  std::vector<Env*> envs() const;

 private:
  struct One;
  LoopThreads();
  std::vector<std::unique_ptr<One>> loops_;
};

}  // namespace forebay
