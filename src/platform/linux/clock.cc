#include "src/platform/linux/clock.h"

#include <time.h>

namespace forebay::platform {
namespace {

class SleepAwait {
 public:
  SleepAwait(Reactor& reactor, Instant until, CancelToken cancel)
      : reactor_(reactor), until_(until), cancel_(cancel) {}

  bool await_ready() {
    cancelled_ = cancel_.cancelled();
    return cancelled_ || until_ <= Reactor::Now();
  }
  void await_suspend(std::coroutine_handle<> self) {
    waiter_ = self;
    timer_.at = until_;
    timer_.argument = this;
    timer_.fire = [](void* me) { static_cast<SleepAwait*>(me)->End(false); };
    if (until_ != Instant::Never()) reactor_.timers().Add(timer_);
    cancel_.Listen(listener_, [](void* me) { static_cast<SleepAwait*>(me)->End(true); }, this);
  }
  Result<void> await_resume() {
    if (cancelled_) return Fail(Code::kCancelled, "sleep cancelled");
    return {};
  }

 private:
  void End(bool cancelled) {
    cancelled_ = cancelled;
    reactor_.timers().Remove(timer_);
    listener_.Unlink();
    reactor_.Resume(waiter_);
  }

  Reactor& reactor_;
  const Instant until_;
  const CancelToken cancel_;
  Timer timer_;
  CancelListener listener_;
  std::coroutine_handle<> waiter_;
  bool cancelled_ = false;
};

}  // namespace

int64_t LinuxClock::WallNanos() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

Task<Result<void>> LinuxClock::SleepUntil(Instant until, CancelToken cancel) {
  co_return co_await SleepAwait(reactor_, until, cancel);
}

}  // namespace forebay::platform
