#include "src/core/placement/placement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace forebay {
namespace {

constexpr uint64_t kKeys = 200'000;

std::vector<NodePlace> Cell(uint32_t size, uint16_t zones = 1) {
  std::vector<NodePlace> places(size);
  for (uint32_t i = 0; i < size; ++i) {
    places[i] = {.weight = kFullWeight,
                 .zone = static_cast<uint16_t>(i % zones),
                 .host = static_cast<uint16_t>(i)};
  }
  return places;
}

uint64_t KeyAt(uint64_t i) {
  return ChunkKey({.hi = Mix64(i / 7), .lo = i / 7}, i % 7);
}

std::vector<uint32_t> Owners(const Placement& placement, uint64_t keys = kKeys) {
  std::vector<uint32_t> owners(keys);
  for (uint64_t i = 0; i < keys; ++i) owners[i] = placement.Owner(KeyAt(i));
  return owners;
}

TEST(Placement, NobodyOwnsInAnEmptyCell) {
  EXPECT_EQ(Placement().Owner(KeyAt(1)), Placement::kNobody);
  EXPECT_EQ(Placement(std::vector<NodePlace>(5)).Owner(KeyAt(1)), Placement::kNobody);
  std::array<uint32_t, 3> into{};
  EXPECT_EQ(Placement().InOrder(KeyAt(1), into), 0u);
  EXPECT_EQ(Placement().ForCopies(KeyAt(1), into), 0u);
}

TEST(Placement, TheOwnerIsTheFirstOfTheOrder) {
  for (const uint32_t size : {1u, 2u, 3u, 8u, 100u, 5000u}) {
    std::vector<NodePlace> places = Cell(size);
    for (uint32_t i = 0; i < size; i += 3) {
      if (size > 3) places[i].weight = i % 2 == 0 ? 0 : kFullWeight / 5;
    }
    const Placement placement(places);
    for (uint64_t i = 0; i < 2000; ++i) {
      std::array<uint32_t, 1> first{};
      ASSERT_EQ(placement.InOrder(KeyAt(i), first), 1u);
      ASSERT_EQ(placement.Owner(KeyAt(i)), first[0]);
    }
  }
}

TEST(Placement, EverybodyGetsAnEqualShare) {
  for (const uint32_t size : {3u, 8u, 13u, 100u}) {
    std::vector<uint64_t> count(size);
    for (const uint32_t owner : Owners(Placement(Cell(size)))) ++count.at(owner);
    const double mean = static_cast<double>(kKeys) / size;
    for (const uint64_t of_one : count) {
      EXPECT_NEAR(static_cast<double>(of_one), mean, 5 * std::sqrt(mean)) << size;
    }
  }
}

TEST(Placement, SharesFollowWeights) {
  std::vector<NodePlace> places = Cell(4);
  places[2].weight = kFullWeight / 2;
  std::vector<uint64_t> count(4);
  for (const uint32_t owner : Owners(Placement(places))) ++count.at(owner);
  EXPECT_NEAR(static_cast<double>(count[2]), kKeys / 7.0, 5 * std::sqrt(kKeys / 7.0));
  EXPECT_NEAR(static_cast<double>(count[0]), kKeys / 3.5, 5 * std::sqrt(kKeys / 3.5));
}

/// Keys that another owns in `after`, by their owners before; none of them may have an owner that
/// `stays`.
template <class Stays>
uint64_t Moved(const Placement& before, const Placement& after, Stays stays) {
  uint64_t moved = 0;
  for (uint64_t i = 0; i < kKeys; ++i) {
    const uint32_t old_owner = before.Owner(KeyAt(i));
    const uint32_t new_owner = after.Owner(KeyAt(i));
    if (old_owner == new_owner) continue;
    ++moved;
    EXPECT_FALSE(stays(old_owner, new_owner)) << old_owner << " to " << new_owner;
    if (testing::Test::HasFailure()) break;
  }
  return moved;
}

TEST(Placement, ADeathMovesOnlyWhatTheDeadOwned) {
  for (const uint32_t size : {3u, 8u, 5000u}) {
    std::vector<NodePlace> places = Cell(size);
    const Placement before(places);
    const uint32_t dead = size / 2;
    places[dead].weight = 0;
    const uint64_t moved =
        Moved(before, Placement(places), [&](uint32_t from, uint32_t) { return from != dead; });
    const double share = static_cast<double>(kKeys) / size;
    EXPECT_NEAR(static_cast<double>(moved), share, 5 * std::sqrt(share));
  }
}

TEST(Placement, WhatTheDeadOwnedIsSpreadOverAll) {
  std::vector<NodePlace> places = Cell(16);
  const Placement before(places);
  places[13].weight = 0;
  const Placement after(places);
  std::vector<uint64_t> heirs(16);
  for (uint64_t i = 0; i < kKeys; ++i) {
    if (before.Owner(KeyAt(i)) == 13) ++heirs.at(after.Owner(KeyAt(i)));
  }
  const double share = kKeys / 16.0 / 15;
  for (uint32_t i = 0; i < 16; ++i) {
    if (i != 13) EXPECT_NEAR(static_cast<double>(heirs[i]), share, 6 * std::sqrt(share)) << i;
  }
}

/// Past a power of two, too: that is where an order could come apart.
TEST(Placement, AJoinMovesOnlyToWhoJoined) {
  for (const uint32_t size : {1u, 2u, 3u, 4u, 7u, 8u, 64u, 4096u}) {
    std::vector<NodePlace> places = Cell(size);
    const Placement before(places);
    places.push_back({.weight = kFullWeight, .zone = 0, .host = 9});
    const uint64_t moved =
        Moved(before, Placement(places), [&](uint32_t, uint32_t to) { return to != size; });
    const double share = static_cast<double>(kKeys) / (size + 1);
    EXPECT_NEAR(static_cast<double>(moved), share, 5 * std::sqrt(share)) << size;
  }
}

TEST(Placement, AWeightMovesOnlyItsDifference) {
  std::vector<NodePlace> places = Cell(10);
  const Placement before(places);
  places[4].weight = kFullWeight / 10 * 9;
  const uint64_t moved =
      Moved(before, Placement(places), [](uint32_t from, uint32_t) { return from != 4; });
  const double share = kKeys * (0.1 - 0.9 / 9.9);
  EXPECT_NEAR(static_cast<double>(moved), share, 5 * std::sqrt(share));
}

TEST(Placement, WhoComesBackOwnsWhatItOwned) {
  std::vector<NodePlace> places = Cell(12);
  const Placement before(places);
  places[7].weight = 0;
  const Placement without(places);
  places[7].weight = kFullWeight;
  EXPECT_EQ(Owners(before), Owners(Placement(places)));
  EXPECT_NE(Owners(before), Owners(without));
}

TEST(Placement, TheNextInOrderOwnsOnceTheOwnerIsGone) {
  std::vector<NodePlace> places = Cell(9);
  const Placement all(places);
  for (uint64_t i = 0; i < 500; ++i) {
    std::array<uint32_t, 9> order{};
    ASSERT_EQ(all.InOrder(KeyAt(i), order), 9u);
    std::vector<NodePlace> fewer = places;
    for (size_t gone = 0; gone < 8; ++gone) {
      fewer[order[gone]].weight = 0;
      ASSERT_EQ(Placement(fewer).Owner(KeyAt(i)), order[gone + 1]);
    }
  }
}

TEST(Placement, CopiesAvoidTheSameZoneAndTheSameHost) {
  std::vector<NodePlace> places = Cell(40);
  for (NodePlace& place : places) {
    place.host /= 4;  // four on each host
    place.zone = place.host % 3;
  }
  const Placement placement(places);
  for (uint64_t i = 0; i < 2000; ++i) {
    std::array<uint32_t, 5> owners{};
    ASSERT_EQ(placement.ForCopies(KeyAt(i), owners), 5u);
    EXPECT_EQ(owners[0], placement.Owner(KeyAt(i)));
    for (size_t a = 0; a < 5; ++a) {
      for (size_t b = 0; b < a; ++b) {
        ASSERT_NE(places[owners[a]].host, places[owners[b]].host);
        if (a < 3) ASSERT_NE(places[owners[a]].zone, places[owners[b]].zone);
      }
    }
  }
}

TEST(Placement, CopiesTakeWhatThereIs) {
  std::vector<NodePlace> places = Cell(6, 2);
  for (NodePlace& place : places) place.host = place.zone;
  for (int i = 1; i < 6; i += 2) places[i].weight = 0;  // one zone, one host
  std::array<uint32_t, 5> owners{};
  ASSERT_EQ(Placement(places).ForCopies(KeyAt(3), owners), 3u);
  std::sort(owners.begin(), owners.begin() + 3);
  EXPECT_EQ((std::vector(owners.begin(), owners.begin() + 3)), (std::vector<uint32_t>{0, 2, 4}));
}

TEST(Placement, TheOneThatTakesNearlyNothingIsFound) {
  std::vector<NodePlace> places(Placement::kMaxIndices);
  places[12'345].weight = 1;
  const Placement placement(places);
  for (uint64_t i = 0; i < 3; ++i) EXPECT_EQ(placement.Owner(KeyAt(i)), 12'345u);
}

/// What is placed today must be found there after an upgrade.
TEST(Placement, IsForEver) {
  const Placement placement(Cell(5000));
  const std::array<uint32_t, 4> found = {
      placement.Owner(ChunkKey({.hi = 1, .lo = 2}, 0)),
      placement.Owner(ChunkKey({.hi = 1, .lo = 2}, 1)),
      placement.Owner(ChunkKey({.hi = 3, .lo = 4}, 0)),
      placement.Owner(ChunkKey({.hi = UINT64_MAX, .lo = 0}, 77)),
  };
  EXPECT_EQ(found, (std::array<uint32_t, 4>{382, 3838, 4151, 353}));
}

}  // namespace
}  // namespace forebay
