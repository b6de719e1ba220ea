// Waiting with a deadline and cancellation for what others on the same loop do.
#pragma once

#include <algorithm>
#include <cstdint>
#include <list>
#include <utility>

#include "src/runtime/env.h"

namespace forebay {

/// Ends when either of two ends: a request's own call, and the node that serves it.
class LinkedCall {
 public:
  LinkedCall(const Call& call, CancelToken also);
  Call call() { return {.deadline = deadline_, .cancel = source_.token(), .trace = trace_}; }

 private:
  const Instant deadline_;
  const Hash128 trace_;
  CancelSource source_;
  CancelListener first_;
  CancelListener second_;
};

/// One coroutine that waits.
class Parking {
 public:
  /// Ok once Wake was called; kDeadlineExceeded or kCancelled when the call ended first.
  Task<Result<void>> Wait(Env& env, Call call);
  void Wake();

 private:
  CancelSource ended_;
  bool woken_ = false;
};

/// Coroutines that wait for something to get so far. Whoever was woken looks again.
class Waiters {
 public:
  Waiters() = default;
  Waiters(const Waiters&) = delete;
  Waiters& operator=(const Waiters&) = delete;
  ~Waiters() { FB_ASSERT(waiting_.empty()); }

  /// Until Wake says that `need` is reached.
  Task<Result<void>> Wait(Env& env, uint64_t need, Call call);
  void Wake(uint64_t reached);
  void WakeAll() { Wake(UINT64_MAX); }
  bool empty() const { return waiting_.empty(); }

 private:
  struct One {
    uint64_t need = 0;
    Parking parking;
  };
  std::list<One> waiting_;
};

/// So much of something may be in use at one time; who waits is served in order of arrival.
class Budget {
 public:
  explicit Budget(uint64_t units) : all_(units), free_(units) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;
  ~Budget() { FB_ASSERT(queue_.empty()); }

  uint64_t all() const { return all_; }
  uint64_t free() const { return free_; }
  /// False where there is not enough, or others wait.
  bool TryTake(uint64_t units);
  /// `units` is at most all().
  Task<Result<void>> Take(Env& env, uint64_t units, Call call);
  void Give(uint64_t units);

 private:
  struct One {
    uint64_t units = 0;
    bool granted = false;
    Parking parking;
  };
  void Serve();

  const uint64_t all_;
  uint64_t free_;
  std::list<One*> queue_;
};

/// What was taken from a budget, given back when this dies.
class Units {
 public:
  Units() = default;
  /// `units` were taken before.
  Units(Budget& budget, uint64_t units) : budget_(&budget), units_(units) {}
  Units(Units&& other) noexcept : budget_(other.budget_), units_(std::exchange(other.units_, 0)) {}
  Units& operator=(Units&& other) noexcept {
    Give(units_);
    budget_ = other.budget_;
    units_ = std::exchange(other.units_, 0);
    return *this;
  }
  ~Units() { Give(units_); }

  uint64_t held() const { return units_; }
  void Give(uint64_t units) {
    units = std::min(units, units_);
    units_ -= units;
    if (units > 0) budget_->Give(units);
  }

 private:
  Budget* budget_ = nullptr;
  uint64_t units_ = 0;
};

}  // namespace forebay
