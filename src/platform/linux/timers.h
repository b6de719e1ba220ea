// The loop's alarms: a heap of entries that live with whoever waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "src/runtime/clock.h"

namespace forebay::platform {

/// `fire(argument)` runs on the loop, once. It may mark, post and cancel; it never runs the waiter.
struct Timer {
  static constexpr size_t kIdle = ~size_t{0};

  Instant at;
  uint64_t order = 0;
  size_t slot = kIdle;
  void (*fire)(void*) = nullptr;
  void* argument = nullptr;

  bool pending() const { return slot != kIdle; }
};

/// Adding and removing cost O(log n); equal times fire in the order in which they were added.
class TimerHeap {
 public:
  Instant next() const { return heap_.empty() ? Instant::Never() : heap_.front()->at; }
  size_t size() const { return heap_.size(); }

  void Add(Timer& timer);
  /// Fine where it is not pending.
  void Remove(Timer& timer);
  /// Takes those out that are due and fires them.
  void FireUntil(Instant now);

 private:
  static bool Before(const Timer& a, const Timer& b) {
    return a.at != b.at ? a.at < b.at : a.order < b.order;
  }
  void Place(size_t slot, Timer* timer);
  void SiftUp(size_t slot, Timer* timer);
  void SiftDown(size_t slot, Timer* timer);

  std::vector<Timer*> heap_;
  uint64_t added_ = 0;
};

}  // namespace forebay::platform
