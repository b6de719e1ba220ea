// Judges disciplines by what each would have hit.
#pragma once

#include <array>
#include <vector>

#include "src/core/policy/cache_model.h"
#include "src/core/policy/one_list.h"

namespace forebay {

/// Runs one small cache per discipline over a hash-sampled part of the keys, each with the same
/// part of the real capacity, and counts for every pair of them the reads on which they differ.
///
/// While the real cache has few entries all keys are sampled and the models are exact. When a model
/// outgrows its bound, half of the keys are dropped from all of them and the capacities halved: the
/// memory is bounded whatever the weights are, and nothing needs to be known beforehand.
class Jury {
 public:
  static constexpr std::array kExperts = {Discipline::kPin, Discipline::kLru, Discipline::kSieve};

  /// `capacity` as the real cache has it. At least `max_entries` / 2 entries a model once it is
  /// full, never more than `max_entries`.
  Jury(uint64_t capacity, uint32_t max_entries);

  /// A read of the real cache and whether it was a hit there. True if it was in the sample.
  bool See(const BlockRef& block, bool hit);

  /// Bring what See looks at into the processor's caches, one after the other for many blocks.
  void FetchBuckets(const BlockRef& block) const;
  void FetchEntries(const BlockRef& block) const;

  /// The discipline to follow: the one in `current`, unless another has won clearly more of the
  /// reads on which the two differ than chance would give it, over about one cache-full of reads
  /// or, where the difference is small, eight.
  ///
  /// Pinning keeps what it finds, which may be worse than what its model has. So once its model
  /// leads, it is given what the real cache holds, and has to lead again. Should pinning hit less
  /// in the end than the others would, it is barred for a while, each time for twice as long.
  Discipline Choose(Discipline current);

  /// Whether what is followed hits far less than it would, had it been followed all along: then
  /// the cache holds the wrong things, and the discipline does not let go of them.
  bool FallsBehind(Discipline current);

  /// What the real cache holds, sampled like the rest.
  void Entered(const BlockRef& block);
  void Left(uint64_t key);

  void SetCapacity(uint64_t capacity);
  uint32_t halvings() const { return halvings_; }
  uint64_t MemoryBytes() const;

 private:
  static constexpr size_t kSides = kExperts.size();
  using Hits = std::array<bool, kSides>;

  /// Who hit how much lately. What counts fades with time.
  struct Tally {
    std::array<double, kSides> hits{};
    std::array<std::array<double, kSides>, kSides> wins{};  // [a][b]: a hit and b missed

    void Count(const Hits& side_hits);
    void Fade();
    void Forget(size_t side);
    double Lead(size_t ahead, size_t behind) const;
  };

  struct Probation {
    uint64_t patience = 0;
    uint64_t reads = 0;
    double real_hits = 0;
    std::array<double, kSides> hits{};
  };

  bool Sampled(uint64_t mixed) const { return (mixed & mask()) == 0; }
  /// The high bits, because the models' tables live by the low ones.
  uint64_t mask() const { return halvings_ == 0 ? 0 : ~uint64_t{0} << (64 - halvings_); }
  uint32_t CacheFull() const;
  CacheModel NewModel(Discipline expert) const;
  void Count(const Hits& hits, bool real_hit);
  void HalveSample();
  double Lead(size_t ahead, size_t behind) const;
  bool PinningPays(size_t now) const;
  void TryPinning();
  bool PinningFails() const;
  void BarPinning();

  uint64_t capacity_;
  uint32_t max_entries_;
  uint32_t halvings_ = 0;
  std::vector<CacheModel> models_;  // in the order of kExperts

  uint64_t reads_ = 0;  // sampled ones
  uint32_t until_fade_ = 0;
  uint32_t until_slow_fade_ = 0;
  Tally quick_;
  Tally slow_;
  KeyMap held_;  // the sampled keys in the real cache
  std::vector<uint32_t> held_weights_;
  uint64_t trial_began_ = 0;  // when the model of pinning was given what the real cache held
  Probation probation_;
  uint64_t barred_until_ = 0;
  uint32_t bars_ = 0;
};

}  // namespace forebay
