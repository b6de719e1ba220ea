#include "src/core/policy/adaptive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <numeric>
#include <vector>

#include "src/base/prng.h"
#include "src/core/policy/factory.h"
#include "src/core/policy/replay.h"
#include "src/core/policy/workload.h"

namespace forebay {
namespace {

double Ratio(const Trace& trace, std::string_view policy, uint64_t capacity) {
  return Replay(trace, policy, capacity)->ratio();
}

TEST(Adaptive, HitsTheCachedFractionOfFreshPermutations) {
  for (const char* spec : {"epochs:objects=10000", "epochs:objects=10000,jobs=8"}) {
    const Trace trace = *MakeWorkload(spec);
    for (const double f : {0.1, 0.25, 0.5, 0.9}) {
      const double ratio = Ratio(trace, "adaptive", static_cast<uint64_t>(f * 10'000));
      EXPECT_GE(ratio, 0.97 * f) << spec << " f=" << f;
    }
  }
}

TEST(Adaptive, IsNoWorseThanTheBetterOfLruAndSieve) {
  for (const char* spec :
       {"zipf:objects=20000,requests=300000",
        "zipf-scan:objects=20000,requests=300000,scan_every=20000,scan_objects=20000"}) {
    const Trace trace = *MakeWorkload(spec);
    for (const double share : {0.01, 0.1, 0.5}) {
      const auto capacity = static_cast<uint64_t>(share * static_cast<double>(trace.footprint()));
      const double best = std::max(Ratio(trace, "lru", capacity), Ratio(trace, "sieve", capacity));
      EXPECT_GE(Ratio(trace, "adaptive", capacity), best - 0.01) << spec << " at " << share;
    }
  }
}

/// Reads a workload over its own data set and returns the hit ratio of each of `parts` of it.
std::vector<double> Phase(CacheModel& model, const char* name, uint64_t data_set, const char* spec,
                          size_t parts) {
  const Trace trace = *MakeWorkload(spec);
  std::vector<double> ratios(parts);
  const size_t length = trace.size() / parts;
  for (size_t i = 0; i < length * parts; ++i) {
    const bool hit = model.Read({.key = Mix64(trace.ref(i).key ^ data_set)});
    ratios[i / length] += hit ? 1.0 / static_cast<double>(length) : 0;
  }
  std::printf("%-28s", name);
  for (const double ratio : ratios) std::printf(" %.3f", ratio);
  std::printf("  %s\n", model.policy().Describe().c_str());
  return ratios;
}

constexpr const char* kEpochs = "epochs:objects=20000";
constexpr const char* kZipf = "zipf:objects=100000,requests=240000";

/// Each change must be made good within the phase that it begins; what it costs is printed.
TEST(Adaptive, RecoversWhenTheWorkloadChanges) {
  for (const uint32_t capacity : {2000, 5000, 10'000}) {
    const double f = capacity / 20'000.0;
    std::printf("capacity %u, hit ratio of each sixth of a phase\n", capacity);
    const PolicyOptions options = {.max_slots = capacity + 1, .capacity = capacity};
    CacheModel model(*MakePolicy("adaptive", options), capacity);
    EXPECT_GE(Phase(model, "epochs of a data set", 1, kEpochs, 6)[1], 0.97 * f);
    EXPECT_GE(Phase(model, "epochs of another", 2, kEpochs, 6)[1], 0.97 * f);

    CacheModel fresh(*MakePolicy("lru", options), capacity);
    const double lru = Phase(fresh, "(LRU alone on Zipf)", 3, kZipf, 6)[5];
    EXPECT_GE(Phase(model, "Zipf", 3, kZipf, 6)[5], lru - 0.01);

    EXPECT_GE(Phase(model, "epochs of a third", 4, kEpochs, 6)[3], 0.97 * f);
    EXPECT_GE(Phase(model, "the first data set again", 1, kEpochs, 6)[5], 0.97 * f);
    EXPECT_GE(Phase(model, "four jobs on a fourth", 5, "epochs:objects=20000,jobs=4", 6)[5],
              0.97 * f);
  }
}

TEST(Adaptive, ASampleDecidesLikeTheWhole) {
  const Trace trace = *MakeWorkload("zipf-scan:objects=50000,requests=400000");
  const uint64_t capacity = trace.footprint() / 10;
  double ratios[2];
  for (const uint32_t entries : {1024, 65'536}) {
    const PolicyOptions options = {.max_slots = static_cast<uint32_t>(capacity) + 1,
                                   .capacity = capacity,
                                   .max_model_entries = entries};
    CacheModel model(*MakePolicy("adaptive", options), capacity);
    double hits = 0;
    for (size_t i = 0; i < trace.size(); ++i) hits += model.Read(trace.ref(i)) ? 1 : 0;
    ratios[entries == 1024 ? 0 : 1] = hits / static_cast<double>(trace.size());
  }
  EXPECT_NEAR(ratios[0], ratios[1], 0.02);
}

/// Two policies that are told the same, the hits one by one or in bursts, which are late.
class Twins {
 public:
  explicit Twins(uint32_t slots)
      : one_by_one_(slots, slots, slots), together_(slots, slots, slots), free_(slots) {
    std::iota(free_.begin(), free_.end(), Slot{0});
  }
  void Read(const BlockRef& block) {
    const auto found = slots_.find(block.key);
    if (found == slots_.end()) return Miss(block);
    late_.push_back({.slot = found->second, .block = block});
    if (late_.size() < kBurst) return;
    for (const SlotHit& hit : late_) one_by_one_.Hit(hit.slot, hit.block);
    together_.Hits(late_);
    late_.clear();
  }
  const AdaptivePolicy& one_by_one() const { return one_by_one_; }
  const AdaptivePolicy& together() const { return together_; }

 private:
  static constexpr size_t kBurst = 32;

  void Miss(const BlockRef& block) {
    const bool full = free_.empty();
    const bool admit = one_by_one_.Admit(block, full);
    ASSERT_EQ(together_.Admit(block, full), admit);
    if (!admit) return;
    if (full) Evict();
    const Slot slot = free_.back();
    free_.pop_back();
    slots_[block.key] = slot;
    keys_[slot] = block.key;
    one_by_one_.Insert(slot, block);
    together_.Insert(slot, block);
  }
  void Evict() {
    Slot first = kNoSlot, second = kNoSlot;
    ASSERT_EQ(one_by_one_.Victims({&first, 1}), 1u);
    ASSERT_EQ(together_.Victims({&second, 1}), 1u);
    ASSERT_EQ(first, second);
    one_by_one_.Evicted(first, keys_[first]);
    together_.Evicted(first, keys_[first]);
    slots_.erase(keys_[first]);
    free_.push_back(first);
  }

  AdaptivePolicy one_by_one_, together_;
  std::vector<Slot> free_;
  std::map<uint64_t, Slot> slots_;
  std::map<Slot, uint64_t> keys_;
  std::vector<SlotHit> late_;
};

TEST(Adaptive, HitsThatComeTogetherCountAsOneByOne) {
  Twins twins(1000);
  for (const char* spec : {"zipf:objects=5000,requests=50000", "epochs:objects=1500"}) {
    const Trace trace = *MakeWorkload(spec);
    for (size_t i = 0; i < trace.size(); ++i) twins.Read(trace.ref(i));
    EXPECT_EQ(twins.one_by_one().Describe(), twins.together().Describe());
  }
  EXPECT_THAT(twins.together().Describe(), testing::Not(testing::HasSubstr("(0 switches")));
}

TEST(Adaptive, WorksWithBlocksOfAnySize) {
  // A block of 1 to 64 units by its key; the reads are a fresh permutation each epoch.
  const Trace epochs = *MakeWorkload("epochs:objects=20000");
  Trace sized;
  for (size_t i = 0; i < epochs.size(); ++i) {
    const uint64_t key = epochs.ref(i).key;
    sized.Add(key, static_cast<uint32_t>(1 + Mix64(key) % 64));
  }
  sized.count_from = epochs.count_from;
  for (const double f : {0.1, 0.5}) {
    const auto capacity = static_cast<uint64_t>(f * static_cast<double>(sized.footprint()));
    EXPECT_GE(Ratio(sized, "adaptive", capacity), 0.95 * f);
    EXPECT_LT(Ratio(sized, "lru", capacity), 0.5 * f);
  }
}

TEST(Adaptive, SameCallsSameVictims) {
  const Trace trace = *MakeWorkload("zipf-scan:objects=5000,requests=50000,scan_every=5000");
  std::vector<uint64_t> digests;
  for (int run = 0; run < 2; ++run) {
    AdaptivePolicy policy(600, 500, 128);
    KeyMap index;
    uint64_t digest = 0;
    for (size_t i = 0; i < trace.size(); ++i) {
      const BlockRef block = trace.ref(i);
      if (const Slot slot = index.Find(block.key); slot != kNoSlot) {
        policy.Hit(slot, block);
        continue;
      }
      if (!policy.Admit(block, index.size() == 500)) continue;
      Slot victims[4];
      if (index.size() == 500) {
        const size_t found = policy.Victims(victims);
        ASSERT_GT(found, 0u);
        const Slot victim = victims[i % found];
        digest = Mix64(digest ^ victim);
        policy.Evicted(victim, index.KeyOf(victim));
        index.Remove(victim);
      }
      policy.Insert(index.Add(block.key), block);
    }
    digests.push_back(digest);
  }
  EXPECT_EQ(digests[0], digests[1]);
  EXPECT_NE(digests[0], 0u);
}

/// The owner of two shares may tell both of every hit.
TEST(Adaptive, HitsOfWhatItDoesNotHoldTeachNothing) {
  const Trace trace = *MakeWorkload("epochs:objects=2000,epochs=3");
  AdaptivePolicy told(2000, 500, 1024), spared(2000, 500, 1024);
  for (Slot slot = 0; slot < 500; ++slot) {
    for (AdaptivePolicy* policy : {&told, &spared}) policy->Insert(slot, {.key = Mix64(slot)});
  }
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t other = Mix64(1'000'000 + i % 100);
    told.Hit(500 + i % 1000, {.key = other});  // recency would win, if these counted
    EXPECT_EQ(told.discipline(), Discipline::kPin);
  }
  for (size_t i = 0; i < trace.size(); ++i) {
    ASSERT_EQ(told.Admit(trace.ref(i), true), spared.Admit(trace.ref(i), true));
  }
}

TEST(Adaptive, CapacityMayChange) {
  AdaptivePolicy policy(1000, 1000, 256);
  for (Slot slot = 0; slot < 1000; ++slot) {
    policy.Admit({.key = Mix64(slot)}, false);
    policy.Insert(slot, {.key = Mix64(slot)});
  }
  policy.SetCapacity(100);
  for (Slot slot = 0; slot < 900; ++slot) {
    Slot victim = kNoSlot;
    ASSERT_EQ(policy.Victims({&victim, 1}), 1u);
    policy.Evicted(victim, Mix64(victim));
  }
  EXPECT_EQ(Ratio(*MakeWorkload("epochs:objects=10,epochs=2"), "adaptive", 10), 1);
}

TEST(Adaptive, MemoryIsBounded) {
  constexpr uint32_t kSlots = 5'000'000;
  AdaptivePolicy policy(kSlots, kSlots, 8192);
  // A restart fills the cache, then reads teach the jury as much as it can hold.
  for (Slot slot = 0; slot < 1'000'000; ++slot) policy.Insert(slot, {.key = Mix64(slot)});
  for (uint64_t i = 0; i < 1'000'000; ++i) policy.Admit({.key = Mix64(i << 32)}, true);
  EXPECT_LE(policy.MemoryBytes(), uint64_t{kSlots} * 10 + (2u << 20));
  EXPECT_LE(policy.MemoryBytes() / double{kSlots}, 12);
}

TEST(Factory, ListsTheNames) {
  for (const std::string_view name : PolicyNames()) {
    const auto policy = MakePolicy(name, {.max_slots = 10, .capacity = 10});
    ASSERT_TRUE(policy) << name;
    EXPECT_TRUE((*policy)->Describe().starts_with(name));
  }
  const auto none = MakePolicy("mru", {.max_slots = 10, .capacity = 10});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message(),
            "no policy 'mru'; there are: adaptive, pin, lru, fifo, sieve, s3fifo, arc");
  EXPECT_FALSE(MakePolicy("lru", {.max_slots = 0, .capacity = 10}));
}

}  // namespace
}  // namespace forebay
