#include "src/core/policy/one_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <map>
#include <set>

#include "src/base/prng.h"
#include "src/core/policy/cache_model.h"

namespace forebay {
namespace {

using testing::ElementsAre;

CacheModel Model(Discipline discipline, uint32_t capacity, Reaping reaping = Reaping::kNo) {
  return CacheModel(std::make_unique<OneListPolicy>(discipline, reaping, capacity + 1), capacity);
}

/// The textbook form of each discipline: a list with the newest in front, and linear searches.
class Naive {
 public:
  Naive(Discipline discipline, size_t capacity) : discipline_(discipline), capacity_(capacity) {}

  bool Read(uint64_t key) {
    const auto found = std::find_if(list_.begin(), list_.end(),
                                    [&](const Entry& entry) { return entry.key == key; });
    if (found != list_.end()) {
      found->visited = true;
      if (discipline_ == Discipline::kLru) list_.splice(list_.begin(), list_, found);
      return true;
    }
    if (list_.size() == capacity_) Evict();
    list_.push_front({.key = key, .visited = false});
    return false;
  }

 private:
  struct Entry {
    uint64_t key;
    bool visited;
  };

  void Evict() {
    if (discipline_ != Discipline::kSieve) {
      list_.pop_back();
      return;
    }
    if (hand_ == list_.end()) hand_ = std::prev(list_.end());
    while (hand_->visited) {
      hand_->visited = false;
      hand_ = hand_ == list_.begin() ? std::prev(list_.end()) : std::prev(hand_);
    }
    const auto victim = hand_;
    hand_ = victim == list_.begin() ? list_.end() : std::prev(victim);
    list_.erase(victim);
  }

