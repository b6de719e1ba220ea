// What a whole cell does when one of its nodes is asked, in the simulator.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "src/front/native/testing/cell_world.h"

namespace forebay::node_testing {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kSeed = 7;
constexpr uint64_t kBytes = 64 * kMiB - 17;  // two chunks
constexpr uint64_t kSmallBytes = 100 * kKiB;

class CellCommandsTest : public testing::Test {
 protected:
  void Start(int count, int large, int small) {
    for (int i = 0; i < large; ++i) Set(fmt::format("large{}", i), kBytes);
    for (int i = 0; i < small; ++i) Set(fmt::format("small{}", i), kSmallBytes);
    const auto started = cell.Start(count);
    ASSERT_TRUE(started) << started.error().ToString();
    world.RunFor(20s);  // everybody knows who owns what
  }
  void Set(const std::string& key, uint64_t size) {
    cell.origin.Set(key, kSeed, size);
    keys.push_back({key, 0, size});
    bytes += size;
  }
  MemoryOrigin& origin() { return cell.origin; }
  CellNode& node(size_t i) { return *cell.nodes[i]; }
  uint64_t PeerBytesAt(size_t i) { return node(i).node->counters().peer.bytes.value(); }

  Task<Result<LoadReport>> Load(size_t at, LoadItem item, Call call = {}) {
    return node(at).node->Load(node(at).self(), "data", {std::move(item)}, call);
  }
  Owners OwnersAt(size_t at, const std::string& key) {
    const auto object =
        world.Run(node(at).node->Stat(node(at).self(), "/data/" + key, {}, nullptr));
    EXPECT_TRUE(object) << object.error().ToString();
    auto owners = world.Run(node(at).node->OwnersOf(node(at).self(), *object, 0, {}));
    EXPECT_TRUE(owners) << owners.error().ToString();
    return *owners;
  }

  sim::World world{1};
  CellWorld cell{world};
  std::vector<LoadItem> keys;
  uint64_t bytes = 0;
};

Task<void> LoadOne(CellNode* node, LoadItem item, Call call, Result<LoadReport>* result) {
  *result = co_await node->node->Load(node->self(), "data", {std::move(item)}, call);
}

/// All at once, each by a request of its own.
struct Loads {
  Loads(sim::World& world, CellNode& node, const std::vector<LoadItem>& items, Call call = {})
      : results(items.size(), Fail(Code::kInternal, "not done")), group(world.env().executor) {
    for (size_t i = 0; i < items.size(); ++i) {
      group.Spawn(LoadOne(&node, items[i], call, &results[i]));
    }
  }
  uint64_t Bytes() const {
    uint64_t sum = 0;
    for (const auto& result : results) {
      EXPECT_TRUE(result) << result.error().ToString();
      if (!result) continue;
      sum += result->bytes;
      for (const auto& failure : result->failures) {
        ADD_FAILURE() << failure.node << ": " << failure.error.ToString();
      }
    }
    return sum;
  }
  std::set<std::string> PassedOver() const {
    std::set<std::string> names;
    for (const auto& result : results) {
      if (result) names.insert(result->passed_over.begin(), result->passed_over.end());
    }
    return names;
  }
  std::vector<Result<LoadReport>> results;
  TaskGroup group;
};

Task<void> Join(TaskGroup* group) {
  co_await group->Join();
}

TEST_F(CellCommandsTest, EveryOwnerLoadsItsPart) {
  Start(4, 3, 60);
  Loads loads(world, node(0), keys);
  world.Run(Join(&loads.group));
  EXPECT_EQ(loads.Bytes(), bytes);
  EXPECT_EQ(origin().bytes_given, bytes);
  EXPECT_THAT(loads.PassedOver(), testing::IsEmpty());
  std::set<std::string> owning;
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(PeerBytesAt(i), 0u);
    for (const LoadItem& item : keys) {
      const Owners owners = OwnersAt(i, item.key);
      EXPECT_EQ(owners.nodes[0].name, node(i).name);
      uint64_t at_owners = 0;
      for (const auto& chunk : owners.chunks) {
        at_owners += chunk.at_owner.memory;
        owning.insert(owners.nodes[chunk.owner].name);
        if (chunk.owner != 0) EXPECT_EQ(chunk.here.memory, 0u) << node(i).name << item.key;
        EXPECT_NE(chunk.owner, chunk.next);
      }
      EXPECT_EQ(at_owners, item.size) << item.key;
    }
  }
  EXPECT_EQ(owning.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(world.Run(node(i).Check("/data/large0", kSeed, 40 * kMiB, kMaxReadBytes)));
  }
  EXPECT_EQ(origin().bytes_given, bytes);
}

