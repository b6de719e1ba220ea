#include "src/core/policy/copies.h"

#include <gtest/gtest.h>

#include "src/base/prng.h"

namespace forebay {
namespace {

constexpr uint64_t kCapacity = 10'000;  // pages
constexpr uint32_t kPages = 257;

BlockRef Block(uint64_t n) {
  return {Mix64(n), kPages};
}

/// Comes and goes.
bool Passes(CopyKeeper& copies, uint64_t n) {
  const bool admitted = copies.Admit(Block(n));
  copies.Left(Block(n), admitted);
  return admitted;
}

TEST(CopyKeeper, KeepsWhatComesBackSoon) {
  CopyKeeper copies({.keep = Copies::kHot, .share = 0.5}, kCapacity);
  EXPECT_FALSE(Passes(copies, 1));
  EXPECT_TRUE(Passes(copies, 1));
  // It was kept that time; when that is over it is as any other.
  EXPECT_FALSE(Passes(copies, 1));
}

TEST(CopyKeeper, ForgetsWhatComesBackLate) {
  CopyKeeper copies({.keep = Copies::kHot, .share = 0.5}, kCapacity);
  for (int epoch = 0; epoch < 3; ++epoch) {
    for (uint64_t n = 0; n < 1000; ++n) EXPECT_FALSE(Passes(copies, n)) << epoch;
  }
  EXPECT_EQ(copies.pages(), 0u);
}

TEST(CopyKeeper, KeepsNoMoreThanItsShare) {
  for (const Copies keep : {Copies::kHot, Copies::kAlways}) {
    CopyKeeper copies({.keep = keep, .share = 0.25}, kCapacity);
    uint64_t admitted = 0;
    for (uint64_t n = 0; n < 30; ++n) {
      if (keep == Copies::kHot) EXPECT_FALSE(Passes(copies, n));
      if (copies.Admit(Block(n))) ++admitted;
    }
    EXPECT_EQ(admitted, kCapacity / 4 / kPages);
    EXPECT_EQ(copies.pages(), admitted * kPages);
    copies.Left(Block(0), true);
    if (keep == Copies::kHot) EXPECT_FALSE(Passes(copies, 99));
    EXPECT_TRUE(copies.Admit(Block(99)));
  }
}

TEST(CopyKeeper, NeverKeepsWhatItIsToldNotTo) {
  CopyKeeper copies({.keep = Copies::kNever}, kCapacity);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(Passes(copies, 1));
}

}  // namespace
}  // namespace forebay
