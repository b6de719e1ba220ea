#include "src/platform/linux/timers.h"

#include "src/base/assert.h"

namespace forebay::platform {

void TimerHeap::Place(size_t slot, Timer* timer) {
  heap_[slot] = timer;
  timer->slot = slot;
}

void TimerHeap::SiftUp(size_t slot, Timer* timer) {
  while (slot > 0) {
    const size_t parent = (slot - 1) / 2;
    if (!Before(*timer, *heap_[parent])) break;
    Place(slot, heap_[parent]);
    slot = parent;
  }
  Place(slot, timer);
}

void TimerHeap::SiftDown(size_t slot, Timer* timer) {
  for (;;) {
    size_t child = 2 * slot + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && Before(*heap_[child + 1], *heap_[child])) ++child;
    if (!Before(*heap_[child], *timer)) break;
    Place(slot, heap_[child]);
    slot = child;
  }
  Place(slot, timer);
}

void TimerHeap::Add(Timer& timer) {
  FB_ASSERT(!timer.pending());
  timer.order = added_++;
  heap_.push_back(&timer);
  SiftUp(heap_.size() - 1, &timer);
}

void TimerHeap::Remove(Timer& timer) {
  if (!timer.pending()) return;
  const size_t slot = timer.slot;
  timer.slot = Timer::kIdle;
  Timer* last = heap_.back();
  heap_.pop_back();
  if (last == &timer) return;
  if (slot > 0 && Before(*last, *heap_[(slot - 1) / 2])) {
    SiftUp(slot, last);
  } else {
    SiftDown(slot, last);
  }
}

void TimerHeap::FireUntil(Instant now) {
  while (!heap_.empty() && heap_.front()->at <= now) {
    Timer& timer = *heap_.front();
    Remove(timer);
    timer.fire(timer.argument);
  }
}

}  // namespace forebay::platform
