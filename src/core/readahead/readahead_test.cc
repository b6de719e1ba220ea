#include "src/core/readahead/readahead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "src/base/prng.h"
#include "src/base/units.h"

namespace forebay {
namespace {

constexpr ReadaheadLimits kLimits;

/// Reads an object from end to end; the ranges that were asked for ahead.
std::vector<ByteRange> ReadInOrder(Readahead& reader, uint64_t object_bytes, uint64_t step,
                                   uint64_t until = UINT64_MAX) {
  std::vector<ByteRange> asked;
  for (uint64_t at = 0; at < std::min(object_bytes, until); at += step) {
    const uint64_t size = std::min(step, object_bytes - at);
    const auto decision = reader.Decide(at, size, object_bytes, kLimits);
    reader.Follow(decision);
    if (!decision.ahead.empty()) asked.push_back(decision.ahead);
  }
  return asked;
}

TEST(Readahead, AsksForEveryByteOnceInOrder) {
  for (const uint64_t step : {uint64_t{4096}, uint64_t{100'000}, kMiB, 4 * kMiB}) {
    Readahead reader;
    const uint64_t size = 300 * kMiB + 12'345;
    uint64_t until = 0;
    for (const ByteRange& range : ReadInOrder(reader, size, step)) {
      EXPECT_EQ(range.begin, until);
      EXPECT_GT(range.end, range.begin);
      until = range.end;
    }
    EXPECT_EQ(until, size);
  }
}

TEST(Readahead, WindowsDoubleUpToOneLargeRequest) {
  Readahead reader;
  const auto asked = ReadInOrder(reader, kGiB, 64 * kKiB);
  EXPECT_LE(asked[0].size(), 512 * kKiB);
  uint64_t largest = 0;
  for (const ByteRange& range : asked) {
    EXPECT_LE(range.size(), std::max(2 * kMiB, 3 * largest));
    largest = std::max(largest, range.size());
  }
  EXPECT_EQ(largest, 32 * kMiB);
}

TEST(Readahead, IsAlwaysAheadOfTheReaderByNoMoreThanTwoWindows) {
  Readahead reader;
  constexpr uint64_t kStep = 128 * kKiB;
  uint64_t asked = 0;
  for (uint64_t at = 0; at < kGiB; at += kStep) {
    const auto decision = reader.Decide(at, kStep, kGiB, kLimits);
    reader.Follow(decision);
    asked = std::max(asked, decision.ahead.end);
    if (at > 0 && at + kStep < kGiB) EXPECT_GT(asked, at + kStep) << at;
    EXPECT_LE(asked, at + kStep + 2 * kLimits.max_window + kMiB);
  }
}

TEST(Readahead, ReadsOutOfOrderBringInLittleMore) {
  Readahead reader;
  Prng prng(7);
  uint64_t brought = 0;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t at = prng.Below(kGiB / 4096) * 4096;
    const auto decision = reader.Decide(at, 4096, kGiB, kLimits);
    reader.Follow(decision);
    EXPECT_LE(decision.demand.begin, at);
    EXPECT_GE(decision.demand.end, at + 4096);
    brought += std::max(decision.demand.size(), decision.ahead.size());
  }
  EXPECT_LE(brought, 1000 * 4096 * 32);
}

TEST(Readahead, AJumpEndsTheWindowsAndReadingOnBeginsThemAnew) {
  Readahead reader;
  ReadInOrder(reader, 64 * kMiB, kMiB);
  EXPECT_TRUE(reader.in_order());
  auto decision = reader.Decide(500 * kMiB, 4096, kGiB, kLimits);
  EXPECT_TRUE(decision.ahead.empty());
  reader.Follow(decision);
  EXPECT_FALSE(reader.in_order());
  decision = reader.Decide(500 * kMiB + 4096, 4096, kGiB, kLimits);
  EXPECT_FALSE(decision.ahead.empty());
  EXPECT_LE(decision.ahead.size(), 512 * kKiB);
}

TEST(Readahead, RequestsThatOvertakeEachOtherAreInOrder) {
  Readahead reader;
  uint64_t until = ReadInOrder(reader, kGiB, kMiB, 16 * kMiB).back().end;
  for (uint64_t at = 16 * kMiB; at < 512 * kMiB; at += 2 * kMiB) {
    for (const uint64_t offset : {at + kMiB, at}) {
      const auto decision = reader.Decide(offset, kMiB, kGiB, kLimits);
      EXPECT_GT(decision.window, 0u) << offset;
      reader.Follow(decision);
      if (decision.ahead.empty()) continue;
      EXPECT_GE(decision.ahead.begin, until);
      until = decision.ahead.end;
    }
  }
}

/// What is asked for and not read yet, at most, by a reader in order who waits for each read.
uint64_t MostAhead(const ReadaheadLimits& limits, uint64_t until) {
  Readahead reader;
  uint64_t asked = 0, most = 0;
  for (uint64_t at = 0; at < until; at += kMiB) {
    const auto decision = reader.Decide(at, kMiB, 10 * kGiB, limits);
    reader.Follow(decision);
    reader.Overtook(limits);
    if (!decision.ahead.empty()) EXPECT_EQ(decision.ahead.begin, asked) << "each byte once";
    asked = std::max(asked, decision.ahead.end);
    most = std::max(most, asked - at - kMiB);
  }
  return most;
}

TEST(Readahead, AReaderWhoWaitsGetsMoreWindowsAhead) {
  const uint64_t window = kLimits.max_window;
  EXPECT_LE(MostAhead(kLimits, window / 2), window + kMiB) << "windows still grow";
  const uint64_t most = MostAhead(kLimits, kGiB);
  EXPECT_GE(most, kLimits.max_windows * window);
  EXPECT_LE(most, (kLimits.max_windows + 1) * window + kMiB);
  ReadaheadLimits poor = kLimits;
  poor.max_windows = 1;
  EXPECT_LE(MostAhead(poor, kGiB), 2 * window + kMiB);
}

TEST(Readahead, MoreWindowsAreGivenOnceForWhatWasAskedForThen) {
  Readahead reader;
  ReadInOrder(reader, kGiB, kMiB, 128 * kMiB);
  for (int i = 0; i < 100; ++i) reader.Overtook(kLimits);
  const auto decision = reader.Decide(128 * kMiB, kMiB, kGiB, kLimits);
  EXPECT_LE(decision.ahead.end, 128 * kMiB + 4 * kLimits.max_window);
}

TEST(Readahead, DecidingTwiceIsDecidingOnce) {
  Readahead reader;
  const auto first = reader.Decide(0, 4096, kGiB, kLimits);
  const auto again = reader.Decide(0, 4096, kGiB, kLimits);
  EXPECT_EQ(first.ahead.end, again.ahead.end);
}

TEST(Readahead, NothingBeyondTheEnd) {
  Readahead reader;
  const auto decision = reader.Decide(0, 100, 100, kLimits);
  EXPECT_EQ(decision.demand.end, 100u);
  EXPECT_EQ(decision.ahead.end, 100u);
  reader.Follow(decision);
  EXPECT_TRUE(reader.Decide(0, 100, 100, kLimits).ahead.empty());
}

}  // namespace
}  // namespace forebay
