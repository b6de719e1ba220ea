// S3-FIFO (Yang et al., SOSP 2023), as a reference to compare with.
#pragma once

#include "src/core/policy/ghost_list.h"
#include "src/core/policy/policy.h"

namespace forebay {

/// A small queue that newcomers pass through, a main queue for those read again meanwhile, and the
/// keys of those that were not. Counts entries, not weights.
class S3FifoPolicy final : public Policy {
 public:
  explicit S3FifoPolicy(uint32_t max_slots);

  bool Admit(const BlockRef& wanted, bool full) override;
  void Insert(Slot slot, const BlockRef& block) override;
  void Hit(Slot slot, const BlockRef& block) override;
  void Erase(Slot slot, uint64_t key) override;
  size_t Victims(std::span<Slot> out) override;
  void Evicted(Slot slot, uint64_t key) override;
  void Spare(Slot slot) override;
  void SetCapacity(uint64_t /*weight*/) override {}
  uint64_t MemoryBytes() const override;
  std::string Describe() const override { return "s3fifo"; }

 private:
  enum Queue : uint8_t { kSmall, kMain };
  struct Mark {
    Queue queue;
    uint8_t reads;  // up to 3
  };

  Queue NextQueue() const;
  Slot FindVictim();
  void MoveTo(Queue queue, Slot slot);

  SlotLinks links_;
  LazyArray<Mark> marks_;
  GhostList ghosts_;
  uint32_t sizes_[2] = {0, 0};
};

}  // namespace forebay
