// A cache without data: what a policy would hit and miss.
#pragma once

#include <memory>
#include <vector>

#include "src/core/policy/key_map.h"
#include "src/core/policy/policy.h"

namespace forebay {

/// Drives a policy as the store does, with an index of keys and weights only. Used to replay traces
/// and, small and over sampled keys, by the adaptive policy to see what its alternatives would do.
class CacheModel {
 public:
  CacheModel(std::unique_ptr<Policy> policy, uint64_t capacity)
      : policy_(std::move(policy)), capacity_(capacity) {}

  /// One read of a block: true if it was cached. A miss caches it if the policy wants that.
  bool Read(const BlockRef& block);

  /// Bring what Read looks at into the processor's caches, one after the other for many keys.
  void FetchBucket(uint64_t key) const { keys_.FetchBucket(key); }
  void FetchEntry(uint64_t key) const {
    if (const Slot slot = keys_.FetchKey(key); slot != kNoSlot) policy_->Fetch(slot);
  }

  /// Adds a block without a read, if there is room for it.
  void Offer(const BlockRef& block);

  /// Drops every key for which (key & mask) is not 0.
  void Thin(uint64_t mask);
  void SetCapacity(uint64_t capacity);

  uint32_t entries() const { return keys_.size(); }
  uint64_t used() const { return used_; }
  uint64_t capacity() const { return capacity_; }
  const Policy& policy() const { return *policy_; }
  uint64_t MemoryBytes() const;

 private:
  void Put(const BlockRef& block);
  void MakeRoom(uint64_t weight);
  void Forget(Slot slot);

  std::unique_ptr<Policy> policy_;
  uint64_t capacity_;
  uint64_t used_ = 0;
  KeyMap keys_;
  std::vector<uint32_t> weights_;
};

}  // namespace forebay
