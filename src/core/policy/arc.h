// ARC (Megiddo and Modha, FAST 2003), as a reference to compare with.
#pragma once

#include "src/core/policy/ghost_list.h"
#include "src/core/policy/policy.h"

namespace forebay {

/// One list for what was read once and one for what was read again, each with a list of ghosts; a
/// hit on a ghost moves the border between the two. Counts entries, not weights: the paper's c is
/// the number of entries at the time the cache is full.
class ArcPolicy final : public Policy {
 public:
  explicit ArcPolicy(uint32_t max_slots);

  bool Admit(const BlockRef& wanted, bool full) override;
  void Insert(Slot slot, const BlockRef& block) override;
  void Hit(Slot slot, const BlockRef& block) override;
  void Erase(Slot slot, uint64_t key) override;
  size_t Victims(std::span<Slot> out) override;
  void Evicted(Slot slot, uint64_t key) override;
  void Spare(Slot slot) override;
  void SetCapacity(uint64_t /*weight*/) override {}
  uint64_t MemoryBytes() const override;
  std::string Describe() const override { return "arc"; }

 private:
  enum List : uint8_t { kOnce, kAgain };
  enum class Origin : uint8_t { kNew, kGhostOnce, kGhostAgain };

  void TrimGhosts();
  List VictimList() const;
  void Take(Slot slot);

  SlotLinks links_;
  LazyArray<List> lists_;
  GhostList ghosts_[2];
  uint32_t sizes_[2] = {0, 0};
  double target_ = 0;  // the paper's p: how many entries read once are worth keeping
  uint64_t admitted_ = 0;
  Origin origin_ = Origin::kNew;
  bool leave_no_ghost_ = false;
};

}  // namespace forebay
