// Who owns a name while maps change: never two nodes, whatever each of them has heard.
#include <gtest/gtest.h>

#include <algorithm>

#include "src/front/native/testing/cell_world.h"
#include "src/node/context.h"

namespace forebay::node_testing {
namespace {

using namespace std::chrono_literals;

size_t Owned(Peers& peers, const std::vector<uint64_t>& keys) {
  return static_cast<size_t>(
      std::ranges::count_if(keys, [&](uint64_t key) { return peers.Owns(key); }));
}

/// Three nodes that have gone by one map for a while.
class CellOwnersTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto started = cell.Start(3);
    ASSERT_TRUE(started) << started.error().ToString();
    world.RunFor(20s);
  }
  CellNode& node(size_t i) { return *cell.nodes[i]; }
  void Follow(size_t i, const CellMap& map) {
    node(i).peers->Follow(std::make_shared<const CellView>(map, node(i).name));
  }
  /// Who is asked whether he owns asks others himself.
  size_t MostOwned(Peers& peers, const std::vector<uint64_t>& keys, Duration within) {
    size_t most = 0;
    for (const Instant end = world.Now() + within; world.Now() < end; world.RunFor(250ms)) {
      most = std::max(most, Owned(peers, keys));
    }
    return most;
  }

  sim::World world{1};
  CellWorld cell{world};
};

/// Of some keys: those that `node` owns, and that another owned by the map `before`.
std::vector<uint64_t> Gained(const Peers& peers, const CellView& before, uint32_t from) {
  std::vector<uint64_t> keys;
  for (uint64_t i = 0; i < 200; ++i) {
    const uint64_t key = Mix64(i);
    const bool mine = peers.view()->placement.Owner(key) == peers.self();
    if (mine && before.placement.Owner(key) == from) keys.push_back(key);
  }
  return keys;
}

/// A map by which the node owns nothing, though it lives.
CellMap Without(const CellMap& map, const std::string& name, uint64_t epochs_later = 1) {
  CellMap next = map;
  next.epoch.number += epochs_later;
  next.nodes.at(name).member.leaving = true;
  return next;
}

/// The registry goes away while it tells of a map: one node has heard, and another has not.
TEST_F(CellOwnersTest, NobodyOwnsWhatAnotherOwnsByAnOlderMap) {
  Peers& peers = *node(0).peers;
  Peers& other = *node(1).peers;
  const auto before = peers.view();
  world.net().Isolate(node(1).machine);
  Follow(0, Without(before->map, "n1"));
  const auto keys = Gained(peers, *before, other.self());
  ASSERT_GT(keys.size(), 20u);
  EXPECT_EQ(MostOwned(peers, keys, 5s), 0u);
  // Once it is asked it owns nothing, though it has not heard of the map. What was asked for before
  // that was not told of its writers.
  const Instant healed = world.Now();
  world.net().HealAll();
  EXPECT_EQ(MostOwned(peers, keys, 10s), keys.size());
  EXPECT_EQ(Owned(other, keys), 0u);
  EXPECT_FALSE(peers.Owns(keys[0], {healed.ns - 1}));
  // What both maps give it is its own again when it hears, too.
  const auto kept = Gained(*node(2).peers, *before, node(2).peers->self());
  peers.Cede(before->map.epoch.number + 2);
  EXPECT_EQ(Owned(peers, keys), 0u);
  Follow(0, Without(before->map, "n1", 2));
  EXPECT_EQ(Owned(peers, keys), keys.size());
}

/// Neither what somebody says who is further along, nor that it goes by the same epoch while its
/// records change, is word that it owns no more.
TEST_F(CellOwnersTest, WhatALaterMapGivesAnotherIsNotOwned) {
  const CellMap map = node(0).peers->view()->map;
  const auto before = node(0).peers->view();
  const uint32_t other = node(1).peers->self();
  CellMap same = Without(map, "n1", 0);
  Follow(0, same);
  const auto keys = Gained(*node(0).peers, *before, other);
  ASSERT_GT(keys.size(), 20u);
  CellMap later = map;
  later.epoch.number += 2;
  EXPECT_EQ(MostOwned(*node(0).peers, keys, 5s), 0u);
  Follow(0, Without(map, "n1"));
  Follow(1, later);
  // It skipped one, by which another may have owned: it asks, too.
  EXPECT_EQ(Owned(*node(1).peers, keys), 0u);
  EXPECT_EQ(MostOwned(*node(0).peers, keys, 5s), 0u);
  EXPECT_EQ(MostOwned(*node(1).peers, keys, 5s), keys.size());
}

