#include "src/core/policy/s3fifo.h"

#include <algorithm>

namespace forebay {
namespace {

constexpr uint8_t kMostReads = 3;
constexpr uint8_t kReadsForMain = 2;
constexpr uint64_t kSmallShare = 10;  // the small queue's part: one tenth

}  // namespace

S3FifoPolicy::S3FifoPolicy(uint32_t max_slots)
    : links_(max_slots, 2), marks_(max_slots), ghosts_(max_slots) {}

bool S3FifoPolicy::Admit(const BlockRef& /*wanted*/, bool /*full*/) {
  return true;
}

void S3FifoPolicy::Insert(Slot slot, const BlockRef& block) {
  const Queue queue = ghosts_.Take(block.key) ? kMain : kSmall;
  marks_[slot] = {.queue = queue, .reads = 0};
  links_.PushFront(queue, slot);
  ++sizes_[queue];
}

void S3FifoPolicy::Hit(Slot slot, const BlockRef& /*block*/) {
  if (!links_.Linked(slot)) return;
  uint8_t& reads = marks_[slot].reads;
  reads = std::min<uint8_t>(static_cast<uint8_t>(reads + 1), kMostReads);
}

void S3FifoPolicy::Erase(Slot slot, uint64_t /*key*/) {
  links_.Remove(slot);
  --sizes_[marks_[slot].queue];
}

size_t S3FifoPolicy::Victims(std::span<Slot> out) {
  if (sizes_[kSmall] + sizes_[kMain] == 0 || out.empty()) return 0;
  size_t found = 0;
  for (Slot slot = FindVictim(); found < out.size() && !links_.IsAnchor(slot);) {
    out[found++] = slot;
    slot = links_.Newer(slot);
  }
  return found;
}

void S3FifoPolicy::Evicted(Slot slot, uint64_t key) {
  if (marks_[slot].queue == kSmall) {
    // As many ghosts as the main queue may have entries.
    const uint64_t total = uint64_t{sizes_[kSmall]} + sizes_[kMain];
    while (ghosts_.size() > 0 && ghosts_.size() >= total - total / kSmallShare) ghosts_.PopOldest();
    ghosts_.Push(key);
  }
  Erase(slot, key);
}

void S3FifoPolicy::Spare(Slot slot) {
  if (links_.Linked(slot)) links_.MoveToFront(marks_[slot].queue, slot);
}

uint64_t S3FifoPolicy::MemoryBytes() const {
  return sizeof *this + links_.MemoryBytes() + marks_.MemoryBytes() + ghosts_.MemoryBytes();
}

S3FifoPolicy::Queue S3FifoPolicy::NextQueue() const {
  const uint64_t total = uint64_t{sizes_[kSmall]} + sizes_[kMain];
  const bool small =
      sizes_[kMain] == 0 || (sizes_[kSmall] > 0 && kSmallShare * sizes_[kSmall] >= total);
  return small ? kSmall : kMain;
}

/// Promotes and spares until the oldest entry of the queue whose turn it is may go.
Slot S3FifoPolicy::FindVictim() {
  for (;;) {
    const Queue queue = NextQueue();
    const Slot slot = links_.Back(queue);
    Mark& mark = marks_[slot];
    if (queue == kSmall) {
      if (mark.reads < kReadsForMain) return slot;
      mark.reads = 0;
    } else {
      if (mark.reads == 0) return slot;
      --mark.reads;
    }
    MoveTo(kMain, slot);
  }
}

void S3FifoPolicy::MoveTo(Queue queue, Slot slot) {
  links_.Remove(slot);
  --sizes_[marks_[slot].queue];
  marks_[slot].queue = queue;
  links_.PushFront(queue, slot);
  ++sizes_[queue];
}

}  // namespace forebay
