#include "src/core/budget/retry_budget.h"

#include <gtest/gtest.h>

namespace forebay {
namespace {

TEST(RetryBudget, ATenthOfTheRequestsMayBeRetried) {
  RetryBudget budget;
  int retries = 0;
  for (int i = 0; i < 10'000; ++i) {
    budget.OnRequest();
    if (budget.TryRetry()) ++retries;
  }
  EXPECT_GE(retries, 1000);
  EXPECT_LE(retries, 1000 + static_cast<int>(RetryBudget::kAtStart));
}

TEST(RetryBudget, WhatAQuietTimeSavesIsBounded) {
  RetryBudget budget;
  for (int i = 0; i < 1'000'000; ++i) budget.OnRequest();
  uint32_t retries = 0;
  while (budget.TryRetry()) ++retries;
  EXPECT_EQ(retries, RetryBudget::kMostSaved);
}

}  // namespace
}  // namespace forebay