  Discipline discipline_;
  size_t capacity_;
  std::list<Entry> list_;
  std::list<Entry>::iterator hand_ = list_.end();
};

class OneListAgainstNaive : public testing::TestWithParam<Discipline> {};

TEST_P(OneListAgainstNaive, HitsTheSameReads) {
  for (const uint32_t capacity : {1, 2, 7, 50}) {
    CacheModel ours = Model(GetParam(), capacity);
    Naive naive(GetParam(), capacity);
    Prng prng(capacity);
    uint64_t hits = 0;
    for (int i = 0; i < 20'000; ++i) {
      // Squaring makes low keys more popular; the drift makes old ones disappear.
      const double unit = prng.Unit();
      const uint64_t key = Mix64(static_cast<uint64_t>(unit * unit * 150) + i / 500);
      const bool hit = naive.Read(key);
      ASSERT_EQ(ours.Read({.key = key}), hit) << "read " << i << " capacity " << capacity;
      hits += hit ? 1 : 0;
    }
    EXPECT_GT(hits, 50u);
  }
}

INSTANTIATE_TEST_SUITE_P(, OneListAgainstNaive,
                         testing::Values(Discipline::kFifo, Discipline::kLru, Discipline::kSieve),
                         [](const auto& test) { return std::string(DisciplineName(test.param)); });

std::vector<Slot> Victims(Policy& policy, size_t n) {
  std::vector<Slot> out(n);
  out.resize(policy.Victims(out));
  return out;
}

OneListPolicy Filled(Discipline discipline, Slot entries) {
  OneListPolicy policy(discipline, Reaping::kNo, 16);
  for (Slot slot = 0; slot < entries; ++slot) policy.Insert(slot, {.key = slot});
  return policy;
}

TEST(OneList, LruProposesTheLeastRecentFirst) {
  OneListPolicy policy = Filled(Discipline::kLru, 5);
  policy.Hit(0, {});
  policy.Hit(2, {});
  EXPECT_THAT(Victims(policy, 3), ElementsAre(1, 3, 4));
  EXPECT_THAT(Victims(policy, 9), ElementsAre(1, 3, 4, 0, 2));
}

TEST(OneList, SieveByHand) {
  OneListPolicy policy = Filled(Discipline::kSieve, 4);  // old to new: 0 1 2 3
  policy.Hit(0, {});
  policy.Hit(2, {});
  EXPECT_THAT(Victims(policy, 1), ElementsAre(1));  // 0 is spared, its mark is gone
  policy.Evicted(1, 1);
  policy.Insert(4, {});                             // 0 2 3 4, the hand on 2
  EXPECT_THAT(Victims(policy, 1), ElementsAre(3));  // 2 is spared
  policy.Evicted(3, 3);
  EXPECT_THAT(Victims(policy, 1), ElementsAre(4));
  policy.Evicted(4, 4);
  EXPECT_THAT(Victims(policy, 1), ElementsAre(0));  // round
}

TEST(OneList, ProposingChangesNothing) {
  for (const auto discipline :
       {Discipline::kFifo, Discipline::kLru, Discipline::kSieve, Discipline::kPin}) {
    OneListPolicy policy = Filled(discipline, 8);
    policy.Hit(0, {});
    policy.Hit(5, {});
    const auto first = Victims(policy, 4);
    EXPECT_EQ(Victims(policy, 4), first) << DisciplineName(discipline);
    EXPECT_EQ(std::set<Slot>(first.begin(), first.end()).size(), first.size());
    EXPECT_EQ(policy.size(), 8u);
  }
}

TEST(OneList, WhatIsSparedIsProposedLast) {
  OneListPolicy policy = Filled(Discipline::kLru, 3);
  policy.Spare(0);
  EXPECT_THAT(Victims(policy, 3), ElementsAre(1, 2, 0));
}

TEST(OneList, LateHitsOfGoneSlotsAreIgnored) {
  for (const auto discipline : {Discipline::kLru, Discipline::kSieve, Discipline::kPin}) {
    OneListPolicy policy = Filled(discipline, 3);
    policy.Erase(1, 1);
    policy.Hit(1, {});
    policy.Hit(15, {});
    policy.Spare(1);
    EXPECT_THAT(Victims(policy, 3), ElementsAre(0, 2));
  }
}

/// Everything an owner may do, in any order: what is proposed is always held, and all of it can go.
TEST(OneList, SurvivesAnyOrderOfCallsAndSwitches) {
  constexpr Slot kSlots = 40;
  Prng prng(3);
  OneListPolicy policy(Discipline::kPin, Reaping::kYes, kSlots);
  std::set<Slot> held;
  for (int i = 0; i < 100'000; ++i) {
    const Slot slot = static_cast<Slot>(prng.Below(kSlots));
    switch (prng.Below(8)) {
      case 0:
        policy.Admit({.key = prng.Next()}, held.size() > kSlots / 2);
        if (held.insert(slot).second) policy.Insert(slot, {});
        break;
      case 1:
        if (held.erase(slot) > 0) policy.Erase(slot, 0);
        break;
      case 2:
        policy.Spare(slot);
        break;
      case 3:
        for (const Slot victim : Victims(policy, 1 + prng.Below(6))) {
          ASSERT_TRUE(held.contains(victim));
          if (!prng.OneIn(2)) continue;
          policy.Evicted(victim, 0);
          held.erase(victim);
        }
        break;
      case 4:
        if (prng.OneIn(50)) policy.Follow(static_cast<Discipline>(prng.Below(4)));
        if (prng.OneIn(500)) policy.Renew();
        break;
      default:
        policy.Hit(slot, {});
    }
    ASSERT_EQ(policy.size(), held.size());
  }
  while (!held.empty()) {
    const auto victims = Victims(policy, 1);
    ASSERT_EQ(victims.size(), 1u);
    policy.Evicted(victims[0], 0);
    ASSERT_EQ(held.erase(victims[0]), 1u);
  }
  EXPECT_TRUE(Victims(policy, 1).empty());
}

/// Hits of one pass over `objects` keys from `base` on, in order.
int Pass(CacheModel& model, uint64_t base, int objects) {
  int hits = 0;
  for (int i = 0; i < objects; ++i) hits += model.Read({.key = Mix64(base + i)}) ? 1 : 0;
  return hits;
}

TEST(Pin, KeepsItsSetWhereLruHitsNothing) {
  CacheModel pin = Model(Discipline::kPin, 100);
  CacheModel lru = Model(Discipline::kLru, 100);
  std::vector<int> hits;
  for (int epoch = 0; epoch < 8; ++epoch) {  // the same order each time, the worst for all
    hits.push_back(Pass(pin, 0, 400));
    EXPECT_EQ(Pass(lru, 0, 400), 0);
  }
  EXPECT_THAT(hits, testing::ElementsAre(0, testing::_, 100, 100, 100, 100, 100, 100));
}

TEST(Pin, AllThatADeadJobPinnedLeavesWithinACacheFullOfMisses) {
  CacheModel model = Model(Discipline::kPin, 100);
  for (int epoch = 0; epoch < 4; ++epoch) Pass(model, 0, 200);
  EXPECT_EQ(Pass(model, 1'000'000, 400), 0);
  EXPECT_GE(Pass(model, 1'000'000, 400), 97);
}

TEST(Pin, WhatOneOfTwoJobsPinnedLeavesWhenItEnds) {
  CacheModel model = Model(Discipline::kPin, 200);
  for (int epoch = 0; epoch < 6; ++epoch) {  // half of the cache each
    for (int i = 0; i < 400; ++i) {
      model.Read({.key = Mix64(i)});
      model.Read({.key = Mix64(1'000'000 + i)});
    }
  }
  int hits = 0;
  for (int epoch = 0; epoch < 6; ++epoch) hits = Pass(model, 0, 400);
  EXPECT_GE(hits, 190);
}

TEST(Pin, SetSurvivesAPassOverSomethingElseThatFitsTheCache) {
  CacheModel model = Model(Discipline::kPin, 100);
  for (int epoch = 0; epoch < 4; ++epoch) Pass(model, 0, 200);
  Pass(model, 1'000'000, 90);  // a validation set, say
  EXPECT_GE(Pass(model, 0, 200), 97);
}

TEST(OneList, ReapingFreesSieveFromAnotherTime) {
  CacheModel plain = Model(Discipline::kSieve, 100);
  CacheModel reaping = Model(Discipline::kSieve, 100, Reaping::kYes);
  for (CacheModel* model : {&plain, &reaping}) {
    for (int epoch = 0; epoch < 4; ++epoch) Pass(*model, 0, 99);
    for (int epoch = 0; epoch < 40; ++epoch) Pass(*model, 1'000'000, 120);
  }
  EXPECT_EQ(Pass(plain, 1'000'000, 120), 0);
  EXPECT_GT(Pass(reaping, 1'000'000, 120), 0);
}

TEST(OneList, TenBytesAnEntry) {
  const OneListPolicy policy(Discipline::kLru, Reaping::kNo, 1'000'000);
  EXPECT_LE(policy.MemoryBytes(), 10 * 1'000'000 + 1000u);
}

}  // namespace
}  // namespace forebay
