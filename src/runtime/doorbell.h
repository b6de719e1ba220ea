// How any thread wakes one coroutine on its loop.
#pragma once

#include <atomic>
#include <coroutine>

#include "src/base/assert.h"
#include "src/runtime/executor.h"

namespace forebay {

/// A bell that is rung from any thread and answered on one loop. Rings while nobody waits are
/// remembered as one. The bell and its executor must outlive every ringer.
class Doorbell {
 public:
  explicit Doorbell(Executor& executor) : executor_(executor) {}
  ~Doorbell() { FB_ASSERT(state_.load() == kQuiet || state_.load() == kRung); }

  void Ring() {
    void* before = state_.exchange(kRung, std::memory_order_acq_rel);
    if (before != kQuiet && before != kRung) {
      executor_.Post(std::coroutine_handle<>::from_address(before));
    }
  }

  /// Returns once the bell was rung since the last Wait. One waiter at a time, on the executor's
  /// loop.
  auto Wait() {
    struct Await {
      Doorbell& bell;
      bool await_ready() noexcept { return false; }
      bool await_suspend(std::coroutine_handle<> self) noexcept {
        void* expected = kQuiet;
        return bell.state_.compare_exchange_strong(expected, self.address(),
                                                   std::memory_order_acq_rel);
      }
      // An exchange, not a store: what a ringer did before a ring that this takes away is seen
      // after it.
      void await_resume() noexcept { bell.state_.exchange(kQuiet, std::memory_order_acq_rel); }
    };
    return Await{*this};
  }

 private:
  // Otherwise: the address of the waiting coroutine.
  static inline char quiet_, rung_;
  static constexpr void* kQuiet = &quiet_;
  static constexpr void* kRung = &rung_;

  Executor& executor_;
  std::atomic<void*> state_{kQuiet};
};

}  // namespace forebay
