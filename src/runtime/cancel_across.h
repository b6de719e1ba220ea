// A cancellation that is asked for on one loop and heard on another.
#pragma once

#include "src/runtime/run_on.h"
#include "src/runtime/task_group.h"

namespace forebay {

/// Lives on the loop `here`, for tasks that are run on the loop `there` (see run_on.h): brings them
/// what `told`, a token of this loop, is told. Join must have been awaited before it goes.
class CancelAcross {
 public:
  CancelAcross(Executor& there, Executor& here, CancelToken told)
      : there_(there), here_(here), told_(told), telling_(here) {
    if (&there == &here) return;
    const auto tell = [](void* me) { static_cast<CancelAcross*>(me)->Tell(); };
    if (!told_.Listen(listener_, tell, this)) Tell();
  }
  CancelAcross(const CancelAcross&) = delete;
  CancelAcross& operator=(const CancelAcross&) = delete;

  /// To be used on the loop `there`.
  CancelToken token() { return &there_ == &here_ ? told_ : source_.token(); }

  /// Once nobody over there listens any more.
  auto Join() {
    listener_.Unlink();
    return telling_.Join();
  }

 private:
  static Task<void> Cancel(CancelSource* source) {
    source->Cancel();
    co_return;
  }
  void Tell() { telling_.Spawn(RunOn(there_, here_, Cancel(&source_))); }

  Executor& there_;
  Executor& here_;
  const CancelToken told_;
  CancelSource source_;  // of the loop there
  CancelListener listener_;
  TaskGroup telling_;
};

}  // namespace forebay
