#include "src/core/policy/one_list.h"

#include <algorithm>

namespace forebay {
namespace {

constexpr uint32_t kList = 0;
/// A hand that meets only visited entries stops after this many, so that no caller waits for a pass
/// over millions; the marks that it took off on the way shorten the next search.
constexpr uint32_t kMostSteps = 1024;
/// How many entries are inspected for signs of life at a time: enough for the hand to gain on the
/// entries that are inserted ahead of it.
constexpr uint32_t kInspections = 3;
/// How many entries are looked at for each that is proposed.
constexpr size_t kLookAhead = 4;
/// How many cache-fulls without a hit mean that all have died. Pinning has nothing else to go by;
/// SIEVE is there to sit out scans, long ones too.
constexpr uint32_t kPinPatience = 1;
constexpr uint32_t kPatience = 32;
/// Ages are lifted in slices, a slice a tick, all of them well within the range of a stamp.
constexpr uint32_t kSlices = 4096;

}  // namespace

std::string_view DisciplineName(Discipline discipline) {
  switch (discipline) {
    case Discipline::kFifo:
      return "fifo";
    case Discipline::kLru:
      return "lru";
    case Discipline::kSieve:
      return "sieve";
    case Discipline::kPin:
      return "pin";
  }
  return "unknown";
}

OneListPolicy::OneListPolicy(Discipline discipline, Reaping reaping, uint32_t max_slots)
    : discipline_(discipline), reaping_(reaping), links_(max_slots, 1), marks_(max_slots) {}

/// The hand starts anew: SIEVE keeps more of what it should when its first round begins with the
/// oldest (by 0.02 of hit ratio on a Zipf trace, for as long as a million reads).
void OneListPolicy::Follow(Discipline discipline) {
  discipline_ = discipline;
  hand_ = kNoSlot;
}

bool OneListPolicy::Admit(const BlockRef& /*wanted*/, bool full) {
  PassTime();
  if (!full) return true;
  signs_.Miss(size_, discipline_ == Discipline::kPin ? kPinPatience : kPatience);
  const bool dead = Reaps() && FindDead();
  return dead || discipline_ != Discipline::kPin;
}

void OneListPolicy::Insert(Slot slot, const BlockRef& /*block*/) {
  links_.PushFront(kList, slot);
  marks_[slot] = signs_.Now();
  ++size_;
}

void OneListPolicy::Hit(Slot slot, const BlockRef& /*block*/) {
  PassTime();
  if (!links_.Linked(slot)) return;
  signs_.Hit(Stamp(slot), size_);
  if (discipline_ == Discipline::kLru) {
    LetGo(slot);
    links_.MoveToFront(kList, slot);
    marks_[slot] = signs_.Now();
  } else {
    marks_[slot] = signs_.Now() | kVisited;
  }
}

void OneListPolicy::Fetch(Slot slot) const {
  links_.Fetch(slot);
  __builtin_prefetch(&marks_[slot]);
}

void OneListPolicy::Erase(Slot slot, uint64_t /*key*/) {
  LetGo(slot);
  links_.Remove(slot);
  if (--size_ == 0) hand_ = reaper_ = kNoSlot;
}

size_t OneListPolicy::Victims(std::span<Slot> out) {
  if (size_ == 0 || out.empty()) return 0;
  const bool dead = Reaps() && reaper_ != kNoSlot && Dead(reaper_);
  if (dead) out[0] = reaper_;
  Slot from = links_.Back(kList);
  if (discipline_ == Discipline::kLru) {
    SkipVisitedAtBack();
    from = links_.Back(kList);
  } else if (discipline_ == Discipline::kSieve) {
    SkipVisitedAtHand();
    from = hand_;
  } else if (discipline_ == Discipline::kPin && reaper_ != kNoSlot) {
    from = reaper_;
  }
  if (!dead) return CollectFrom(from, kNoSlot, out);
  return 1 + CollectFrom(from, reaper_, out.subspan(1));
}

void OneListPolicy::Evicted(Slot slot, uint64_t key) {
  Erase(slot, key);
  // A large newcomer takes the place of several: have the next ready.
  if (Reaps()) FindDead();
}

void OneListPolicy::Renew() {
  signs_.Condemn(Verdict::kFinal);
}

void OneListPolicy::Spare(Slot slot) {
  if (!links_.Linked(slot)) return;
  LetGo(slot);
  links_.MoveToFront(kList, slot);
}

void OneListPolicy::SetCapacity(uint64_t /*weight*/) {}

uint64_t OneListPolicy::MemoryBytes() const {
  return sizeof *this + links_.MemoryBytes() + marks_.MemoryBytes();
}

std::string OneListPolicy::Describe() const {
  return std::string(DisciplineName(discipline_));
}

bool OneListPolicy::Reaps() const {
  return discipline_ == Discipline::kPin ||
         (discipline_ == Discipline::kSieve && reaping_ == Reaping::kYes);
}

/// The next entry in the hand's direction, from old to new and round.
Slot OneListPolicy::After(Slot slot) const {
  const Slot next = links_.Newer(slot);
  return links_.IsAnchor(next) ? links_.Back(kList) : next;
}

/// The slot is about to leave its place: no hand may stay on it.
void OneListPolicy::LetGo(Slot slot) {
  if (hand_ == slot) hand_ = After(slot);
  if (reaper_ == slot) reaper_ = After(slot);
}

void OneListPolicy::PassTime() {
  signs_.Tick(size_);
  if (signs_.Now() != swept_at_) LiftOldAges();
}

/// Keeps stamps from wrapping round and looking young again.
void OneListPolicy::LiftOldAges() {
  swept_at_ = signs_.Now();
  const uint32_t slots = links_.slots();
  const uint32_t slice = slots / kSlices + 1;
  for (uint32_t i = 0; i < slice; ++i) {
    if (++sweep_ >= slots) sweep_ = 0;
    if (!links_.Linked(sweep_) || signs_.Age(Stamp(sweep_)) <= VitalSigns::kOldest) continue;
    const auto oldest = static_cast<AgeStamp>((signs_.Now() - VitalSigns::kOldest));
    marks_[sweep_] = (marks_[sweep_] & kVisited) | (oldest & VitalSigns::kMask);
  }
}

/// Pinning waits for all to come round, so that one that is late is dead. Under SIEVE gaps are of
/// every length, and only the end of all hits is a sign.
bool OneListPolicy::Dead(Slot slot) const {
  return discipline_ == Discipline::kPin ? signs_.Dead(Stamp(slot)) : signs_.Condemned(Stamp(slot));
}

/// Moves the reaper on to an entry that is dead, a few steps at most.
bool OneListPolicy::FindDead() {
  if (size_ == 0) return false;
  if (reaper_ == kNoSlot) reaper_ = links_.Back(kList);
  for (uint32_t i = 0; i < kInspections; ++i) {
    if (Dead(reaper_)) return true;
    reaper_ = After(reaper_);
  }
  return false;
}

/// Entries that were hit under another discipline, where a hit did not move them.
void OneListPolicy::SkipVisitedAtBack() {
  for (uint32_t i = 0; i < kMostSteps; ++i) {
    const Slot slot = links_.Back(kList);
    if (!Visited(slot)) return;
    Unvisit(slot);
    LetGo(slot);
    links_.MoveToFront(kList, slot);
  }
}

void OneListPolicy::SkipVisitedAtHand() {
  if (hand_ == kNoSlot) hand_ = links_.Back(kList);
  for (uint32_t i = 0; i < kMostSteps && Visited(hand_); ++i) {
    Unvisit(hand_);
    hand_ = After(hand_);
  }
}

/// Looks ahead from `slot`, which is taken as it stands, past the visited and `skipped`, without a
/// change.
size_t OneListPolicy::CollectFrom(Slot slot, Slot skipped, std::span<Slot> out) const {
  const bool past_visited = discipline_ != Discipline::kFifo;
  size_t found = 0;
  const size_t steps = std::min<size_t>(size_, kLookAhead * (out.size() + 1));
  for (size_t i = 0; i < steps && found < out.size(); ++i, slot = After(slot)) {
    if (slot == skipped || (found > 0 && past_visited && Visited(slot))) continue;
    out[found++] = slot;
  }
  return found;
}

}  // namespace forebay
