// Numbers keys with small integers, as a store's index does, for models and ghosts.
#pragma once

#include <vector>

#include "src/core/policy/policy.h"

namespace forebay {

/// Slots are handed out from 0 up and reused last-freed first. About 16 bytes a key plus the table
/// (8 to 16 bytes a key). Keys must be well spread: their low bits choose the bucket.
class KeyMap {
 public:
  KeyMap();

  /// kNoSlot where the key is not there.
  Slot Find(uint64_t key) const;
  /// Bring what Find looks at first into the processor's caches: the bucket, then, once that is
  /// there, the key. The second says which slot the key probably has, or kNoSlot.
  void FetchBucket(uint64_t key) const { __builtin_prefetch(&buckets_[Home(key)]); }
  Slot FetchKey(uint64_t key) const;
  /// The key must not be there.
  Slot Add(uint64_t key);
  void Remove(Slot slot);

  /// Whether a slot below slots() is in use.
  bool Holds(Slot slot) const { return Find(keys_[slot]) == slot; }
  uint64_t KeyOf(Slot slot) const { return keys_[slot]; }
  /// Slots ever handed out: an upper bound for loops over all of them.
  uint32_t slots() const { return static_cast<uint32_t>(keys_.size()); }
  uint32_t size() const { return size_; }
  uint64_t MemoryBytes() const;

 private:
  uint64_t Home(uint64_t key) const { return key & mask_; }
  uint64_t BucketOf(Slot slot) const;
  void Grow();
  void Place(Slot slot);

  std::vector<uint64_t> keys_;
  std::vector<Slot> free_;
  std::vector<Slot> buckets_;  // linear probing, at most half full
  uint64_t mask_;
  uint32_t size_ = 0;
};

}  // namespace forebay
