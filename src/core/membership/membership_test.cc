#include <gtest/gtest.h>

#include "src/core/membership/cell_map.h"
#include "src/core/membership/controller.h"

namespace forebay {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

Member At(std::string address) {
  return {.address = std::move(address),
          .region = "west",
          .zone = "1",
          .host = "",
          .weight = kFullWeight,
          .incarnation = {.hi = 1, .lo = 0xabcdef},
          .leaving = false};
}

std::string NameOf(int i) {
  return "node" + std::to_string(100 + i);
}

/// A controller and what it would have written.
struct Cell {
  void Come(int from, int to) {
    for (int i = from; i < to; ++i) present[NameOf(i)] = At("10.0.0.1:" + std::to_string(1000 + i));
  }
  void Go(int from, int to) {
    for (int i = from; i < to; ++i) present.erase(NameOf(i));
  }
  Controller::Step Decide() {
    auto step = controller.Decide(now, map, present, accepted);
    for (auto& [name, node] : step.nodes) map.nodes[name] = node;
    if (step.epoch) {
      map.epoch = *step.epoch;
      controller.Wrote(now);
    }
    return step;
  }
  /// A second later.
  Controller::Step Next() {
    now += kSecond;
    return Decide();
  }
  int64_t live() const { return std::ranges::count(map.epoch.live, true); }

