#include "src/core/heat/less_busy.h"

#include <gtest/gtest.h>

namespace forebay {
namespace {

constexpr int64_t kNow = 10 * kDepthLasts;

TEST(LessBusy, TheShorterQueueIsChosen) {
  EXPECT_TRUE(
      SecondIsLessBusy({.depth = 5, .heard_at = kNow}, {.depth = 4, .heard_at = kNow}, kNow));
  EXPECT_FALSE(
      SecondIsLessBusy({.depth = 4, .heard_at = kNow}, {.depth = 5, .heard_at = kNow}, kNow));
  EXPECT_FALSE(
      SecondIsLessBusy({.depth = 4, .heard_at = kNow}, {.depth = 4, .heard_at = kNow}, kNow));
}

TEST(LessBusy, WhatIsOwedAlreadyCounts) {
  EXPECT_TRUE(SecondIsLessBusy({.in_flight = 3}, {.depth = 2, .heard_at = kNow}, kNow));
  EXPECT_FALSE(SecondIsLessBusy({.in_flight = 1}, {.depth = 2, .heard_at = kNow}, kNow));
}

TEST(LessBusy, WhatWasSaidLongAgoIsForgotten) {
  const QueueSeen busy_once{.depth = 100, .heard_at = kNow - kDepthLasts};
  EXPECT_FALSE(SecondIsLessBusy(busy_once, {}, kNow));
  EXPECT_TRUE(SecondIsLessBusy({.in_flight = 1}, busy_once, kNow));
}

TEST(LessBusy, WhoCannotBeReachedIsNotChosen) {
  EXPECT_TRUE(SecondIsLessBusy({.reachable = false}, {.in_flight = 9}, kNow));
  EXPECT_FALSE(SecondIsLessBusy({.in_flight = 9}, {.reachable = false}, kNow));
  EXPECT_FALSE(SecondIsLessBusy({.reachable = false}, {.reachable = false}, kNow));
}

}  // namespace
}  // namespace forebay
