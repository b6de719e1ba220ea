// Many nodes as one cache, from the origin to a reader on any of them, in the simulator.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "src/front/native/testing/cell_world.h"
#include "src/node/context.h"

namespace forebay::node_testing {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kSeed = 7;
constexpr uint64_t kBytes = 100 * kMiB + 17;  // four chunks

class CellTest : public testing::Test {
 protected:
  void Start(int count) {
    origin().Set("a", kSeed, kBytes);
    const auto started = cell.Start(count);
    ASSERT_TRUE(started) << started.error().ToString();
  }
  MemoryOrigin& origin() { return cell.origin; }
  CellNode& node(size_t i) { return *cell.nodes[i]; }
  uint64_t PeerBytes() {
    uint64_t bytes = 0;
    for (const auto& one : cell.nodes) bytes += one->node->counters().peer.bytes.value();
    return bytes;
  }

  sim::World world{1};
  CellWorld cell{world};
};

Task<void> ReadAll(CellNode* node, std::string key, uint64_t seed, uint64_t bytes,
                   Result<void>* result) {
  for (uint64_t at = 0; at < bytes && *result; at += kMaxReadBytes) {
    const auto size = static_cast<uint32_t>(std::min<uint64_t>(kMaxReadBytes, bytes - at));
    *result = co_await node->Check("/data/" + key, seed, at, size);
  }
}

Task<void> ReadOnAll(CellWorld* cell, std::string key, uint64_t seed, uint64_t bytes,
                     std::vector<Result<void>>* results) {
  TaskGroup group(cell->world.env().executor);
  for (size_t i = 0; i < cell->nodes.size(); ++i) {
    if (cell->nodes[i]->running()) {
      group.Spawn(ReadAll(cell->nodes[i].get(), key, seed, bytes, &(*results)[i]));
    }
  }
  co_await group.Join();
}

TEST_F(CellTest, TheOriginGivesEachByteOnce) {
  Start(4);
  std::vector<Result<void>> results(4);
  world.Run(ReadOnAll(&cell, "a", kSeed, kBytes, &results));
  for (const auto& result : results) EXPECT_TRUE(result) << result.error().ToString();
  EXPECT_EQ(origin().bytes_given, kBytes);
  EXPECT_GE(PeerBytes(), 2 * kBytes);
}

constexpr uint32_t kManyObjects = 40;
constexpr uint64_t kObjectBytes = 2 * kMiB;

/// All objects, in an order of the node's own.
Task<void> ReadEpoch(CellNode* node, uint64_t seed, Result<void>* result) {
  std::vector<uint32_t> order(kManyObjects);
  std::iota(order.begin(), order.end(), 0);
  Prng prng(seed);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[prng.Below(i)]);
  for (const uint32_t n : order) {
    if (!*result) co_return;
    co_await ReadAll(node, fmt::format("many/{}", n), n, kObjectBytes, result);
  }
}

Task<void> ReadEpochOnAll(CellWorld* cell, uint64_t epoch, std::vector<Result<void>>* results) {
  TaskGroup group(cell->world.env().executor);
  for (size_t i = 0; i < cell->nodes.size(); ++i) {
    group.Spawn(ReadEpoch(cell->nodes[i].get(), 100 * epoch + i, &(*results)[i]));
  }
  co_await group.Join();
}

/// More than one node can hold, and no more than all of them can.
TEST_F(CellTest, CopiesDoNotDriveOutWhatIsOwned) {
  for (const Copies keep : {Copies::kHot, Copies::kNever}) {
    sim::World one_world(1);
    CellWorld one(one_world);
    one.options.store.dram.capacity_bytes = 64 * kMiB;
    one.options.store.dram.copies.keep = keep;
    for (uint32_t n = 0; n < kManyObjects; ++n) {
      one.origin.Set(fmt::format("many/{}", n), n, kObjectBytes);
    }
    ASSERT_TRUE(one.Start(4));
    std::vector<Result<void>> results(4);
    for (uint64_t epoch = 0; epoch < 3; ++epoch) {
      one_world.Run(ReadEpochOnAll(&one, epoch, &results));
      for (const auto& result : results) EXPECT_TRUE(result) << result.error().ToString();
      EXPECT_EQ(one.origin.bytes_given, kManyObjects * kObjectBytes) << "epoch " << epoch;
    }
  }
}