  Controller controller;
  CellMap map;
  Controller::Present present;
  uint64_t accepted = 0;
  int64_t now = 5 * kSecond;
};

TEST(CellMap, RecordsComeBackAsTheyWere) {
  Member member = At("[::1]:7400");
  member.leaving = true;
  EXPECT_EQ(ParseMember(Serialize(member)).value(), member);
  const MapNode node{.index = 77, .member = member};
  EXPECT_EQ(ParseMapNode(Serialize(node)).value(), node);
  for (const size_t size : {0u, 1u, 4u, 5u, 5000u}) {
    Epoch epoch{.number = 12, .live = std::vector<bool>(size)};
    for (size_t i = 0; i < size; i += 3) epoch.live[i] = true;
    if (size > 0) epoch.live.back() = true;
    EXPECT_EQ(ParseEpoch(Serialize(epoch)).value(), epoch) << size;
  }
}

TEST(CellMap, WhatALaterVersionAddsIsPassedOver) {
  const Member member = At("h:1");
  EXPECT_EQ(ParseMember("colour red\n" + Serialize(member) + "speed 9\n").value(), member);
}

TEST(CellMap, DamagedRecordsAreNamed) {
  const std::string good = Serialize(MapNode{.index = 3, .member = At("h:1")});
  for (size_t cut = 0; cut < good.size() - 1; ++cut) {
    const auto parsed = ParseMapNode(good.substr(0, cut));
    if (!parsed) EXPECT_EQ(parsed.error().code(), Code::kCorrupt);
    if (cut < good.find("leaving")) EXPECT_FALSE(parsed) << cut;
  }
  EXPECT_FALSE(ParseMapNode("index 16384\n" + Serialize(At("h:1"))));
  EXPECT_FALSE(ParseMapNode("index -1\n" + Serialize(At("h:1"))));
  EXPECT_FALSE(ParseEpoch("epoch 1\nlive 0g\n"));
  EXPECT_FALSE(ParseEpoch("epoch 1\nlive " + std::string(5000, 'f') + "\n"));
  EXPECT_EQ(ParseEpoch("live 1\n").error().message(),
            "the map in the registry: \"epoch\" is missing");
}

TEST(CellMap, NamesAndTextsAreChecked) {
  for (const char* good : {"a", "gpu-17", "A.b_c", "0"}) EXPECT_TRUE(CheckNodeName(good)) << good;
  for (const char* bad : {"", "-a", "a/b", "a b", "\xc3\xa4"}) EXPECT_FALSE(CheckNodeName(bad));
  EXPECT_FALSE(CheckNodeName(std::string(64, 'a')));
  Member member = At("h:1\nindex 5");
  EXPECT_FALSE(member.Validate());
  member.address = "";
  EXPECT_FALSE(member.Validate());
}

TEST(Controller, FirstComersGetTheLowestIndices) {
  Cell cell;
  cell.Come(0, 5);
  const auto step = cell.Decide();
  EXPECT_EQ(step.nodes.size(), 5u);
  EXPECT_EQ(cell.map.epoch.number, 1u);
  EXPECT_EQ(cell.live(), 5);
  EXPECT_EQ(cell.map.nodes.at(NameOf(3)).index, 3u);
  EXPECT_FALSE(cell.Next().epoch);
}

TEST(Controller, AnEmptyCellHasAnEpochToo) {
  Cell cell;
  EXPECT_TRUE(cell.Decide().epoch);
  EXPECT_EQ(cell.live(), 0);
  EXPECT_FALSE(cell.Next().epoch);
}

TEST(Controller, WhoGoesLeavesTheMapAndComesBackToItsIndex) {
  Cell cell;
  cell.Come(0, 8);
  cell.Decide();
  cell.Go(2, 3);
  EXPECT_TRUE(cell.Next().epoch);
  EXPECT_EQ(cell.live(), 7);
  EXPECT_FALSE(cell.map.Lives(2));
  cell.Come(8, 9);
  cell.Next();
  EXPECT_EQ(cell.map.nodes.at(NameOf(8)).index, 8u);  // not 2, which is kept
  cell.Come(2, 3);
  cell.Next();
  EXPECT_EQ(cell.map.nodes.at(NameOf(2)).index, 2u);
  EXPECT_EQ(cell.live(), 9);
}

TEST(Controller, AtMostOneEpochASecond) {
  Cell cell;
  cell.Come(0, 8);
  cell.Decide();
  cell.now += kSecond / 4;
  cell.Go(1, 2);
  const auto early = cell.Decide();
  EXPECT_FALSE(early.epoch);
  EXPECT_EQ(early.again_at, 6 * kSecond);
  cell.Come(8, 20);
  EXPECT_TRUE(cell.Decide().nodes.empty());
  cell.now = *early.again_at;
  EXPECT_TRUE(cell.Decide().epoch);
  EXPECT_EQ(cell.map.epoch.number, 2u);
  EXPECT_EQ(cell.live(), 19);
}

TEST(Controller, FreezesWhereTooManyVanish) {
  Cell cell;
  cell.Come(0, 100);
  cell.Decide();
  cell.Go(0, 10);
  EXPECT_EQ(cell.Next().frozen, 0u);
  EXPECT_EQ(cell.live(), 90);
  cell.Go(10, 11);  // the eleventh of a hundred within a minute
  EXPECT_EQ(cell.Next().frozen, 1u);
  EXPECT_EQ(cell.live(), 90);
  cell.Come(200, 201);  // who comes is welcome all the same
  EXPECT_TRUE(cell.Next().epoch);
  EXPECT_EQ(cell.live(), 91);
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(cell.Next().epoch);
  EXPECT_TRUE(cell.map.Lives(10));
  for (int i = 0; i < 20; ++i) cell.Next();  // those before it are long gone, and it is one alone
  EXPECT_FALSE(cell.map.Lives(10));
}

TEST(Controller, WhatFrozeStaysSoByItself) {
  Cell cell;
  cell.Come(0, 100);
  cell.Decide();
  cell.Go(0, 50);
  for (int i = 0; i < 300; ++i) EXPECT_EQ(cell.Next().frozen, 50u);
  EXPECT_EQ(cell.live(), 100);
}

TEST(Controller, ThawsWhereTheyReturn) {
  Cell cell;
  cell.Come(0, 8);
  cell.Decide();
  cell.Go(0, 4);
  EXPECT_EQ(cell.Next().frozen, 4u);
  EXPECT_EQ(cell.live(), 8);
  cell.Come(0, 3);
  EXPECT_EQ(cell.Next().frozen, 0u);
  EXPECT_EQ(cell.live(), 7);
}

TEST(Controller, ThawsWhereSomebodySaysSo) {
  Cell cell;
  cell.Come(0, 8);
  cell.Decide();
  cell.Go(0, 4);
  cell.Next();
  EXPECT_EQ(cell.live(), 8);
  cell.accepted = cell.map.epoch.number;
  EXPECT_TRUE(cell.Next().epoch);
  EXPECT_EQ(cell.live(), 4);
  cell.Go(4, 8);  // that was said of those only
  cell.Next();
  EXPECT_EQ(cell.live(), 4);
}

TEST(Controller, OneAfterTheOtherIsNoDisaster) {
  Cell cell;
  cell.Come(0, 8);
  cell.Decide();
  for (int i = 0; i < 8; ++i) {  // a rolling restart
    cell.Go(i, i + 1);
    EXPECT_EQ(cell.Next().frozen, 0u);
    EXPECT_EQ(cell.live(), 7);
    cell.Come(i, i + 1);
    cell.Next();
    EXPECT_EQ(cell.live(), 8);
  }
}

TEST(Controller, WhatChangesOfANodeIsWritten) {
  Cell cell;
  cell.Come(0, 4);
  cell.Decide();
  cell.present[NameOf(2)].leaving = true;
  const auto step = cell.Next();
  ASSERT_EQ(step.nodes.size(), 1u);
  EXPECT_TRUE(step.epoch);  // who owns what has changed
  EXPECT_EQ(cell.map.MakePlacement().live(), 3u);
  EXPECT_TRUE(cell.map.Lives(2));
}

TEST(Controller, ANewControllerGoesOnWhereTheOldOneStopped) {
  Cell cell;
  cell.Come(0, 8);
  cell.Decide();
  cell.controller = Controller();
  EXPECT_TRUE(cell.Next().epoch) << "so that the old one can write no more";
  EXPECT_EQ(cell.live(), 8);
  EXPECT_FALSE(cell.Next().epoch);
  cell.Go(5, 6);
  cell.Next();
  EXPECT_EQ(cell.map.epoch.number, 3u);
  EXPECT_EQ(cell.live(), 7);
}

}  // namespace
}  // namespace forebay
