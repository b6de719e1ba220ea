#include "src/core/policy/adaptive.h"

#include <fmt/format.h>

#include <cmath>

namespace forebay {
namespace {

/// The first epoch of a job reads nothing twice. One hit for this many entries is something else.
constexpr double kEntriesPerEarlyHit = 32;
/// Draws from a set in which all are alike hit about as many different blocks as chance predicts
/// (0.99 of it and more, measured); Zipf draws and the public trace 0.01 to 0.83 of it.
constexpr double kEvenDraws = 0.9;

/// Whether `hits` on `entries` fell on fewer `blocks` than they would if all were equally likely.
bool Concentrated(double hits, double blocks, double entries) {
  if (hits * kEntriesPerEarlyHit < entries) return false;
  return blocks < kEvenDraws * entries * (1 - std::exp(-hits / entries));
}

}  // namespace

AdaptivePolicy::AdaptivePolicy(uint32_t max_slots, uint64_t capacity, uint32_t max_model_entries)
    : list_(Discipline::kPin, Reaping::kYes, max_slots), jury_(capacity, max_model_entries) {}

bool AdaptivePolicy::Admit(const BlockRef& wanted, bool full) {
  See(wanted, false);
  if (full && !was_full_) Start();
  return list_.Admit(wanted, full);
}

void AdaptivePolicy::Hit(Slot slot, const BlockRef& block) {
  // A hit of what is not here (it left, or another share of the tier holds it) teaches nothing.
  if (!list_.Holds(slot)) return;
  See(block, true);
  if (!was_full_) {
    ++early_hits_;
    if (!list_.WasHit(slot)) ++early_blocks_;
  }
  list_.Hit(slot, block);
}

/// Each hit looks at a dozen places of which hardly any is in the processor's caches: one after the
/// other they cost a tenth of a small get.
void AdaptivePolicy::Hits(std::span<const SlotHit> hits) {
  for (const SlotHit& hit : hits) {
    list_.Fetch(hit.slot);
    jury_.FetchBuckets(hit.block);
  }
  for (const SlotHit& hit : hits) jury_.FetchEntries(hit.block);
  for (const SlotHit& hit : hits) Hit(hit.slot, hit.block);
}

void AdaptivePolicy::Insert(Slot slot, const BlockRef& block) {
  jury_.Entered(block);
  list_.Insert(slot, block);
}

void AdaptivePolicy::Erase(Slot slot, uint64_t key) {
  jury_.Left(key);
  list_.Erase(slot, key);
}

std::string AdaptivePolicy::Describe() const {
  return fmt::format("adaptive: {} ({} switches, 1 key in {} sampled)",
                     DisciplineName(list_.discipline()), switches_,
                     uint64_t{1} << jury_.halvings());
}

void AdaptivePolicy::See(const BlockRef& block, bool hit) {
  if (!jury_.See(block, hit)) return;
  Follow(jury_.Choose(list_.discipline()));
  const bool keeps = list_.discipline() == Discipline::kSieve;
  if (keeps && jury_.FallsBehind(list_.discipline())) list_.Renew();
}

/// The cache is full for the first time. Until now all disciplines did the same, so that the jury
/// knows nothing; but the hits tell whether some blocks matter more than others.
void AdaptivePolicy::Start() {
  was_full_ = true;
  const bool concentrated = Concentrated(static_cast<double>(early_hits_),
                                         static_cast<double>(early_blocks_), list_.size());
  if (concentrated) Follow(Discipline::kSieve);
}

void AdaptivePolicy::Follow(Discipline discipline) {
  if (discipline == list_.discipline()) return;
  list_.Follow(discipline);
  ++switches_;
}

}  // namespace forebay