TEST_F(CellTest, OneWhoJoinsReadsWhatTheOthersHave) {
  Start(3);
  std::vector<Result<void>> results(3);
  world.Run(ReadOnAll(&cell, "a", kSeed, kBytes, &results));
  for (const auto& result : results) EXPECT_TRUE(result) << result.error().ToString();
  node(1).Stop();
  ASSERT_TRUE(cell.AwaitAgreement());
  const uint64_t others = origin().bytes_given;
  world.Run(ReadOnAll(&cell, "a", kSeed, kBytes, &results));
  // Whoever came after the dead in the order of a chunk fetched it, unless it had a copy.
  EXPECT_EQ(origin().bytes_given - others, 0u);
  ASSERT_TRUE(node(1).Start());  // with nothing
  ASSERT_TRUE(cell.AwaitAgreement());
  const uint64_t before = origin().bytes_given;
  world.Run(ReadOnAll(&cell, "a", kSeed, kBytes, &results));
  for (const auto& result : results) EXPECT_TRUE(result) << result.error().ToString();
  EXPECT_EQ(origin().bytes_given - before, 0u) << "what it owns now its former owners have";
}

TEST_F(CellTest, AnOwnerThatDiesCostsMissesAndNoErrors) {
  Start(4);
  std::vector<Result<void>> results(4);
  TaskGroup group(world.env().executor);
  group.Spawn(ReadOnAll(&cell, "a", kSeed, kBytes, &results));
  world.RunFor(60ms);
  const uint64_t before = origin().bytes_given;
  EXPECT_LT(before, kBytes);
  world.net().Isolate(node(2).machine);  // silent, as a machine that lost its power
  world.RunFor(10s);
  for (size_t i = 0; i < 4; ++i) {
    if (i != 2) EXPECT_TRUE(results[i]) << results[i].error().ToString();
  }
  world.net().HealAll();
  world.RunFor(60s);
  EXPECT_EQ(group.running(), 0u);
}

/// Names whose first chunk node 0 owns, and that have no other.
std::vector<std::string> OwnedByTheFirst(CellNode& any, size_t count) {
  std::vector<std::string> keys;
  const AttachmentId id = any.node->Attachments(any.self()).front()->config.id;
  for (int i = 0; keys.size() < count; ++i) {
    std::string key = fmt::format("hot/{}", i);
    const uint64_t chunk = ChunkKey(NameHash(id, key), 0);
    if (any.peers->view()->placement.Owner(chunk) == 0) keys.push_back(std::move(key));
  }
  return keys;
}

Task<void> FetchEach(CellNode* node, std::vector<std::string> keys, Result<void>* result) {
  for (const std::string& key : keys) {
    const auto handle = co_await node->node->Open(node->self(), "/data/" + key, {}, {}, nullptr);
    if (!handle) {
      *result = Fail(handle.error());
      co_return;
    }
    const auto got = co_await node->node->Fetch(node->self(), *handle, 0, UINT64_MAX, {}, nullptr);
    if (!got) *result = Fail(got.error());
  }
}

Task<void> FetchOn(CellWorld* cell, size_t first, size_t last, std::vector<std::string> keys,
                   std::vector<Result<void>>* results) {
  TaskGroup group(cell->world.env().executor);
  for (size_t i = first; i < last; ++i) {
    group.Spawn(FetchEach(cell->nodes[i].get(), keys, &(*results)[i]));
  }
  co_await group.Join();
}

