// Waiting, with a deadline, for what others on the same loop do.
#pragma once

#include <list>

#include "src/runtime/env.h"

namespace forebay::http_origin {

/// Whoever was woken looks again at what he waited for.
class Bell {
 public:
  Bell() = default;
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;
  ~Bell() { FB_ASSERT(waiting_.empty()); }

  /// Ok once it rang; kDeadlineExceeded or kCancelled when the call ended first.
  Task<Result<void>> Wait(Env& env, Call call) {
    One one;
    CancelListener listener;
    if (!call.cancel.Listen(listener, CancelIt, &one.ended)) {
      co_return Fail(Code::kCancelled, "given up");
    }
    const auto at = waiting_.insert(waiting_.end(), &one);
    const auto slept = co_await env.clock.SleepUntil(call.deadline, one.ended.token());
    waiting_.erase(at);
    if (one.rang) co_return Result<void>();
    if (slept) co_return Fail(Code::kDeadlineExceeded, "the deadline passed");
    co_return slept;
  }

  /// Those woken leave the list themselves when they run.
  void Ring() {
    for (One* one : waiting_) {
      one->rang = true;
      one->ended.Cancel();
    }
  }

 private:
  struct One {
    CancelSource ended;
    bool rang = false;
  };
  static void CancelIt(void* source) { static_cast<CancelSource*>(source)->Cancel(); }

  std::list<One*> waiting_;
};

}  // namespace forebay::http_origin
