#include "src/core/heat/recruits.h"

#include <gtest/gtest.h>

#include <map>

namespace forebay {
namespace {

BlockKey Key(uint64_t n) {
  return {{n, n}};
}

/// How often the owner gave the block itself, and how often the busiest of the others had to.
std::pair<int, int> Loads(uint32_t nodes) {
  Recruits recruits;
  int served = 0, most = 0;
  std::map<uint32_t, int> by;
  for (uint32_t node = 0; node < nodes; ++node) {
    const uint32_t who = recruits.Ask(Key(1), node, 1000 + node).first;
    if (who == Recruits::kNobody) {
      ++served;
    } else {
      EXPECT_LT(who, node) << "sent to one who did not ask before";
      most = std::max(most, ++by[who]);
    }
  }
  return {served, most};
}

TEST(Recruits, AFewServeTheOthers) {
  EXPECT_EQ(Loads(1), std::pair(1, 0));
  EXPECT_EQ(Loads(7), std::pair(1, 6));
  const auto [served, most] = Loads(5000);
  EXPECT_LE(served, 27);
  EXPECT_LE(most, 1000);
}

TEST(Recruits, WhoLostItIsServedAgain) {
  Recruits recruits;
  EXPECT_EQ(recruits.Ask(Key(1), 4, 0).first, Recruits::kNobody);
  EXPECT_EQ(recruits.Ask(Key(1), 4, 1).first, Recruits::kNobody);
  EXPECT_EQ(recruits.Ask(Key(1), 5, 2).first, 4u);
  EXPECT_EQ(recruits.Ask(Key(2), 5, 3).first, Recruits::kNobody) << "another block";
}

TEST(Recruits, NamesTwoOnceTwoHaveIt) {
  Recruits recruits;
  std::map<std::pair<uint32_t, uint32_t>, int> pairs;
  for (uint32_t node = 0; node < 70; ++node) {
    const auto [first, second] = recruits.Ask(Key(1), node, 1000);
    if (second != Recruits::kNobody) ++pairs[{first, second}];
    EXPECT_TRUE(first == Recruits::kNobody || first != second);
  }
  // Nodes 0, 8 and 33 were served.
  EXPECT_GE((pairs[{0, 8}]), 10);
  EXPECT_GE((pairs[{8, 0}]), 10);
  EXPECT_EQ(pairs.size(), 6u) << "of three each pair in each order";
}

TEST(Recruits, HeatEnds) {
  Recruits recruits;
  EXPECT_EQ(recruits.Ask(Key(1), 4, 0).first, Recruits::kNobody);
  EXPECT_EQ(recruits.Ask(Key(1), 5, Recruits::kHeatLasts - 1).first, 4u);
  EXPECT_EQ(recruits.Ask(Key(1), 6, 2 * Recruits::kHeatLasts - 1).first, Recruits::kNobody);
}

TEST(Recruits, RemembersTheLastOfMany) {
  Recruits recruits;
  for (uint64_t n = 0; n <= Recruits::kMaxBlocks; ++n) {
    EXPECT_EQ(recruits.Ask(Key(n), 1, 0).first, Recruits::kNobody);
  }
  EXPECT_EQ(recruits.blocks(), Recruits::kMaxBlocks);
  EXPECT_EQ(recruits.Ask(Key(Recruits::kMaxBlocks), 2, 0).first, 1u);
  EXPECT_EQ(recruits.Ask(Key(0), 2, 0).first, Recruits::kNobody) << "was forgotten";
}

}  // namespace
}  // namespace forebay