/// What they want at once they get from one another.
TEST_F(CellTest, ManyReadersOfASlowOwnerShareWhatItGives) {
  constexpr uint64_t kEach = 8 * kMiB;
  Start(8);
  const std::vector<std::string> keys = OwnedByTheFirst(node(1), 16);
  for (const std::string& key : keys) origin().Set(key, kSeed, kEach);
  node(0).machine.nic_bytes_per_second = 25'000'000;
  const auto time = [&](size_t first, size_t last, std::vector<std::string> of) {
    std::vector<Result<void>> results(8);
    const Instant began = world.Now();
    world.Run(FetchOn(&cell, first, last, std::move(of), &results));
    for (const auto& result : results) EXPECT_TRUE(result) << result.error().ToString();
    return world.Now() - began;
  };
  const std::vector<std::string> first_half(keys.begin(), keys.begin() + 8);
  const std::vector<std::string> second_half(keys.begin() + 8, keys.end());
  const Duration alone = time(1, 2, first_half);
  const uint64_t given = origin().bytes_given;
  const Duration together = time(1, 8, second_half);
  EXPECT_EQ(origin().bytes_given - given, 8 * kEach);
  EXPECT_LE(together, 2 * alone);
  EXPECT_GT(node(0).node->counters().peer.sent_elsewhere.value(), 0u);
}

Task<void> FetchPart(CellNode* node, std::string key, uint64_t offset, uint64_t size) {
  const auto handle = co_await node->node->Open(node->self(), "/data/" + key, {}, {}, nullptr);
  EXPECT_TRUE(handle) << handle.error().ToString();
  const auto got = co_await node->node->Fetch(node->self(), *handle, offset, size, {}, nullptr);
  EXPECT_TRUE(got) << got.error().ToString();
}

/// Whoever was sent to one for the beginning is sent to the other for the rest.
TEST_F(CellTest, PartsThatTwoHaveAreGotFromBoth) {
  constexpr uint64_t kBegin = 2 * kMiB, kRest = 6 * kMiB;
  Start(8);
  const std::string key = OwnedByTheFirst(node(1), 1).front();
  origin().Set(key, kSeed, kBegin + kRest);
  world.Run(FetchPart(&node(1), key, 0, kBegin));
  world.Run(FetchPart(&node(2), key, kBegin, kRest));
  const auto& given = node(0).node->counters().peer.served_bytes;
  EXPECT_EQ(given.value(), kBegin + kRest);
  std::vector<Result<void>> results(8);
  world.Run(FetchOn(&cell, 3, 8, {key}, &results));
  for (const auto& result : results) EXPECT_TRUE(result) << result.error().ToString();
  EXPECT_EQ(given.value(), kBegin + kRest);
}

/// Whoever is sent to one of two asks the one that has less to do.
TEST_F(CellTest, OfTwoWhoHaveItTheLessBusyIsAsked) {
  constexpr uint64_t kEach = 8 * kMiB;
  Start(16);
  const std::vector<std::string> keys = OwnedByTheFirst(node(1), 4);
  for (const std::string& key : keys) origin().Set(key, kSeed, kEach);
  const auto fetch = [&](size_t first, size_t last) {
    std::vector<Result<void>> results(16);
    world.Run(FetchOn(&cell, first, last, keys, &results));
    for (const auto& result : results) EXPECT_TRUE(result) << result.error().ToString();
  };
  const auto served = [&](size_t i) { return node(i).node->counters().peer.served_bytes.value(); };
  fetch(1, 2);   // gets it from the owner
  fetch(2, 9);   // are sent to node 1
  fetch(9, 10);  // after so many its owner gives it once more
  node(1).machine.nic_bytes_per_second = 50'000'000;
  const uint64_t slow = served(1), fast = served(9), owner = served(0);
  fetch(10, 16);
  EXPECT_EQ(served(0) - owner, 0u);
  EXPECT_EQ(served(1) + served(9) - slow - fast, 24 * kEach);
  EXPECT_GT(served(1), slow) << "it is asked, too";
  EXPECT_LE(2 * (served(1) - slow), served(9) - fast);
}

