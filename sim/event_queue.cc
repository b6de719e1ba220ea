#include "sim/event_queue.h"

#include <utility>

namespace forebay::sim {

EventId EventQueue::Add(int64_t at_ns, Callback callback) {
  uint32_t slot;
  if (free_slots_.empty()) {
    slot = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  slots_[slot].callback = std::move(callback);
  heap_.push_back({at_ns, next_sequence_++, slot});
  SiftUp(heap_.size() - 1);
  return (static_cast<uint64_t>(slots_[slot].generation) << 32) | slot;
}

void EventQueue::Remove(EventId id) {
  const auto slot = static_cast<uint32_t>(id);
  const auto generation = static_cast<uint32_t>(id >> 32);
  if (generation == 0 || slots_[slot].generation != generation) return;
  TakeAt(slots_[slot].position);
}

EventQueue::Callback EventQueue::Pop() {
  FB_ASSERT(!heap_.empty());
  return TakeAt(0);
}

EventQueue::Callback EventQueue::TakeAt(size_t position) {
  const uint32_t slot = heap_[position].slot;
  const Entry last = heap_.back();
  heap_.pop_back();
  if (position < heap_.size()) {
    Place(position, last);
    SiftUp(position);
    SiftDown(slots_[last.slot].position);
  }
  Slot& freed = slots_[slot];
  if (++freed.generation == 0) freed.generation = 1;
  free_slots_.push_back(slot);
  return std::exchange(freed.callback, nullptr);
}

void EventQueue::Place(size_t position, const Entry& entry) {
  heap_[position] = entry;
  slots_[entry.slot].position = static_cast<uint32_t>(position);
}

void EventQueue::SiftUp(size_t position) {
  const Entry entry = heap_[position];
  while (position > 0) {
    const size_t parent = (position - 1) / 2;
    if (!Before(entry, heap_[parent])) break;
    Place(position, heap_[parent]);
    position = parent;
  }
  Place(position, entry);
}

void EventQueue::SiftDown(size_t position) {
  const Entry entry = heap_[position];
  for (;;) {
    size_t child = 2 * position + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && Before(heap_[child + 1], heap_[child])) ++child;
    if (!Before(heap_[child], entry)) break;
    Place(position, heap_[child]);
    position = child;
  }
  Place(position, entry);
}

}  // namespace forebay::sim
