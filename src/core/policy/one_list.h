// FIFO, LRU, SIEVE and pinning on one list, 10 bytes an entry.
#pragma once

#include "src/core/policy/lazy_array.h"
#include "src/core/policy/policy.h"
#include "src/core/policy/slot_links.h"
#include "src/core/policy/vital_signs.h"

namespace forebay {

/// SIEVE alone can hold on to the survivors of another time for ever: without hits its hand keeps
/// its distance from the newest entry, and what lies behind it is never looked at again. Reaping
/// lets a second hand look there for entries that are dead.
enum class Reaping : uint8_t { kNo, kYes };

enum class Discipline : uint8_t {
  kFifo,   // the oldest leaves
  kLru,    // the one unused for longest leaves
  kSieve,  // a hand sweeps from old to new; who was hit since its last visit stays
  kPin,    // nobody leaves who may still be waiting for the next epoch; newcomers are refused
};

/// The four share their list and marks, so that the discipline can change at any time without a
/// pass over the entries: what the old one left in an order the new one does not expect is sorted
/// out by second chances as it comes up.
class OneListPolicy final : public Policy {
 public:
  OneListPolicy(Discipline discipline, Reaping reaping, uint32_t max_slots);

  bool Admit(const BlockRef& wanted, bool full) override;
  void Insert(Slot slot, const BlockRef& block) override;
  void Hit(Slot slot, const BlockRef& block) override;
  void Fetch(Slot slot) const override;
  void Erase(Slot slot, uint64_t key) override;
  size_t Victims(std::span<Slot> out) override;
  void Evicted(Slot slot, uint64_t key) override;
  void Spare(Slot slot) override;
  void SetCapacity(uint64_t weight) override;
  uint64_t MemoryBytes() const override;
  std::string Describe() const override;

  void Follow(Discipline discipline);
  /// Nothing that is here now is worth keeping unless it is hit from now on.
  void Renew();
  Discipline discipline() const { return discipline_; }
  uint32_t size() const { return size_; }
  bool Holds(Slot slot) const { return links_.Linked(slot); }
  /// Since it came, or since pinning or SIEVE last looked at it.
  bool WasHit(Slot slot) const { return Holds(slot) && Visited(slot); }

 private:
  static constexpr AgeStamp kVisited = 0x8000;

  bool Visited(Slot slot) const { return (marks_[slot] & kVisited) != 0; }
  AgeStamp Stamp(Slot slot) const { return marks_[slot] & VitalSigns::kMask; }
  void Unvisit(Slot slot) { marks_[slot] &= static_cast<AgeStamp>(~kVisited); }
  bool Reaps() const;
  bool Dead(Slot slot) const;
  Slot After(Slot slot) const;
  void LetGo(Slot slot);
  void PassTime();
  void LiftOldAges();
  bool FindDead();
  void SkipVisitedAtBack();
  void SkipVisitedAtHand();
  size_t CollectFrom(Slot slot, Slot skipped, std::span<Slot> out) const;

  Discipline discipline_;
  Reaping reaping_;
  uint32_t size_ = 0;
  Slot hand_ = kNoSlot;    // what SIEVE looks at next
  Slot reaper_ = kNoSlot;  // what is looked at next for signs of life
  SlotLinks links_;
  LazyArray<AgeStamp> marks_;  // the last access, and whether there was one since the hand came by
  VitalSigns signs_;
  AgeStamp swept_at_ = 0;
  uint32_t sweep_ = 0;
};

std::string_view DisciplineName(Discipline discipline);

}  // namespace forebay