Task<void> HandOverAll(CellNode* node, HandedOver* total, Result<void>* result) {
  for (uint32_t stripe = 0; *result; ++stripe) {
    HandedOver now;
    do {
      const uint32_t skip = now.more ? now.parts : 0;
      const auto handed = co_await node->node->HandOver(node->self(), stripe, skip, {});
      if (!handed) {
        *result = Fail(handed.error());
        co_return;
      }
      total->bytes += handed->bytes;
      total->failed += handed->failed;
      now = *handed;
      now.parts += skip;
    } while (now.more);
    if (stripe + 1 >= now.stripes) co_return;
  }
}

/// What it owned is with others before it is gone, and the origin is not asked for it again.
TEST_F(CellTest, WhoLeavesHandsOverWhatItOwned) {
  Start(4);
  const AttachmentId id = node(1).node->Attachments(node(1).self()).front()->config.id;
  std::array<uint32_t, 3> order{};  // of the first chunk
  node(1).peers->view()->placement.InOrder(ChunkKey(NameHash(id, "a"), 0), order);
  CellNode& leaver = node(order[0]);
  CellNode& reader = node(order[2]);  // whose copies are not those of the next owner
  Result<void> result;
  world.Run(ReadAll(&reader, "a", kSeed, kBytes, &result));
  ASSERT_TRUE(result) << result.error().ToString();
  const auto left = world.Run(leaver.cell->SetLeaving(true, {}));
  ASSERT_TRUE(left) << left.error().ToString();
  ASSERT_TRUE(cell.AwaitAgreement());
  EXPECT_EQ(reader.peers->view()->placement.live(), 3u);
  HandedOver total;
  world.Run(HandOverAll(&leaver, &total, &result));
  ASSERT_TRUE(result) << result.error().ToString();
  EXPECT_GE(total.bytes, 32 * kMiB);
  EXPECT_EQ(total.failed, 0u);
  EXPECT_EQ(origin().bytes_given, kBytes);
  leaver.Stop();
  reader.Stop();
  ASSERT_TRUE(cell.AwaitAgreement());
  ASSERT_TRUE(reader.Start());
  ASSERT_TRUE(cell.AwaitAgreement());
  const uint64_t before = origin().bytes_given;
  world.Run(ReadAll(&reader, "a", kSeed, 32 * kMiB, &result));
  ASSERT_TRUE(result) << result.error().ToString();
  EXPECT_EQ(origin().bytes_given - before, 0u);
}

TEST_F(CellTest, WhoLeftMayStayAfterAll) {
  Start(2);
  ASSERT_TRUE(world.Run(node(0).cell->SetLeaving(true, {})));
  EXPECT_EQ(node(0).cell->view()->placement.live(), 1u);
  ASSERT_TRUE(world.Run(node(0).cell->SetLeaving(false, {})));
  EXPECT_EQ(node(0).cell->view()->placement.live(), 2u);
}

/// A version to come, with the messages of this one. While nodes are restarted with it one after
/// the other, those that were and those that were not yet go on reading from one another.
TEST_F(CellTest, NodesOfTwoVersionsAreOneCache) {
  constexpr wire::Versions kNext{.min = 2, .max = 3};
  Start(3);
  std::vector<Result<void>> results(3);
  const auto read_on_all = [&] {
    world.Run(ReadOnAll(&cell, "a", kSeed, kBytes, &results));
    for (const auto& result : results) EXPECT_TRUE(result) << result.error().ToString();
  };
  read_on_all();
  for (size_t i = 0; i < 3; ++i) {
    node(i).Stop();
    ASSERT_TRUE(cell.AwaitAgreement());
    read_on_all();
    node(i).versions = kNext;
    ASSERT_TRUE(node(i).Start());
    ASSERT_TRUE(cell.AwaitAgreement());
    read_on_all();
    EXPECT_GE(node(i).node->counters().peer.bytes.value(), kBytes) << "it came with nothing";
  }
  EXPECT_EQ(origin().bytes_given, kBytes) << "who came back asked the others";
}