TEST_F(CellCommandsTest, WhatWasListedIsLoadedWithoutAskingForEachName) {
  Start(3, 0, 100);
  const auto page =
      world.Run(node(1).node->List(node(1).self(), "/data/", {.limit = 1000}, {}, nullptr));
  ASSERT_TRUE(page) << page.error().ToString();
  const int heads = origin().heads;
  Loads loads(world, node(1), keys);
  world.Run(Join(&loads.group));
  EXPECT_EQ(loads.Bytes(), bytes);
  EXPECT_EQ(origin().heads, heads);
  EXPECT_EQ(origin().gets.size(), keys.size());
}

TEST_F(CellCommandsTest, AnOwnerThatDiesIsPassedOver) {
  Start(4, 8, 0);
  Loads loads(world, node(0), keys);
  world.RunFor(40ms);
  const uint64_t before = origin().bytes_given;
  EXPECT_GT(before, 0u);
  EXPECT_LT(before, bytes);
  world.net().Isolate(node(2).machine);
  world.Run(Join(&loads.group));
  EXPECT_EQ(loads.Bytes(), bytes);
  EXPECT_THAT(loads.PassedOver(), testing::ElementsAre("n2"));
  // What the dead had fetched was fetched once more.
  EXPECT_LE(origin().bytes_given, 2 * bytes);
  EXPECT_EQ(PeerBytesAt(0), 0u);
}

TEST_F(CellCommandsTest, ALoadThatIsGivenUpEndsEverywhere) {
  Start(4, 8, 0);
  origin().behaviour.bytes_per_second = 64 * kMiB;
  CancelSource cancel;
  Loads loads(world, node(0), keys, {.cancel = cancel.token()});
  world.RunFor(100ms);
  cancel.Cancel();
  world.Run(Join(&loads.group));
  for (const auto& result : loads.results) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), Code::kCancelled);
  }
  world.RunFor(10s);  // what was asked of the origin comes to its end
  const size_t gets = origin().gets.size();
  const uint64_t given = origin().bytes_given;
  world.RunFor(60s);
  EXPECT_EQ(origin().gets.size(), gets);
  EXPECT_EQ(origin().bytes_given, given);
}

TEST_F(CellCommandsTest, AnObjectThatChangedIsLoadedAsItIsNow) {
  Start(3, 0, 20);
  // Known from before, and long not fresh any more.
  for (const auto& one : cell.nodes) {
    for (const LoadItem& item : keys) {
      EXPECT_TRUE(world.Run(one->node->Stat(one->self(), "/data/" + item.key, {}, nullptr)));
    }
  }
  world.RunFor(60s);
  for (const LoadItem& item : keys) origin().Set(item.key, kSeed + 1, 2 * kSmallBytes);
  for (LoadItem& item : keys) item.size = 2 * kSmallBytes;
  Loads loads(world, node(0), keys);
  world.Run(Join(&loads.group));
  EXPECT_EQ(loads.Bytes(), 2 * bytes);
  const uint64_t given = origin().bytes_given;
  for (const LoadItem& item : keys) {
    EXPECT_TRUE(world.Run(node(1).Check("/data/" + item.key, kSeed + 1, 0, 2 * kSmallBytes)));
  }
  EXPECT_EQ(origin().bytes_given, given);
}

TEST_F(CellCommandsTest, WhatFailsIsToldWithItsNode) {
  Start(3, 0, 30);
  const auto page =
      world.Run(node(1).node->List(node(1).self(), "/data/", {.limit = 1000}, {}, nullptr));
  ASSERT_TRUE(page);
  ASSERT_TRUE(origin().Remove("small3"));
  const auto report = world.Run(node(1).node->Load(node(1).self(), "data", keys, {}));
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_EQ(report->bytes, bytes - kSmallBytes);
  EXPECT_EQ(report->nodes, 3u);
  ASSERT_EQ(report->failures.size(), 1u);
  EXPECT_EQ(keys[report->failures[0].item].key, "small3");
  EXPECT_EQ(report->failures[0].error.code(), Code::kNotFound);
  EXPECT_THAT(report->failures[0].node, testing::StartsWith("n"));
}

