// What will happen when: the heart of the simulated world.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "src/base/assert.h"

namespace forebay::sim {

/// Names an event that has not fired yet. Zero names none.
using EventId = uint64_t;

/// A binary heap of callbacks keyed by (time, order of adding), so that what happens at one moment
/// happens in a defined order. An event can be taken out again at once: deadlines that were met
/// leave nothing behind. Add, Remove and Pop cost O(log n).
class EventQueue {
 public:
  using Callback = std::move_only_function<void()>;

  EventId Add(int64_t at_ns, Callback callback);

  /// Fine for events that have fired or were removed already.
  void Remove(EventId id);

  bool empty() const { return heap_.empty(); }
  size_t size() const { return heap_.size(); }
  int64_t next_time() const {
    FB_ASSERT(!heap_.empty());
    return heap_[0].at_ns;
  }

  /// Takes the first event out; the caller runs it.
  Callback Pop();

 private:
  struct Entry {
    int64_t at_ns;
    uint64_t sequence;
    uint32_t slot;
  };
  struct Slot {
    Callback callback;
    uint32_t generation = 1;
    uint32_t position = 0;  // in heap_
  };

  static bool Before(const Entry& a, const Entry& b) {
    return a.at_ns != b.at_ns ? a.at_ns < b.at_ns : a.sequence < b.sequence;
  }
  void Place(size_t position, const Entry& entry);
  void SiftUp(size_t position);
  void SiftDown(size_t position);
  Callback TakeAt(size_t position);

  std::vector<Entry> heap_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  uint64_t next_sequence_ = 0;
};

}  // namespace forebay::sim
