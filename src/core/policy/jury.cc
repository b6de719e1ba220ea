#include "src/core/policy/jury.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "src/base/prng.h"

namespace forebay {
namespace {

/// Keeps the sample independent of how the owner cuts the same bits into stripes and buckets.
constexpr uint64_t kSampleSalt = 0x5bd1e995a2c4d3f7u;
uint64_t Mixed(uint64_t key) {
  return Mix64(key ^ kSampleSalt);
}
/// How many standard deviations make a lead. Reads come in runs, so chance is larger than
/// independent coin tosses would make it.
constexpr double kSigmas = 3;
constexpr double kFewestWins = 8;
/// The quick tally loses an eighth every eighth of a cache-full of sampled reads, the slow one
/// every whole: they remember about one and about eight cache-fulls.
constexpr double kFade = 7.0 / 8;
constexpr uint32_t kFadesPerCacheFull = 8;
constexpr uint32_t kFewestReadsPerFade = 64;
/// Real hits below this part of a model's are worse than an unlucky sample of keys explains.
constexpr double kBehind = 0.98;
constexpr double kFarBehind = 0.8;
constexpr double kPinningGain = 1.05;
/// The longest epoch, in cache-fulls, within which pinning can prove itself.
constexpr uint64_t kTrialCacheFulls = 32;
constexpr uint64_t kPatienceCacheFulls = 4;
constexpr uint32_t kBarCacheFulls = 4;
constexpr uint32_t kMostBars = 6;

/// Whether a count is less than `part` of another and chance alone would not explain it.
bool ClearlyBelow(double count, double part, double other) {
  return count < part * other && other - count > kSigmas * std::sqrt(other + count);
}

constexpr size_t SideOf(Discipline discipline) {
  const auto& experts = Jury::kExperts;
  return static_cast<size_t>(std::find(experts.begin(), experts.end(), discipline) -
                             experts.begin());
}
constexpr size_t kPinSide = SideOf(Discipline::kPin);
constexpr size_t kLruSide = SideOf(Discipline::kLru);
constexpr size_t kSieveSide = SideOf(Discipline::kSieve);

}  // namespace

Jury::Jury(uint64_t capacity, uint32_t max_entries)
    : capacity_(capacity), max_entries_(max_entries) {
  for (const Discipline expert : kExperts) models_.push_back(NewModel(expert));
}

CacheModel Jury::NewModel(Discipline expert) const {
  return CacheModel(std::make_unique<OneListPolicy>(expert, Reaping::kYes, max_entries_ + 1),
                    capacity_ >> halvings_);
}

bool Jury::See(const BlockRef& block, bool hit) {
  const uint64_t mixed = Mixed(block.key);
  if (!Sampled(mixed)) return false;
  Hits hits{};
  bool outgrown = false;
  for (size_t i = 0; i < models_.size(); ++i) {
    hits[i] = models_[i].Read({.key = mixed, .weight = block.weight});
    outgrown |= models_[i].entries() > max_entries_;
  }
  Count(hits, hit);
  if (outgrown) HalveSample();
  return true;
}

void Jury::FetchBuckets(const BlockRef& block) const {
  const uint64_t mixed = Mixed(block.key);
  if (!Sampled(mixed)) return;
  for (const CacheModel& model : models_) model.FetchBucket(mixed);
}

void Jury::FetchEntries(const BlockRef& block) const {
  const uint64_t mixed = Mixed(block.key);
  if (!Sampled(mixed)) return;
  for (const CacheModel& model : models_) model.FetchEntry(mixed);
}

Discipline Jury::Choose(Discipline current) {
  const size_t now = SideOf(current);
  if (now == kPinSide && PinningFails()) {
    BarPinning();
    probation_ = {};
    return kExperts[quick_.hits[kLruSide] > quick_.hits[kSieveSide] ? kLruSide : kSieveSide];
  }
  if (now != kPinSide && PinningPays(now)) {
    if (trial_began_ > 0 && reads_ - trial_began_ < kTrialCacheFulls * CacheFull()) {
      // What the model took to prove itself, the real cache may take too.
      probation_ = {.patience = 2 * (reads_ - trial_began_)};
      trial_began_ = 0;
      return Discipline::kPin;
    }
    TryPinning();
  }
  const size_t best = Lead(kLruSide, now) > Lead(kSieveSide, now) ? kLruSide : kSieveSide;
  if (Lead(best, now) <= 0) return current;
  probation_ = {};
  return kExperts[best];
}

bool Jury::FallsBehind(Discipline current) {
  if (probation_.reads < CacheFull()) return false;
  const double model = probation_.hits[SideOf(current)];
  if (!ClearlyBelow(probation_.real_hits, kFarBehind, model)) return false;
  probation_ = {};
  return true;
}

void Jury::Entered(const BlockRef& block) {
  const uint64_t mixed = Mixed(block.key);
  if (!Sampled(mixed) || held_.Find(mixed) != kNoSlot) return;
  const Slot slot = held_.Add(mixed);
  if (slot >= held_weights_.size()) held_weights_.resize(slot + 1);
  held_weights_[slot] = block.weight;
  // A restart may bring millions before the first read.
  if (held_.size() > max_entries_) HalveSample();
}

void Jury::Left(uint64_t key) {
  const uint64_t mixed = Mixed(key);
  if (!Sampled(mixed)) return;
  if (const Slot slot = held_.Find(mixed); slot != kNoSlot) held_.Remove(slot);
}

void Jury::SetCapacity(uint64_t capacity) {
  capacity_ = capacity;
  for (CacheModel& model : models_) model.SetCapacity(capacity_ >> halvings_);
}

uint64_t Jury::MemoryBytes() const {
  uint64_t bytes = sizeof *this + held_.MemoryBytes() + held_weights_.capacity() * sizeof(uint32_t);
  for (const CacheModel& model : models_) bytes += model.MemoryBytes();
  return bytes;
}

uint32_t Jury::CacheFull() const {
  return std::max(models_[0].entries(), kFadesPerCacheFull * kFewestReadsPerFade);
}

void Jury::Count(const Hits& hits, bool real_hit) {
  ++reads_;
  quick_.Count(hits);
  slow_.Count(hits);
  ++probation_.reads;
  for (size_t i = 0; i < kSides; ++i) probation_.hits[i] += hits[i] ? 1 : 0;
  probation_.real_hits += real_hit ? 1 : 0;
  if (until_fade_-- == 0) {
    until_fade_ = CacheFull() / kFadesPerCacheFull;
    quick_.Fade();
  }
  if (until_slow_fade_-- == 0) {
    until_slow_fade_ = CacheFull();
    slow_.Fade();
    for (double& count : probation_.hits) count *= kFade;
    probation_.real_hits *= kFade;
  }
}

void Jury::HalveSample() {
  ++halvings_;
  for (Slot slot = 0; slot < held_.slots(); ++slot) {
    if (held_.Holds(slot) && !Sampled(held_.KeyOf(slot))) held_.Remove(slot);
  }
  for (CacheModel& model : models_) {
    model.Thin(mask());
    model.SetCapacity(capacity_ >> halvings_);
  }
}

/// What the slow tally says counts unless the quick one says the opposite: then times have changed.
double Jury::Lead(size_t ahead, size_t behind) const {
  const double quick = quick_.Lead(ahead, behind);
  if (quick > 0 || quick_.wins[ahead][behind] < quick_.wins[behind][ahead]) return quick;
  return slow_.Lead(ahead, behind);
}

/// Pinning learns nothing while it is followed, so it has to be worth that: it leads the model of
/// what is followed, or, where that model would do well but the cache does not get there, the
/// cache.
bool Jury::PinningPays(size_t now) const {
  if (reads_ < barred_until_) return false;
  const auto beats = [](const std::array<double, kSides>& hits, double gain) {
    return hits[kPinSide] > gain * std::max(hits[kLruSide], hits[kSieveSide]);
  };
  if (Lead(kPinSide, now) > 0 && beats(quick_.hits, kPinningGain)) return true;
  return probation_.reads > kPatienceCacheFulls * CacheFull() && beats(probation_.hits, 1) &&
         ClearlyBelow(probation_.real_hits, 1 / kPinningGain, probation_.hits[kPinSide]);
}

/// Lets the model of pinning start from what the real cache holds now.
void Jury::TryPinning() {
  models_[kPinSide] = NewModel(Discipline::kPin);
  for (Slot slot = 0; slot < held_.slots(); ++slot) {
    if (!held_.Holds(slot)) continue;
    models_[kPinSide].Offer({.key = held_.KeyOf(slot), .weight = held_weights_[slot]});
  }
  quick_.Forget(kPinSide);
  slow_.Forget(kPinSide);
  probation_ = {};
  trial_began_ = reads_;
}

bool Jury::PinningFails() const {
  const uint64_t patience = std::max(probation_.patience, kPatienceCacheFulls * CacheFull());
  if (probation_.reads < patience) return false;
  const double other = std::max(probation_.hits[kLruSide], probation_.hits[kSieveSide]);
  return ClearlyBelow(probation_.real_hits, kBehind, other);
}

void Jury::BarPinning() {
  const uint64_t bar = (uint64_t{kBarCacheFulls} * CacheFull()) << bars_;
  bars_ = probation_.reads > bar ? 0 : std::min(bars_ + 1, kMostBars);
  barred_until_ = reads_ + bar;
}

void Jury::Tally::Count(const Hits& side_hits) {
  for (size_t a = 0; a < kSides; ++a) hits[a] += side_hits[a] ? 1 : 0;
  // Most reads are hits for all sides, or for none: they say nothing of any two.
  if (std::ranges::count(side_hits, side_hits[0]) == kSides) return;
  for (size_t a = 0; a < kSides; ++a) {
    for (size_t b = 0; b < kSides; ++b) wins[a][b] += side_hits[a] && !side_hits[b] ? 1 : 0;
  }
}

void Jury::Tally::Fade() {
  for (size_t a = 0; a < kSides; ++a) {
    hits[a] *= kFade;
    for (double& count : wins[a]) count *= kFade;
  }
}

void Jury::Tally::Forget(size_t side) {
  hits[side] = 0;
  wins[side] = {};
  for (auto& row : wins) row[side] = 0;
}

/// By how much `ahead` leads beyond what chance explains (the sign test); 0 or less if it does not.
double Jury::Tally::Lead(size_t ahead, size_t behind) const {
  const double won = wins[ahead][behind], lost = wins[behind][ahead];
  if (won - lost <= kFewestWins) return won - lost - kFewestWins;
  return won - lost - kSigmas * std::sqrt(won + lost) - kFewestWins;
}

}  // namespace forebay
