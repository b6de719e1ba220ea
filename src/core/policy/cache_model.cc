#include "src/core/policy/cache_model.h"

#include "src/base/assert.h"

namespace forebay {

bool CacheModel::Read(const BlockRef& block) {
  if (const Slot slot = keys_.Find(block.key); slot != kNoSlot) {
    policy_->Hit(slot, block);
    return true;
  }
  const bool full = used_ + block.weight > capacity_;
  if (!policy_->Admit(block, full) || block.weight > capacity_) return false;
  MakeRoom(block.weight);
  Put(block);
  return false;
}

void CacheModel::Offer(const BlockRef& block) {
  if (used_ + block.weight <= capacity_ && keys_.Find(block.key) == kNoSlot) Put(block);
}

void CacheModel::Thin(uint64_t mask) {
  for (Slot slot = 0; slot < keys_.slots(); ++slot) {
    if ((keys_.KeyOf(slot) & mask) == 0 || !keys_.Holds(slot)) continue;
    policy_->Erase(slot, keys_.KeyOf(slot));
    Forget(slot);
  }
}

void CacheModel::SetCapacity(uint64_t capacity) {
  capacity_ = capacity;
  policy_->SetCapacity(capacity);
  MakeRoom(0);
}

uint64_t CacheModel::MemoryBytes() const {
  return sizeof *this + keys_.MemoryBytes() + weights_.capacity() * sizeof(uint32_t) +
         policy_->MemoryBytes();
}

void CacheModel::Put(const BlockRef& block) {
  const Slot slot = keys_.Add(block.key);
  if (slot >= weights_.size()) weights_.resize(slot + 1);
  weights_[slot] = block.weight;
  used_ += block.weight;
  policy_->Insert(slot, block);
}

void CacheModel::MakeRoom(uint64_t weight) {
  while (used_ + weight > capacity_) {
    Slot victim = kNoSlot;
    const size_t found = policy_->Victims({&victim, 1});
    FB_ASSERT(found == 1);
    policy_->Evicted(victim, keys_.KeyOf(victim));
    Forget(victim);
  }
}

void CacheModel::Forget(Slot slot) {
  used_ -= weights_[slot];
  keys_.Remove(slot);
}

}  // namespace forebay