TEST_F(CellOwnersTest, NobodyOwnsAnythingWhoseLeaseMayHaveEnded) {
  const auto all = [&](const CellNode& one) {
    return Gained(*one.peers, *one.peers->view(), one.peers->self());
  };
  for (const auto& one : cell.nodes) EXPECT_EQ(Owned(*one->peers, all(*one)), all(*one).size());
  cell.registry.away = true;
  world.RunFor(5s);
  for (const auto& one : cell.nodes) EXPECT_EQ(Owned(*one->peers, all(*one)), all(*one).size());
  world.RunFor(6s);
  for (const auto& one : cell.nodes) EXPECT_EQ(Owned(*one->peers, all(*one)), 0u);
  // Everything goes on, and is asked of the origin.
  ASSERT_TRUE(world.Run(node(0).Put("/data/k", "new")));
  for (const auto& one : cell.nodes) EXPECT_TRUE(world.Run(one->EtagOf("/data/k")));
  cell.registry.away = false;
  ASSERT_TRUE(cell.AwaitAgreement());
  for (const auto& one : cell.nodes) {
    EXPECT_EQ(MostOwned(*one->peers, all(*one), 10s), all(*one).size());
  }
  // What others owned meanwhile who had none knows only when he has asked.
  Peers& peers = *node(0).peers;
  peers.HoldUntil(world.Now());
  EXPECT_EQ(Owned(peers, all(node(0))), 0u);
  peers.HoldUntil(Instant::Never());
  EXPECT_EQ(Owned(peers, all(node(0))), 0u);
  EXPECT_EQ(MostOwned(peers, all(node(0)), 5s), all(node(0)).size());
}

TEST_F(CellOwnersTest, WhatADeadNodeOwnedIsOwnedOnceEverybodyKnows) {
  Peers& peers = *node(0).peers;
  const auto before = peers.view();
  const uint32_t other = node(1).peers->self();
  node(1).Crash();
  CellMap map = before->map;
  ++map.epoch.number;
  map.epoch.live[other] = false;
  Follow(0, map);
  const auto keys = Gained(peers, *before, other);
  ASSERT_GT(keys.size(), 20u);
  world.RunFor(1s);
  EXPECT_EQ(Owned(peers, keys), 0u);
  world.RunFor(3s);
  EXPECT_EQ(Owned(peers, keys), keys.size());
}

Task<void> EtagInto(CellNode* node, std::string path, std::string* etag) {
  *etag = (co_await node->EtagOf(std::move(path))).value_or("none");
}

/// A node that is told of no writes may not give the answer that is on its way to who comes later.
TEST_F(CellOwnersTest, WhoComesAfterAWriteIsNotToldWhatWasAskedBefore) {
  const auto before = node(0).peers->view();
  Follow(0, Without(before->map, "n1"));
  std::string path;
  const AttachmentId id = node(0).node->Attachments(node(0).self()).front()->config.id;
  for (int i = 0; path.empty(); ++i) {
    const std::string key = fmt::format("k{}", i);
    const uint64_t chunk = ChunkKey(NameHash(id, key), 0);
    const bool gained = before->placement.Owner(chunk) == node(1).peers->self() &&
                        node(0).peers->view()->placement.Owner(chunk) == node(0).peers->self();
    if (gained) path = "/data/" + key;
  }
  cell.registry.away = true;
  node(0).peers->HoldUntil(world.Now());
  ASSERT_TRUE(world.Run(node(2).Put(path, "old")));
  ASSERT_TRUE(world.Run(node(0).EtagOf(path)));  // from now on it asks for the head
  cell.origin.answer_late = 2s;
  std::string first, second;
  TaskGroup group(world.env().executor);
  group.Spawn(EtagInto(&node(0), path, &first));
  world.RunFor(500ms);
  cell.origin.answer_late = 0s;
  const auto written = world.Run(node(2).Put(path, "newer"));
  ASSERT_TRUE(written);
  ASSERT_EQ(first, "") << "the one that began before is on its way";
  group.Spawn(EtagInto(&node(0), path, &second));
  world.RunFor(20s);
  EXPECT_EQ(second, *written);
}

