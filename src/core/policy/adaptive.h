// The policy of choice: follows whichever discipline the reads themselves favour.
#pragma once

#include "src/core/policy/jury.h"
#include "src/core/policy/one_list.h"

namespace forebay {

/// One list, and a jury that says which discipline it is to follow. Starts with pinning unless some
/// blocks were read again and again while the cache filled: as long as nothing shows that one block
/// matters more than another, what is cached may as well stay, and nothing is written for nothing.
///
/// 10 bytes an entry, and the jury's models: at most about 120 bytes for each of max_model_entries.
class AdaptivePolicy final : public Policy {
 public:
  AdaptivePolicy(uint32_t max_slots, uint64_t capacity, uint32_t max_model_entries);

  bool Admit(const BlockRef& wanted, bool full) override;
  void Insert(Slot slot, const BlockRef& block) override;
  void Hit(Slot slot, const BlockRef& block) override;
  void Hits(std::span<const SlotHit> hits) override;
  void Erase(Slot slot, uint64_t key) override;
  size_t Victims(std::span<Slot> out) override { return list_.Victims(out); }
  void Evicted(Slot slot, uint64_t key) override { Erase(slot, key); }
  void Spare(Slot slot) override { list_.Spare(slot); }
  void SetCapacity(uint64_t weight) override { jury_.SetCapacity(weight); }
  uint64_t MemoryBytes() const override { return list_.MemoryBytes() + jury_.MemoryBytes(); }
  std::string Describe() const override;

  Discipline discipline() const { return list_.discipline(); }

 private:
  void Start();
  void See(const BlockRef& block, bool hit);
  void Follow(Discipline discipline);

  OneListPolicy list_;
  Jury jury_;
  bool was_full_ = false;
  uint64_t early_hits_ = 0;
  uint64_t early_blocks_ = 0;
  uint64_t switches_ = 0;
};

}  // namespace forebay
