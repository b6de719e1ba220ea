#include "src/core/policy/arc.h"

#include <algorithm>

namespace forebay {

ArcPolicy::ArcPolicy(uint32_t max_slots)
    : links_(max_slots, 2),
      lists_(max_slots),
      ghosts_{GhostList(max_slots), GhostList(max_slots)} {}

bool ArcPolicy::Admit(const BlockRef& wanted, bool full) {
  admitted_ = wanted.key;
  leave_no_ghost_ = false;
  origin_ = Origin::kNew;
  if (!full) return true;
  // The border moves by the ratio of the ghosts as they were with this one among them.
  const double once = ghosts_[kOnce].size(), again = ghosts_[kAgain].size();
  const double c = sizes_[kOnce] + sizes_[kAgain];
  if (ghosts_[kOnce].Take(wanted.key)) {
    origin_ = Origin::kGhostOnce;
    target_ = std::min(c, target_ + std::max(again / once, 1.0));
  } else if (ghosts_[kAgain].Take(wanted.key)) {
    origin_ = Origin::kGhostAgain;
    target_ = std::max(0.0, target_ - std::max(once / again, 1.0));
  } else {
    TrimGhosts();
  }
  return true;
}

void ArcPolicy::Insert(Slot slot, const BlockRef& block) {
  const bool again = origin_ != Origin::kNew && block.key == admitted_;
  lists_[slot] = again ? kAgain : kOnce;
  links_.PushFront(lists_[slot], slot);
  ++sizes_[lists_[slot]];
}

void ArcPolicy::Hit(Slot slot, const BlockRef& /*block*/) {
  if (!links_.Linked(slot)) return;
  Take(slot);
  lists_[slot] = kAgain;
  links_.PushFront(kAgain, slot);
  ++sizes_[kAgain];
}

void ArcPolicy::Erase(Slot slot, uint64_t /*key*/) {
  Take(slot);
}

size_t ArcPolicy::Victims(std::span<Slot> out) {
  if (sizes_[kOnce] + sizes_[kAgain] == 0) return 0;
  size_t found = 0;
  for (Slot slot = links_.Back(VictimList()); found < out.size() && !links_.IsAnchor(slot);) {
    out[found++] = slot;
    slot = links_.Newer(slot);
  }
  return found;
}

void ArcPolicy::Evicted(Slot slot, uint64_t key) {
  if (!leave_no_ghost_) ghosts_[lists_[slot]].Push(key);
  Take(slot);
}

void ArcPolicy::Spare(Slot slot) {
  if (links_.Linked(slot)) links_.MoveToFront(lists_[slot], slot);
}

uint64_t ArcPolicy::MemoryBytes() const {
  return sizeof *this + links_.MemoryBytes() + lists_.MemoryBytes() + ghosts_[kOnce].MemoryBytes() +
         ghosts_[kAgain].MemoryBytes();
}

/// The paper's case IV: at most c keys read once, cached or ghosts, and 2c in all.
void ArcPolicy::TrimGhosts() {
  const uint64_t c = uint64_t{sizes_[kOnce]} + sizes_[kAgain];
  if (uint64_t{sizes_[kOnce]} + ghosts_[kOnce].size() >= c) {
    if (ghosts_[kOnce].size() > 0) {
      ghosts_[kOnce].PopOldest();
    } else {
      leave_no_ghost_ = true;
    }
  } else if (c + ghosts_[kOnce].size() + ghosts_[kAgain].size() >= 2 * c) {
    ghosts_[kAgain].PopOldest();
  }
}

ArcPolicy::List ArcPolicy::VictimList() const {
  if (sizes_[kOnce] == 0) return kAgain;
  if (sizes_[kAgain] == 0 || leave_no_ghost_) return kOnce;
  const double once = sizes_[kOnce];
  const bool over = once > target_ || (origin_ == Origin::kGhostAgain && once == target_);
  return over ? kOnce : kAgain;
}

void ArcPolicy::Take(Slot slot) {
  links_.Remove(slot);
  --sizes_[lists_[slot]];
}

}  // namespace forebay