/// A registry that was restored from a copy, or begun anew, counts its maps from less.
TEST_F(CellOwnersTest, MapsMayCountFromLessAgain) {
  CellMap map = node(0).peers->view()->map;
  for (const uint64_t epoch : {500, 498, 3}) {
    map.epoch.number = epoch;
    map.nodes.at("n1").member.leaving = epoch == 498;
    for (size_t i = 0; i < 3; ++i) Follow(i, map);
    for (const auto& one : cell.nodes) {
      const auto keys = Gained(*one->peers, *one->peers->view(), one->peers->self());
      EXPECT_EQ(MostOwned(*one->peers, keys, 10s), keys.size()) << one->name << " " << epoch;
    }
  }
}

/// Who has come new keeps what it was told, and the writer, and the name's former owner, go by a
/// map without it.
TEST_F(CellOwnersTest, AWriteByAnOldMapWaitsForWhoIsNewInTheNext) {
  const CellMap with = node(0).peers->view()->map;
  CellMap without = with;
  ++without.epoch.number;
  without.epoch.live[node(1).peers->self()] = false;
  for (size_t i = 0; i < 3; ++i) Follow(i, without);
  world.RunFor(20s);
  const auto before = node(0).peers->view();
  CellMap next = with;
  next.epoch.number = without.epoch.number + 1;
  Follow(1, next);
  const AttachmentId id = node(0).node->Attachments(node(0).self()).front()->config.id;
  std::string path;
  uint64_t chunk = 0;
  for (int i = 0; path.empty(); ++i) {
    const std::string key = fmt::format("k{}", i);
    chunk = ChunkKey(NameHash(id, key), 0);
    const bool moves = before->placement.Owner(chunk) == node(0).peers->self() &&
                       node(1).peers->OwnerOf(chunk) == Peers::kNobody;
    if (moves) path = "/data/" + key;
  }
  for (int i = 0; i < 20 && !node(1).peers->Owns(chunk); ++i) world.RunFor(250ms);
  ASSERT_TRUE(node(1).peers->Owns(chunk));
  world.RunFor(20s);
  std::ignore = world.Run(node(1).EtagOf(path));
  const auto written = world.Run(node(2).Put(path, "newer"));
  ASSERT_TRUE(written);
  EXPECT_EQ(world.Run(node(1).EtagOf(path)).value_or("none"), *written);
}

/// Whoever writes goes by an old map, by which it owns the folder itself.
TEST_F(CellOwnersTest, AWriteByAnOldMapIsToldToWhoListsItsFolder) {
  const auto before = node(0).peers->view();
  const CellMap map = Without(before->map, "n0");
  const AttachmentId id = node(0).node->Attachments(node(0).self()).front()->config.id;
  const Placement after = map.MakePlacement();
  std::string folder;
  for (int i = 0; folder.empty(); ++i) {
    const std::string one = fmt::format("d{}/", i);
    const uint64_t key = FolderKey(id, one);
    const bool moves = before->placement.Owner(key) == node(0).peers->self() &&
                       after.Owner(key) == node(1).peers->self();
    if (moves) folder = one;
  }
  ASSERT_TRUE(world.Run(node(2).Put("/data/" + folder + "a", "1")));
  Follow(1, map);
  Follow(2, map);
  const uint64_t key = FolderKey(id, folder);
  for (int i = 0; i < 20 && !node(1).peers->Owns(key); ++i) world.RunFor(250ms);
  ASSERT_TRUE(node(1).peers->Owns(key));
  world.RunFor(20s);  // it has not moved lately
  const auto names = [&] {
    const auto page =
        world.Run(node(1).node->List(node(1).self(), "/data/" + folder, {}, {}, nullptr));
    return page ? page->entries.size() : 0;
  };
  EXPECT_EQ(names(), 1u);
  std::string name;  // whose owner is not told of folders
  for (int i = 0; name.empty(); ++i) {
    const std::string one = fmt::format("{}b{}", folder, i);
    const uint64_t chunk = ChunkKey(NameHash(id, one), 0);
    const uint32_t owner = node(2).peers->self();
    if (before->placement.Owner(chunk) == owner && after.Owner(chunk) == owner) name = one;
  }
  ASSERT_TRUE(world.Run(node(0).Put("/data/" + name, "2")));
  EXPECT_EQ(names(), 2u);
}

}  // namespace
}  // namespace forebay::node_testing
