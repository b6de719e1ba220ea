#include <gtest/gtest.h>

#include "src/core/pace/hedge_budget.h"
#include "src/core/pace/latencies.h"
#include "src/core/pace/limiter.h"

namespace forebay {
namespace {

constexpr int64_t kMs = 1'000'000;

TEST(LimiterTest, GrowsByOneARoundAndNeverBeyondItsMost) {
  Limiter limiter({.most = 12, .at_start = 10});
  for (int i = 0; i < 10; ++i) limiter.Succeeded(0);
  EXPECT_EQ(limiter.limit(), 10u);  // just short of 11
  limiter.Succeeded(0);
  EXPECT_EQ(limiter.limit(), 11u);
  for (int i = 0; i < 1000; ++i) limiter.Succeeded(0);
  EXPECT_EQ(limiter.limit(), 12u);
}

TEST(LimiterTest, RefusalsOfOneRoundHalveOnce) {
  Limiter limiter({.most = 256, .at_start = 64});
  for (int i = 0; i < 3; ++i) limiter.Refused(0, i * kMs, 0, 0);
  EXPECT_EQ(limiter.limit(), 32u);
  limiter.Succeeded(0);
  limiter.Refused(0, 200 * kMs, 0, 0);
  EXPECT_EQ(limiter.limit(), 16u);
  EXPECT_TRUE(limiter.MayStart(200 * kMs));
}

/// Refused until it closes.
void Close(Limiter& limiter) {
  for (uint32_t i = 0; i < Limiter::kRefusalsToClose; ++i) limiter.Refused(0, 0, 0, 0);
}

TEST(LimiterTest, ClosesWhereAllAreRefusedAndProbesOneByOne) {
  Limiter limiter({.most = 256, .at_start = 64});
  Close(limiter);
  EXPECT_FALSE(limiter.MayStart(0));
  int64_t now = limiter.opens_at();
  EXPECT_EQ(now, Limiter::kFirstPause / 2);
  ASSERT_TRUE(limiter.MayStart(now));
  Limiter::Epoch probe = limiter.Start();
  EXPECT_FALSE(limiter.MayStart(now)) << "one probe at a time";
  limiter.Refused(probe, now, 0, 0);
  limiter.Ended(probe);
  EXPECT_EQ(limiter.opens_at() - now, Limiter::kFirstPause);  // twice as long
  for (int i = 0; i < 10; ++i) limiter.Refused(limiter.Start(), limiter.opens_at(), 0, 0.999);
  now = limiter.opens_at();
  probe = limiter.Start();
  limiter.Succeeded(probe);
  EXPECT_TRUE(limiter.MayStart(now));
  for (int i = 0; i < 32; ++i) limiter.Succeeded(probe);
  EXPECT_GE(limiter.limit(), 32u) << "quickly back to where it went well";
}

TEST(LimiterTest, WhatBeganBeforeItClosedIsNeitherWaitedForNorBelieved) {
  Limiter limiter({.most = 256, .at_start = 64});
  const Limiter::Epoch old = limiter.Start();  // a body that somebody holds
  Close(limiter);
  limiter.Succeeded(old);
  EXPECT_FALSE(limiter.MayStart(0)) << "that the store once answered is no news";
  ASSERT_TRUE(limiter.MayStart(limiter.opens_at())) << "nobody waits for the body";
  const Limiter::Epoch probe = limiter.Start();
  limiter.Ended(old);
  EXPECT_EQ(limiter.in_flight(), 1u);
  limiter.Ended(probe);
  EXPECT_EQ(limiter.in_flight(), 0u);
}

TEST(LimiterTest, WaitsAsLongAsTheStoreAsks) {
  Limiter limiter({});
  limiter.Refused(0, 0, 5000 * kMs, 0);
  EXPECT_FALSE(limiter.MayStart(4999 * kMs)) << "it need not say so twice";
  EXPECT_TRUE(limiter.MayStart(5000 * kMs));
  Close(limiter);
  limiter.Refused(0, 0, 9000 * kMs, 0);
  EXPECT_EQ(limiter.opens_at(), 9000 * kMs) << "also where it is closed";
  Limiter absurd({});
  absurd.Refused(0, 0, INT64_MAX, 0);
  EXPECT_EQ(absurd.opens_at(), Limiter::kLongestWaitTaken);
}

TEST(LatenciesTest, LateIsWhatNearlyAllBeat) {
  Latencies latencies;
  for (int i = 0; i < 63; ++i) latencies.Add(i);
  EXPECT_FALSE(latencies.Late());
  for (int i = 0; i < 1000; ++i) latencies.Add(i % 100);
  EXPECT_NEAR(static_cast<double>(*latencies.Late()), 98, 1);
  for (uint32_t i = 0; i < Latencies::kKept; ++i) latencies.Add(5000 + i % 100);
  EXPECT_GE(*latencies.Late(), 5000) << "when all are slow, slow is not late";
}

TEST(HedgeBudgetTest, IsATwentiethOfAllRequests) {
  HedgeBudget budget;
  int hedges = 0;
  for (int i = 0; i < 1000; ++i) {
    budget.OnRequest();
    hedges += budget.TryHedge() ? 1 : 0;
  }
  EXPECT_EQ(hedges, 50);
}

}  // namespace
}  // namespace forebay
