// What the coroutines of this folder wait on.
#pragma once

#include <cerrno>
#include <coroutine>
#include <optional>
#include <utility>

#include "src/platform/linux/reactor.h"
#include "src/runtime/cancel.h"

namespace forebay::platform {

/// co_await Perform(reactor, op): begins `op`, gives its result.
inline auto Perform(Reactor& reactor, Op& op) {
  struct Await {
    Reactor& reactor;
    Op& op;
    bool await_ready() noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> self) {
      op.done = false;
      op.waiter = self;
      return !reactor.backend().Start(op);
    }
    int32_t await_resume() noexcept { return op.result; }
  };
  return Await{reactor, op};
}

/// The same under a deadline and a cancellation. The op ends before the waiter goes on in any case,
/// so that the kernel is done with its memory. -ETIME: the deadline ended it; -ECANCELED: the
/// token did. An op that was faster keeps its result.
class GuardedPerform {
 public:
  GuardedPerform(Reactor& reactor, Op& op, const Call& call)
      : reactor_(reactor), op_(op), call_(call) {}
  GuardedPerform(const GuardedPerform&) = delete;
  GuardedPerform& operator=(const GuardedPerform&) = delete;

  bool await_ready() {
    if (call_.cancel.cancelled()) {
      op_.result = -ECANCELED;
    } else if (timed() && call_.deadline <= Reactor::Now()) {
      op_.result = -ETIME;
    } else {
      return false;
    }
    return true;
  }

  bool await_suspend(std::coroutine_handle<> self) {
    op_.done = false;
    op_.waiter = self;
    if (reactor_.backend().Start(op_)) return false;
    if (timed()) {
      timer_.at = call_.deadline;
      timer_.argument = this;
      timer_.fire = [](void* me) { static_cast<GuardedPerform*>(me)->Stop(-ETIME); };
      reactor_.timers().Add(timer_);
    }
    call_.cancel.Listen(
        listener_, [](void* me) { static_cast<GuardedPerform*>(me)->Stop(-ECANCELED); }, this);
    return true;
  }

  int32_t await_resume() {
    if (timed()) reactor_.timers().Remove(timer_);
    listener_.Unlink();
    if (op_.result == -ECANCELED && stopped_by_ != 0) return stopped_by_;
    return op_.result;
  }

 private:
  bool timed() const { return call_.deadline != Instant::Never(); }
  void Stop(int32_t why) {
    if (stopped_by_ == 0) stopped_by_ = why;
    reactor_.backend().Cancel(op_);
  }

  Reactor& reactor_;
  Op& op_;
  const Call& call_;
  Timer timer_;
  CancelListener listener_;
  int32_t stopped_by_ = 0;
};

/// co_await RunBlocking(reactor, function): `function()` on the file pool, its value here. For what
/// blocks and is rare. The awaiter lives in the waiting frame, so `function` may refer to it.
template <class Function>
auto RunBlocking(Reactor& reactor, Function function) {
  using Value = decltype(function());
  struct Await {
    Reactor& reactor;
    Function function;
    std::optional<Value> value;
    Op op;
    bool await_ready() noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> self) {
      op.code = OpCode::kCall;
      op.data = this;
      op.call = [](void* me) {
        auto& await = *static_cast<Await*>(me);
        await.value.emplace(await.function());
      };
      op.waiter = self;
      return !reactor.backend().Start(op);
    }
    Value await_resume() { return std::move(*value); }
  };
  return Await{reactor, std::move(function), std::nullopt, {}};
}

}  // namespace forebay::platform