/// One that is two versions ahead is no source for those who were forgotten, and they none for it.
TEST_F(CellTest, NodesWithoutACommonVersionReadForThemselves) {
  Start(3);
  node(2).Stop();
  node(2).versions = {.min = 3, .max = 3};
  ASSERT_TRUE(node(2).Start());
  ASSERT_TRUE(cell.AwaitAgreement());
  std::vector<Result<void>> results(3);
  world.Run(ReadOnAll(&cell, "a", kSeed, kBytes, &results));
  for (const auto& result : results) EXPECT_TRUE(result) << result.error().ToString();
  EXPECT_GT(origin().bytes_given, kBytes);
  EXPECT_EQ(node(2).node->counters().peer.bytes.value(), 0u);
}

TEST_F(CellTest, WithoutARegistryReadersGoOn) {
  Start(4);
  cell.registry.away = true;
  world.RunFor(60s);
  std::vector<Result<void>> results(4);
  world.Run(ReadOnAll(&cell, "a", kSeed, kBytes, &results));
  for (const auto& result : results) EXPECT_TRUE(result) << result.error().ToString();
  EXPECT_EQ(origin().bytes_given, kBytes);
  cell.registry.away = false;
  EXPECT_TRUE(cell.AwaitAgreement());
}

TEST_F(CellTest, ADeathIsInEveryMapWithinTwentySeconds) {
  Start(5);
  const uint64_t epoch = node(0).peers->view()->map.epoch.number;
  node(3).Crash();
  ASSERT_TRUE(cell.AwaitAgreement(20s));
  EXPECT_GT(node(0).peers->view()->map.epoch.number, epoch);
  ASSERT_TRUE(node(3).Start());
  ASSERT_TRUE(cell.AwaitAgreement());
  EXPECT_EQ(node(3).cell->view()->self, 3u);
}

TEST_F(CellTest, TheControllersDeathIsNobodysEnd) {
  Start(4);
  for (int round = 0; round < 3; ++round) {
    size_t controller = 0;
    while (!node(controller).running() || !node(controller).cell->controls()) {
      ASSERT_LT(++controller, 4u);
    }
    node(controller).Crash();
    ASSERT_TRUE(cell.AwaitAgreement(30s));
    ASSERT_TRUE(node(controller).Start());
    ASSERT_TRUE(cell.AwaitAgreement(30s));
  }
}

/// Whenever it comes back: also while the new controller writes its first epoch.
TEST_F(CellTest, AControllerThatIsRestartedIsTakenUpAgain) {
  Start(3);
  cell.registry.latency = 400ms;  // news comes while it writes
  cell.registry.poll = 10ms;
  for (int round = 0; round < 200; ++round) {
    size_t controller = 0;
    while (!node(controller).cell->controls()) {
      if (++controller < 3) continue;
      controller = 0;
      world.RunFor(10ms);
    }
    node(controller).Stop();
    world.RunFor(std::chrono::milliseconds(round * 10));
    const auto started = node(controller).Start();
    ASSERT_TRUE(started) << "after " << round * 10 << " ms: " << started.error().ToString();
    ASSERT_TRUE(cell.AwaitAgreement(20s)) << "after " << round * 10 << " ms";
  }
}

