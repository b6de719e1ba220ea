#include "src/core/policy/key_map.h"

#include "src/base/assert.h"

namespace forebay {
namespace {

constexpr size_t kFirstBuckets = 64;

}  // namespace

KeyMap::KeyMap() : buckets_(kFirstBuckets, kNoSlot), mask_(kFirstBuckets - 1) {}

Slot KeyMap::Find(uint64_t key) const {
  for (uint64_t at = Home(key); buckets_[at] != kNoSlot; at = (at + 1) & mask_) {
    if (keys_[buckets_[at]] == key) return buckets_[at];
  }
  return kNoSlot;
}

Slot KeyMap::FetchKey(uint64_t key) const {
  const Slot slot = buckets_[Home(key)];
  if (slot != kNoSlot) __builtin_prefetch(&keys_[slot]);
  return slot;
}

Slot KeyMap::Add(uint64_t key) {
  if (2 * (size_t{size_} + 1) > buckets_.size()) Grow();
  Slot slot = static_cast<Slot>(keys_.size());
  if (free_.empty()) {
    keys_.push_back(key);
  } else {
    slot = free_.back();
    free_.pop_back();
    keys_[slot] = key;
  }
  Place(slot);
  ++size_;
  return slot;
}

/// Closes the gap by moving back what had probed past it, so that no tombstones gather.
void KeyMap::Remove(Slot slot) {
  uint64_t gap = BucketOf(slot);
  for (uint64_t at = (gap + 1) & mask_; buckets_[at] != kNoSlot; at = (at + 1) & mask_) {
    const uint64_t home = Home(keys_[buckets_[at]]);
    if (((at - home) & mask_) < ((at - gap) & mask_)) continue;
    buckets_[gap] = buckets_[at];
    gap = at;
  }
  buckets_[gap] = kNoSlot;
  free_.push_back(slot);
  --size_;
}

uint64_t KeyMap::MemoryBytes() const {
  return sizeof *this + keys_.capacity() * sizeof(uint64_t) +
         (free_.capacity() + buckets_.capacity()) * sizeof(Slot);
}

uint64_t KeyMap::BucketOf(Slot slot) const {
  uint64_t at = Home(keys_[slot]);
  while (buckets_[at] != slot) {
    FB_ASSERT(buckets_[at] != kNoSlot);
    at = (at + 1) & mask_;
  }
  return at;
}

void KeyMap::Grow() {
  const std::vector<Slot> old = std::move(buckets_);
  buckets_.assign(2 * old.size(), kNoSlot);
  mask_ = buckets_.size() - 1;
  for (const Slot slot : old) {
    if (slot != kNoSlot) Place(slot);
  }
}

void KeyMap::Place(Slot slot) {
  uint64_t at = Home(keys_[slot]);
  while (buckets_[at] != kNoSlot) at = (at + 1) & mask_;
  buckets_[at] = slot;
}

}  // namespace forebay
