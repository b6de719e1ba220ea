#include "sim/event_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <utility>
#include <vector>

#include "src/base/prng.h"

namespace forebay::sim {
namespace {

TEST(EventQueue, FiresByTimeAndThenInOrderOfAdding) {
  EventQueue queue;
  std::vector<int> fired;
  for (int i = 0; i < 3; ++i) queue.Add(10, [&fired, i] { fired.push_back(i); });
  queue.Add(5, [&fired] { fired.push_back(9); });
  while (!queue.empty()) queue.Pop()();
  EXPECT_EQ(fired, (std::vector<int>{9, 0, 1, 2}));
}

TEST(EventQueue, RemovedEventsAreGoneAtOnceAndIdsAreNotReused) {
  EventQueue queue;
  const EventId first = queue.Add(1, [] { FAIL(); });
  queue.Remove(first);
  EXPECT_TRUE(queue.empty());
  int fired = 0;
  queue.Add(1, [&fired] { ++fired; });
  queue.Remove(first);  // its slot has a new tenant
  ASSERT_EQ(queue.size(), 1u);
  queue.Pop()();
  EXPECT_EQ(fired, 1);
}

TEST(EventQueue, AgreesWithAMapUnderRandomUse) {
  EventQueue queue;
  std::map<std::pair<int64_t, uint64_t>, EventId> model;
  Prng prng(7);
  std::pair<int64_t, uint64_t> fired;
  for (uint64_t i = 0; i < 20'000; ++i) {
    if (model.empty() || prng.Below(5) < 2) {
      const std::pair<int64_t, uint64_t> key(prng.Below(1000), i);
      model[key] = queue.Add(key.first, [&fired, key] { fired = key; });
    } else if (prng.OneIn(2)) {
      auto it = model.begin();
      std::advance(it, prng.Below(std::min<size_t>(model.size(), 20)));
      queue.Remove(it->second);
      model.erase(it);
    } else {
      ASSERT_EQ(queue.next_time(), model.begin()->first.first);
      queue.Pop()();
      ASSERT_EQ(fired, model.begin()->first);
      model.erase(model.begin());
    }
    ASSERT_EQ(queue.size(), model.size());
  }
}

}  // namespace
}  // namespace forebay::sim