TEST_F(CellTest, TwoNodesOfOneNameAreToldSo) {
  Start(2);
  CellOptions twin{.name = "n1", .member = {.address = "n9:1", .incarnation = {.hi = 9, .lo = 9}}};
  sim::Node& machine = world.AddNode("n9");
  MemoryRegistry registry(machine.env(), cell.registry);
  const auto joined = world.Run(
      Cell::Join(machine.env(), twin, registry, {.deadline = machine.env().clock.Now() + 20s}));
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().code(), Code::kAlreadyExists);
  EXPECT_NE(joined.error().message().find("n1:7400"), std::string::npos);
}

/// Everybody knows what the name is, or that it is not; then it is written through one of them.
TEST_F(CellTest, AWriteIsSeenThroughEveryNodeAtOnce) {
  Start(5);
  world.RunFor(20s);
  const auto writes = [&](CellNode& writer, const std::string& path, const std::string& bytes) {
    for (const auto& one : cell.nodes) std::ignore = world.Run(one->EtagOf(path));
    const Instant began = world.Now();
    const auto etag = world.Run(writer.Put(path, bytes));
    EXPECT_LT(world.Now() - began, 1s) << "it waited for somebody";
    ASSERT_TRUE(etag) << etag.error().ToString();
    for (const auto& one : cell.nodes) {
      const auto seen = world.Run(one->EtagOf(path));
      EXPECT_EQ(seen.value_or(seen ? "" : seen.error().ToString()), *etag) << one->name;
    }
  };
  for (int round = 0; round < 40; ++round) {
    const std::string path = fmt::format("/data/k{}", round % 7);
    writes(node(round % 5), path, fmt::format("content {}", round));
  }
  EXPECT_TRUE(world.Run(node(2).node->Delete(node(2).self(), "/data/k3", {}, {})));
  for (const auto& one : cell.nodes) {
    const auto seen = world.Run(one->EtagOf("/data/k3"));
    EXPECT_TRUE(!seen && seen.error().code() == Code::kNotFound) << one->name;
  }
}

TEST_F(CellTest, AWriteWaitsForTheLeaseOfWhoCannotBeTold) {
  Start(5);
  world.RunFor(20s);
  for (int k = 0; k < 5; ++k) {  // names of several owners, the silent one's too
    const std::string path = fmt::format("/data/k{}", k);
    ASSERT_TRUE(world.Run(node(0).Put(path, "old")));
    for (const auto& one : cell.nodes) EXPECT_TRUE(world.Run(one->EtagOf(path)));
  }
  world.net().Isolate(node(4).machine);
  for (int k = 0; k < 5; ++k) {
    const std::string path = fmt::format("/data/k{}", k);
    const Instant began = world.Now();
    const auto etag = world.Run(node(1).Put(path, "new"));
    ASSERT_TRUE(etag) << etag.error().ToString();
    EXPECT_LT(world.Now() - began, 20s);
    for (const auto& one : cell.nodes) {  // who is cut off reads from the origin itself
      const auto seen = world.Run(one->EtagOf(path));
      EXPECT_EQ(seen.value_or("none"), *etag) << one->name << " " << path;
    }
  }
}

TEST_F(CellTest, TheOriginIsAskedOnceWhatANameIs) {
  Start(5);
  world.RunFor(20s);
  const int before = origin().heads + static_cast<int>(origin().gets.size());
  for (const auto& one : cell.nodes) EXPECT_TRUE(world.Run(one->EtagOf("/data/a")));
  EXPECT_EQ(origin().heads + static_cast<int>(origin().gets.size()) - before, 1);
  for (const auto& one : cell.nodes) EXPECT_FALSE(world.Run(one->EtagOf("/data/none")));
  EXPECT_EQ(origin().heads + static_cast<int>(origin().gets.size()) - before, 2);
}

/// "name etag, name etag": what a node says is in a folder.
std::string FolderAt(sim::World& world, CellNode& node, const std::string& folder) {
  const auto page =
      world.Run(node.node->List(node.self(), "/data/", {.prefix = folder}, {}, nullptr));
  if (!page) return page.error().ToString();
  std::string text;
  for (const ListEntry& entry : page->entries) text += entry.key + " " + entry.info.etag + ", ";
  return text;
}