TEST_F(CellCommandsTest, ALoadKeepsToTheBudgetOfWhoeverRunsIt) {
  cell.options.max_origin_requests = 4;
  Start(4, 0, 120);
  const Instant began = world.Now();
  Loads loads(world, node(0), keys);
  world.Run(Join(&loads.group));
  EXPECT_EQ(loads.Bytes(), bytes);
  // Sixteen at a time would have taken a quarter of that.
  EXPECT_GE(world.Now() - began, origin().behaviour.latency * (120 / 4));
}

TEST_F(CellCommandsTest, ALoadThatComesToItsTimeSaysSoAndGoesOn) {
  Start(3, 2, 0);
  origin().behaviour.bytes_per_second = 8 * kMiB;
  std::vector<LoadItem> halves;  // at each node some
  for (const LoadItem& item : keys) halves.push_back({item.key, 0, kBytes / 2});
  int tries = 0;
  for (bool done = false; !done;) {
    ASSERT_LT(++tries, 10);
    const auto report = world.Run(
        node(0).node->Load(node(0).self(), "data", halves, {.deadline = world.Now() + 2s}));
    done = report.has_value();
    if (done) EXPECT_EQ(report->failures.size(), 0u);
    if (!done) EXPECT_EQ(report.error().code(), Code::kDeadlineExceeded);
  }
  EXPECT_GT(tries, 1);
  EXPECT_EQ(origin().bytes_given, 2 * (kBytes / 2 / kPageBytes + 1) * kPageBytes);
}

TEST_F(CellCommandsTest, MoreThanOneRequestMayHoldIsRefused) {
  Start(1, 0, 1);
  const auto report = world.Run(Load(0, {"small0", 0, wire::kMaxLoadBytes + 1}));
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), Code::kInvalidArgument);
  EXPECT_EQ(world.Run(Load(0, {"small0", 0, kSmallBytes}))->bytes, kSmallBytes);
  // Past the object's end there is nothing.
  EXPECT_EQ(world.Run(Load(0, {"small0", kSmallBytes, 1}))->bytes, 0u);
  EXPECT_EQ(world.Run(Load(0, {"none", 0, 1}))->failures.size(), 1u);
}

TEST_F(CellCommandsTest, OwnersThatAreSilentAreNamed) {
  Start(4, 1, 40);
  world.net().Isolate(node(3).machine);
  const Instant began = world.Now();
  size_t silent = 0;
  for (const LoadItem& item : keys) {
    const Owners owners = OwnersAt(0, item.key);
    for (const auto& asked : owners.nodes) {
      if (!asked.error) continue;
      ++silent;
      EXPECT_EQ(asked.name, "n3");
    }
    if (silent == 1) EXPECT_LE(world.Now() - began, 2s);
  }
  EXPECT_GT(silent, 0u);
}

TEST_F(CellCommandsTest, TheStatusOfManyComesInPages) {
  Start(35, 0, 1);
  std::vector<std::string> names;
  bool more = true;
  for (std::string after; more;) {
    const auto page = world.Run(node(7).node->StatusOfPeers(node(7).self(), after, {}));
    ASSERT_TRUE(page) << page.error().ToString();
    for (const auto& one : page->nodes) names.push_back(one.name + " " + one.state);
    more = page->more;
    after = page->nodes.back().name;
  }
  EXPECT_EQ(names.size(), 34u);
  EXPECT_TRUE(std::ranges::is_sorted(names));
  EXPECT_THAT(names, testing::Contains("n34 live"));
  node(34).Crash();
  const auto page = world.Run(node(7).node->StatusOfPeers(node(7).self(), "n33", {}));
  ASSERT_EQ(page->nodes[0].name, "n34");
  EXPECT_EQ(page->nodes[0].state, "silent");
  EXPECT_NE(page->nodes[0].why, "");
}

TEST_F(CellCommandsTest, OnlyNodesAskAsNodes) {
  Start(2, 0, 1);
  Node& one = *node(0).node;
  const Authenticated user = node(0).gate->AdmitLocal({.uid = 1000});
  const auto code = [](const auto& result) {
    return result ? Code::kInternal : result.error().code();
  };
  EXPECT_EQ(code(world.Run(one.LoadForPeer(user, 1, {{.key = "small0"}}, {}))),
            Code::kPermissionDenied);
  EXPECT_EQ(code(world.Run(one.HeldForPeer(user, 1, "small0", {}, {0}, {}))),
            Code::kPermissionDenied);
  EXPECT_EQ(code(world.Run(one.StatusOfPeers(user, "", {}))), Code::kPermissionDenied);
}

}  // namespace
}  // namespace forebay::node_testing
