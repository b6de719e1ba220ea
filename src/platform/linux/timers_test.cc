#include "src/platform/linux/timers.h"

#include <gtest/gtest.h>

#include <vector>

#include "src/base/prng.h"

namespace forebay::platform {
namespace {

struct Alarm : Timer {
  int name = 0;
  std::vector<int>* fired = nullptr;
};

void Prepare(Alarm& alarm, int name, int64_t at, std::vector<int>* fired) {
  alarm.name = name;
  alarm.fired = fired;
  alarm.at = {at};
  alarm.argument = &alarm;
  alarm.fire = [](void* me) {
    auto& self = *static_cast<Alarm*>(me);
    self.fired->push_back(self.name);
  };
}

TEST(TimerHeap, FiresInOrderOfTimeThenOfAdding) {
  TimerHeap heap;
  std::vector<int> fired;
  Alarm alarms[4];
  const int64_t at[] = {20, 10, 20, 5};
  for (int i = 0; i < 4; ++i) {
    Prepare(alarms[i], i, at[i], &fired);
    heap.Add(alarms[i]);
  }
  EXPECT_EQ(heap.next(), Instant{5});
  heap.FireUntil({9});
  EXPECT_EQ(fired, std::vector<int>{3});
  heap.FireUntil({20});
  EXPECT_EQ(fired, (std::vector<int>{3, 1, 0, 2}));
  EXPECT_EQ(heap.next(), Instant::Never());
}

TEST(TimerHeap, RandomAddsAndRemovalsKeepTheOrder) {
  Prng prng(7);
  TimerHeap heap;
  std::vector<int> fired;
  std::vector<Alarm> alarms(500);
  for (int i = 0; i < 500; ++i) {
    Prepare(alarms[i], i, static_cast<int64_t>(prng.Below(100)), &fired);
    heap.Add(alarms[i]);
  }
  size_t left = alarms.size();
  for (Alarm& alarm : alarms) {
    if (!prng.OneIn(3)) continue;
    heap.Remove(alarm);
    heap.Remove(alarm);  // a second time does nothing
    --left;
  }
  heap.FireUntil({100});
  ASSERT_EQ(fired.size(), left);
  for (size_t i = 1; i < fired.size(); ++i) {
    const Alarm& before = alarms[fired[i - 1]];
    const Alarm& after = alarms[fired[i]];
    EXPECT_TRUE(before.at < after.at || (before.at == after.at && before.order < after.order));
  }
}

}  // namespace
}  // namespace forebay::platform