TEST_F(CellTest, AFolderIsListedOnceForAll) {
  Start(5);
  world.RunFor(20s);
  for (int i = 0; i < 300; ++i) origin().Set(fmt::format("dir/{:03}", i), kSeed, 10);
  for (int times = 1; times <= 2; ++times) {
    const int before = origin().lists;
    const std::string first = FolderAt(world, node(0), "dir/");
    EXPECT_TRUE(first.starts_with("dir/000 ")) << first;
    EXPECT_EQ(std::ranges::count(first, ','), 300);
    for (const auto& one : cell.nodes) EXPECT_EQ(FolderAt(world, *one, "dir/"), first) << one->name;
    EXPECT_EQ(origin().lists - before, 1);
    world.RunFor(11s);  // it is believed no longer
  }
}

TEST_F(CellTest, ListingsThroughEveryNodeTellOfAWriteAtOnce) {
  Start(5);
  world.RunFor(20s);
  for (int round = 0; round < 30; ++round) {
    const std::string key = fmt::format("{}k{}", round % 3 == 0 ? "dir/below/" : "dir/", round % 4);
    for (const auto& one : cell.nodes) {
      for (const char* folder : {"", "dir/", "dir/below/"}) FolderAt(world, *one, folder);
    }
    CellNode& writer = node(round % 5);
    const Instant began = world.Now();
    const auto etag = world.Run(writer.Put("/data/" + key, fmt::format("content {}", round)));
    ASSERT_TRUE(etag) << etag.error().ToString();
    EXPECT_LT(world.Now() - began, 1s) << "it waited for somebody";
    for (const auto& one : cell.nodes) {
      for (const std::string folder : {"", "dir/", "dir/below/"}) {
        const bool within = key.starts_with(folder);
        const std::string told = FolderAt(world, *one, folder);
        EXPECT_EQ(told.find(key + " " + *etag) != told.npos, within) << one->name << ": " << told;
      }
    }
  }
  EXPECT_TRUE(world.Run(node(2).node->Delete(node(2).self(), "/data/dir/k1", {}, {})));
  for (const auto& one : cell.nodes) {
    const std::string told = FolderAt(world, *one, "dir/");
    EXPECT_EQ(told.find("dir/k1 "), told.npos) << one->name << ": " << told;
  }
}

TEST_F(CellTest, AFolderWhoseOwnerIsSilentIsListedByTheOrigin) {
  Start(4);
  world.RunFor(20s);
  origin().Set("dir/x", kSeed, 10);
  const AttachmentId id = node(0).node->Attachments(node(0).self()).front()->config.id;
  const uint32_t owner = node(0).peers->view()->placement.Owner(FolderKey(id, "dir/"));
  const std::string told = FolderAt(world, node(0), "dir/");
  world.net().Isolate(node(owner).machine);
  for (const auto& one : cell.nodes) {
    const Instant began = world.Now();
    EXPECT_EQ(FolderAt(world, *one, "dir/"), told) << one->name;
    EXPECT_LT(world.Now() - began, 3s) << one->name;
  }
}

TEST_F(CellTest, AnotherCellsSecretOpensNothing) {
  Start(2);
  cell.secret = std::string(32, 'x');
  cell.nodes.push_back(std::make_unique<CellNode>(cell, "n2"));
  ASSERT_TRUE(node(2).Start());
  ASSERT_TRUE(cell.AwaitAgreement());
  EXPECT_TRUE(world.Run(node(2).Check("/data/a", kSeed, 0, kMaxReadBytes)));
  EXPECT_TRUE(world.Run(node(0).Check("/data/a", kSeed, 0, kMaxReadBytes)));
  EXPECT_EQ(node(2).node->counters().peer.bytes.value(), 0u);
}

}  // namespace
}  // namespace forebay::node_testing
