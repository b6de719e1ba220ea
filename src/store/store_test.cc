// What the store promises, on a simulated machine whose disks obey the test.
#include "src/store/store.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/sim_device.h"
#include "sim/world.h"
#include "src/base/units.h"
#include "src/store/pin_account.h"
#include "src/store/testing/patterns.h"

namespace forebay {
namespace {

using store_testing::Check;
using store_testing::Key;
using store_testing::Pattern;
using store_testing::Put;
using store_testing::Seen;

StoreOptions SmallOptions(uint64_t disk_bytes = 64 * kMiB) {
  StoreOptions options;
  options.dram.capacity_bytes = 8 * kMiB;
  options.max_block_bytes = 2 * kMiB;
  if (disk_bytes > 0) options.disks.push_back({.directory = "/cache", .size_bytes = disk_bytes});
  return options;
}

/// A world with one node and, while it lives, one store on it.
class StoreTest : public testing::Test {
 protected:
  Env& env() { return node_.env(); }

  void Open(StoreOptions options) {
    auto store = world_.Run(Store::Open(env(), std::move(options)));
    ASSERT_TRUE(store) << store.error().ToString();
    store_ = std::move(*store);
  }
  Error OpenFails(StoreOptions options) {
    auto store = world_.Run(Store::Open(env(), std::move(options)));
    if (store) {
      store_ = std::move(*store);
      ADD_FAILURE() << "the store opened";
      return Error(Code::kInternal, "");
    }
    return store.error();
  }
  void Close() {
    world_.Run(store_->Close());
    store_.reset();
  }
  void Reopen(StoreOptions options) {
    Close();
    Open(std::move(options));
  }
  /// As PutBlock, giving the disk time to keep up.
  void PutAndFlush(uint64_t n, uint32_t length) {
    PutBlock(n, length);
    if (n % 4 == 3) Flushed();
  }
  void PutBlock(uint64_t n, uint32_t length, BlockClass block_class = BlockClass::kData,
                uint64_t attachment = 1) {
    const auto put = world_.Run(Put(env(), *store_, Key(n), {attachment, length, block_class}));
    ASSERT_TRUE(put) << put.error().ToString();
  }
  Seen See(uint64_t n, uint32_t offset, uint32_t size, ReadOptions options = {}) {
    const auto seen = world_.Run(Check(env(), *store_, Key(n), offset, size, options));
    EXPECT_TRUE(seen) << seen.error().ToString();
    return seen ? *seen : Seen::kWrong;
  }
  void Flushed() { world_.Run(store_->AwaitFlush(env(), 0)); }
  DiskStats Disk() { return store_->stats().disks.at(0); }

  void TearDown() override {
    if (store_ != nullptr) Close();
  }

  sim::World world_{1};
  sim::Node& node_ = world_.AddNode("n1");
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, ReadsBackWhatWasFilledOfAnySize) {
  Open(SmallOptions());
  const uint32_t sizes[] = {1, 7, 4095, 4096, 4097, 100 * 1024, 1024 * 1024, 2 * 1024 * 1024};
  for (const uint32_t size : sizes) PutBlock(size, size);
  Flushed();
  for (const uint32_t size : sizes) {
    EXPECT_EQ(See(size, 0, size), Seen::kRight) << size;
    EXPECT_EQ(See(size, 0, size, {.promote = false}), Seen::kRight) << size;
  }
  EXPECT_EQ(See(999, 0, 1), Seen::kMiss);
}

TEST_F(StoreTest, AViewKeepsItsBytesThroughEvictionAndErasure) {
  StoreOptions options = SmallOptions(0);
  Open(options);
  PutBlock(1, kMiB);
  const View view = store_->Lookup(Key(1), 4096, 8192);
  ASSERT_TRUE(view);
  store_->Erase(Key(1));
  EXPECT_FALSE(store_->Lookup(Key(1), 0, 1));
  for (uint64_t n = 2; n < 40; ++n) PutBlock(n, kMiB);
  EXPECT_TRUE(std::ranges::equal(view.bytes(), Pattern(Key(1), 4096, 8192)));
  EXPECT_TRUE(view.Verify(4096));
}

TEST_F(StoreTest, MemoryStaysWithinItsBoundAndEvicts) {
  Open(SmallOptions(0));
  for (uint64_t n = 0; n < 100; ++n) PutBlock(n, 300 * 1024 + static_cast<uint32_t>(n));
  const StoreStats stats = store_->stats();
  EXPECT_LE(stats.memory_resident_bytes, stats.memory_capacity_bytes);
  EXPECT_GT(stats.memory_evictions, 50u);
  EXPECT_GT(stats.blocks, 15u);
}

TEST_F(StoreTest, WhatLeftMemoryComesUpFromDisk) {
  Open(SmallOptions());
  for (uint64_t n = 0; n < 30; ++n) PutAndFlush(n, kMiB);
  Flushed();
  int from_disk = 0;
  for (uint64_t n = 0; n < 30; ++n) {
    if (!store_->Probe(Key(n))->in_memory) ++from_disk;
    EXPECT_EQ(See(n, 0, kMiB), Seen::kRight) << n;
  }
  EXPECT_GT(from_disk, 15);
}

TEST_F(StoreTest, RestartsWarmWithoutReadingData) {
  Open(SmallOptions());
  for (uint64_t n = 0; n < 30; ++n) PutAndFlush(n, 512 * 1024 + static_cast<uint32_t>(n));
  Reopen(SmallOptions());
  EXPECT_EQ(Disk().blocks, 30u);
  EXPECT_EQ(Disk().reads, 0u);
  for (uint64_t n = 0; n < 30; ++n) {
    EXPECT_EQ(See(n, 0, 512 * 1024 + static_cast<uint32_t>(n)), Seen::kRight);
  }
}

TEST_F(StoreTest, TellsTheBlocksOfAnAttachmentAlsoAfterARestart) {
  const auto blocks_of = [this](uint64_t attachment) {
    std::vector<BlockKey> all;
    for (uint32_t stripe = 0; stripe < Store::kStripes; ++stripe) {
      const auto some = store_->BlocksOf(attachment, stripe);
      all.insert(all.end(), some.begin(), some.end());
    }
    std::ranges::sort(all);
    return all;
  };
  std::vector<BlockKey> first, second;
  Open(SmallOptions());
  for (uint64_t n = 0; n < 40; ++n) {
    PutBlock(n, 100'000, n == 7 ? BlockClass::kDirty : BlockClass::kData, n % 3 == 0 ? 1 : 2);
    if (n != 7) (n % 3 == 0 ? first : second).push_back(Key(n));
  }
  std::ranges::sort(first);
  std::ranges::sort(second);
  EXPECT_EQ(blocks_of(1), first);
  EXPECT_EQ(blocks_of(2), second);
  ASSERT_TRUE(world_.Run(store_->MakeDurable(env(), {Key(7)})));
  Flushed();
  Reopen(SmallOptions());
  EXPECT_EQ(blocks_of(1), first);
  for (const BlockKey& key : first) store_->Erase(key);
  EXPECT_TRUE(blocks_of(1).empty());
  EXPECT_EQ(blocks_of(2), second);
  EXPECT_TRUE(blocks_of(3).empty());
}

TEST_F(StoreTest, ComesToTheDiskWithinASecondByItself) {
  Open(SmallOptions());
  PutBlock(1, 4096);
  EXPECT_FALSE(store_->Probe(Key(1))->on_disk);
  world_.RunFor(std::chrono::seconds(1));
  EXPECT_TRUE(store_->Probe(Key(1))->on_disk);
}

Task<Result<void>> FillPages(Env& env, Store& store, BlockKey key, uint32_t length, uint32_t offset,
                             uint32_t size) {
  FB_CO_ASSIGN(Fill fill, co_await store.BeginFill(env, key, {1, length, BlockClass::kData}));
  store_testing::FillPattern(key, offset, fill.buffer().subspan(offset, size));
  fill.Commit(offset, size);
  co_return Result<void>();
}

TEST_F(StoreTest, FillsPageByPageAcrossRestarts) {
  Open(SmallOptions());
  constexpr uint32_t kLength = 64 * 1024 - 100;
  ASSERT_TRUE(world_.Run(FillPages(env(), *store_, Key(1), kLength, 8192, 4096)));
  EXPECT_EQ(See(1, 8192, 4096), Seen::kRight);
  EXPECT_EQ(See(1, 8192, 4097), Seen::kMiss);
  EXPECT_EQ(See(1, 0, 8), Seen::kMiss);
  Reopen(SmallOptions());
  EXPECT_EQ(See(1, 8192, 4096, {.promote = false}), Seen::kRight);
  EXPECT_EQ(See(1, 12288, 8, {.promote = false}), Seen::kMiss);
  ASSERT_TRUE(world_.Run(FillPages(env(), *store_, Key(1), kLength, 0, 8192)));
  Flushed();
  ASSERT_TRUE(world_.Run(FillPages(env(), *store_, Key(1), kLength, 12288, kLength - 12288)));
  EXPECT_TRUE(store_->Probe(Key(1))->complete);
  Reopen(SmallOptions());
  EXPECT_TRUE(store_->Probe(Key(1))->complete);
  EXPECT_EQ(See(1, 0, kLength), Seen::kRight);
}

TEST_F(StoreTest, ABlockErasedWhileItIsRewrittenCanBeFilledAnew) {
  Open(SmallOptions());
  constexpr uint32_t kLength = 64 * 1024;
  ASSERT_TRUE(world_.Run(FillPages(env(), *store_, Key(1), kLength, 0, 4096)));
  Flushed();
  ASSERT_TRUE(world_.Run(FillPages(env(), *store_, Key(1), kLength, 8192, 4096)));
  node_.disk("/cache").StallFor(std::chrono::seconds(1));
  world_.RunFor(std::chrono::milliseconds(500));  // the rewriting has begun and hangs
  store_->Erase(Key(1));
  EXPECT_EQ(See(1, 0, 4096), Seen::kMiss);
  Flushed();
  PutBlock(1, kLength);
  EXPECT_EQ(See(1, 0, kLength), Seen::kRight);
}

TEST_F(StoreTest, OneFillAtATimeAndAnEmptyOneLeavesNothing) {
  Open(SmallOptions());
  {
    auto fill = world_.Run(store_->BeginFill(env(), Key(1), {1, 4096, BlockClass::kData}));
    ASSERT_TRUE(fill);
    auto second = world_.Run(store_->BeginFill(env(), Key(1), {1, 4096, BlockClass::kData}));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), Code::kInUse);
    auto other = world_.Run(store_->BeginFill(env(), Key(1), {1, 4097, BlockClass::kData}));
    EXPECT_EQ(other.error().code(), Code::kInvalidArgument);
  }
  EXPECT_FALSE(store_->Probe(Key(1)));
}

TEST_F(StoreTest, RefusesPagesWhoseChecksumsDoNotMatch) {
  Open(SmallOptions());
  auto fill = world_.Run(store_->BeginFill(env(), Key(1), {1, 8192, BlockClass::kData}));
  ASSERT_TRUE(fill);
  store_testing::FillPattern(Key(1), 0, fill->buffer());
  std::vector<uint32_t> crcs(2);
  ComputeCrcs(Key(1), 0, fill->buffer(), crcs.data());
  fill->buffer()[5000] ^= std::byte{1};
  EXPECT_EQ(fill->CommitVerified(0, 8192, crcs).error().code(), Code::kCorrupt);
  EXPECT_FALSE(store_->Lookup(Key(1), 0, 1));
  fill->buffer()[5000] ^= std::byte{1};
  EXPECT_TRUE(fill->CommitVerified(0, 8192, crcs));
  EXPECT_EQ(See(1, 0, 8192), Seen::kRight);
}

/// To compute them anew would vouch for whatever happened to the bytes since they were checked.
TEST_F(StoreTest, KeepsTheChecksumsThatTheBytesCameWith) {
  Open(SmallOptions());
  auto fill = world_.Run(store_->BeginFill(env(), Key(1), {1, 10'000, BlockClass::kData}));
  ASSERT_TRUE(fill);
  store_testing::FillPattern(Key(1), 0, fill->buffer());
  std::vector<uint32_t> crcs(3);
  ComputeCrcs(Key(1), 0, fill->buffer(), crcs.data());
  fill->buffer()[5000] ^= std::byte{1};
  fill->Commit(0, 8192, crcs);
  EXPECT_TRUE(store_->Lookup(Key(1), 0, 4096).Verify(0));
  EXPECT_FALSE(store_->Lookup(Key(1), 4096, 4096).Verify(4096));
  fill->Commit(8192, 10'000 - 8192, std::span(crcs).last(1));
  EXPECT_TRUE(store_->Lookup(Key(1), 8192, 10'000 - 8192).Verify(8192));
}

TEST_F(StoreTest, EvictsOnDiskWithinItsSize) {
  Open(SmallOptions(16 * kMiB));
  for (uint64_t n = 0; n < 200; ++n) {
    PutAndFlush(n, 100 * 1024 + static_cast<uint32_t>(n * 1000));
  }
  Flushed();
  const DiskStats disk = Disk();
  EXPECT_GT(disk.blocks, 40u);
  EXPECT_GT(disk.used_bytes, disk.size_bytes * 9 / 10);
  int hits = 0;
  for (uint64_t n = 0; n < 200; ++n) {
    const Seen seen = See(n, 0, 100 * 1024);
    EXPECT_NE(seen, Seen::kWrong);
    if (seen == Seen::kRight) ++hits;
  }
  EXPECT_GE(hits, 40);
}

TEST_F(StoreTest, DirtyBlocksSurviveThePowerAndAreNotEvicted) {
  Open(SmallOptions(16 * kMiB));
  std::vector<BlockKey> keys;
  for (uint64_t n = 0; n < 5; ++n) {
    PutBlock(n, kMiB, BlockClass::kDirty);
    keys.push_back(Key(n));
    ASSERT_TRUE(world_.Run(store_->MakeDurable(env(), {Key(n)})));
  }
  for (uint64_t n = 100; n < 160; ++n) PutAndFlush(n, 700 * 1024);
  Flushed();
  node_.Crash();
  world_.Run(store_->Close());
  store_.reset();
  node_.Restart();
  Open(SmallOptions(16 * kMiB));
  EXPECT_EQ(store_->DirtyBlocks().size(), 5u);
  for (uint64_t n = 0; n < 5; ++n) EXPECT_EQ(See(n, 0, kMiB), Seen::kRight) << n;
  for (const BlockKey& key : keys) ASSERT_TRUE(world_.Run(store_->MarkClean(env(), key)));
  EXPECT_TRUE(store_->DirtyBlocks().empty());
  Reopen(SmallOptions(16 * kMiB));
  EXPECT_TRUE(store_->DirtyBlocks().empty());
  EXPECT_EQ(Disk().rotten_blocks, 0u);
}

TEST_F(StoreTest, DirtyDataBeyondItsShareIsRefusedAndTheRestKept) {
  StoreOptions options = SmallOptions(16 * kMiB);
  options.dram.capacity_bytes = 64 * kMiB;
  Open(options);
  uint64_t stored = 0;
  for (uint64_t n = 0; n < 16; ++n) {
    PutBlock(n, kMiB, BlockClass::kDirty);
    const auto durable = world_.Run(store_->MakeDurable(env(), {Key(n)}));
    if (durable) {
      ++stored;
    } else {
      EXPECT_EQ(durable.error().code(), Code::kIoError);
    }
  }
  EXPECT_EQ(stored, 7u);
  EXPECT_EQ(store_->DirtyBlocks().size(), 7u);
}

TEST_F(StoreTest, AFailedSyncIsALossAndNeverTriedAgain) {
  Open(SmallOptions());
  PutBlock(1, kMiB, BlockClass::kDirty);
  node_.disk("/cache").FailNextSync();
  const auto durable = world_.Run(store_->MakeDurable(env(), {Key(1)}));
  ASSERT_FALSE(durable);
  EXPECT_EQ(durable.error().code(), Code::kIoError);
  EXPECT_FALSE(store_->Probe(Key(1)));
}

TEST_F(StoreTest, TheSharesOfClassesHold) {
  StoreOptions options = SmallOptions(0);
  options.dram.kv_share = 0.25;
  Open(options);
  for (uint64_t n = 0; n < 8; ++n) PutBlock(n, 512 * 1024);
  for (uint64_t n = 100; n < 140; ++n) PutBlock(n, 256 * 1024, BlockClass::kKv);
  int kv = 0, data = 0;
  for (uint64_t n = 0; n < 8; ++n) data += store_->Probe(Key(n)).has_value();
  for (uint64_t n = 100; n < 140; ++n) kv += store_->Probe(Key(n)).has_value();
  EXPECT_EQ(data, 8);
  EXPECT_EQ(kv, 7);  // a quarter of 8 MiB, each with its trailer
}

TEST_F(StoreTest, MemoryNeverPassesFromOneAttachmentToAnother) {
  Open(SmallOptions(0));
  for (uint64_t n = 0; n < 7; ++n) PutBlock(n, kMiB, BlockClass::kData, 1);
  for (uint64_t n = 10; n < 17; ++n) PutBlock(n, kMiB, BlockClass::kData, 2);
  const auto first = store_->MemoryOf(1), second = store_->MemoryOf(2);
  for (const auto& a : first) {
    for (const auto& b : second) EXPECT_NE(a->bytes().data(), b->bytes().data());
  }
  for (uint64_t n = 10; n < 17; ++n) {
    const View view = store_->Lookup(Key(n), 0, kMiB);
    if (!view) continue;
    bool inside = false;
    for (const auto& memory : second) {
      inside |= view.bytes().data() >= memory->bytes().data() &&
                view.bytes().data() < memory->bytes().data() + memory->bytes().size();
    }
    EXPECT_TRUE(inside) << n;
  }
  EXPECT_LE(store_->stats().memory_resident_bytes, store_->stats().memory_capacity_bytes);
}

TEST_F(StoreTest, AProcessPinsNoMoreThanItsShareAndItsEndFreesAll) {
  Open(SmallOptions(0));
  for (uint64_t n = 0; n < 4; ++n) PutBlock(n, kMiB);
  PinAccount account(2 * kMiB);
  const auto first = account.Hold(store_->Lookup(Key(0), 0, kMiB));
  ASSERT_TRUE(first);
  ASSERT_TRUE(account.Hold(store_->Lookup(Key(1), 0, kMiB)));
  EXPECT_EQ(account.Hold(store_->Lookup(Key(2), 0, kMiB)).error().code(), Code::kOverloaded);
  EXPECT_TRUE(account.Release(*first));
  EXPECT_FALSE(account.Release(*first));
  EXPECT_TRUE(account.Hold(store_->Lookup(Key(2), 0, kMiB)));
  account.ReleaseAll();
  EXPECT_EQ(account.held_bytes(), 0u);
}

TEST_F(StoreTest, PinnedMemoryIsRefusedNotReused) {
  Open(SmallOptions(0));
  std::vector<View> views;
  for (uint64_t n = 0; n < 7; ++n) {
    PutBlock(n, kMiB);
    views.push_back(store_->Lookup(Key(n), 0, kMiB));
  }
  const auto put = world_.Run(Put(env(), *store_, Key(50), {1, 2 * kMiB, BlockClass::kData}));
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code(), Code::kOverloaded);
  views.clear();
  PutBlock(50, 2 * kMiB);
}

// -- Damage

TEST_F(StoreTest, ARottenPageIsAMissCountedAndRefilled) {
  Open(SmallOptions());
  PutBlock(1, kMiB);
  PutBlock(2, kMiB);
  Close();
  node_.disk("/cache").FlipBit("/cache/forebay.data", 12345, 3);
  Open(SmallOptions());
  const Seen one = See(1, 0, kMiB), two = See(2, 0, kMiB);
  EXPECT_TRUE((one == Seen::kMiss) != (two == Seen::kMiss));
  EXPECT_TRUE((one == Seen::kRight) != (two == Seen::kRight));
  EXPECT_EQ(Disk().rotten_blocks, 1u);
  PutBlock(one == Seen::kMiss ? 1 : 2, kMiB);
  EXPECT_EQ(See(1, 0, kMiB), Seen::kRight);
  EXPECT_EQ(See(2, 0, kMiB), Seen::kRight);
}

TEST_F(StoreTest, ABadRangeCostsItsBlockAndIsNotUsedAgain) {
  Open(SmallOptions());
  for (uint64_t n = 0; n < 8; ++n) PutAndFlush(n, kMiB);
  Close();
  node_.disk("/cache").FailRange("/cache/forebay.data", 2 * kMiB, 4096);
  Open(SmallOptions());
  int misses = 0;
  for (uint64_t n = 0; n < 8; ++n) {
    const Seen seen = See(n, 0, kMiB);
    EXPECT_NE(seen, Seen::kWrong);
    if (seen == Seen::kMiss) ++misses;
  }
  EXPECT_EQ(misses, 1);
  EXPECT_GE(Disk().bad_bytes, uint64_t{kMiB});
  EXPECT_FALSE(Disk().dead);
}

TEST_F(StoreTest, ADeadDiskTakesOnlyItsOwnBlocks) {
  node_.AddDisk("/disk2", {});
  StoreOptions options = SmallOptions();
  options.disks.push_back({.directory = "/disk2/cache", .size_bytes = 64 * kMiB});
  Open(options);
  for (uint64_t n = 0; n < 60; ++n) {
    PutBlock(n, 512 * 1024);
    if (n % 8 == 7) Flushed();
  }
  Flushed();
  const uint64_t on_first = store_->stats().disks[0].blocks;
  const uint64_t on_second = store_->stats().disks[1].blocks;
  EXPECT_GT(on_first, 10u);
  EXPECT_GT(on_second, 10u);
  node_.disk("/disk2").Kill();
  int misses = 0;
  for (uint64_t n = 0; n < 60; ++n) {
    const Seen seen = See(n, 0, 512 * 1024, {.promote = false});
    EXPECT_NE(seen, Seen::kWrong);
    if (seen == Seen::kMiss) ++misses;
  }
  EXPECT_LE(static_cast<uint64_t>(misses), on_second);
  EXPECT_GT(misses, 0);
  for (uint64_t n = 100; n < 120; ++n) PutAndFlush(n, 512 * 1024);
  EXPECT_TRUE(store_->stats().disks[1].dead);
  for (uint64_t n = 100; n < 120; ++n) EXPECT_EQ(See(n, 0, 512 * 1024), Seen::kRight);
}

// -- Bad input

TEST_F(StoreTest, SaysWhatIsWrongWithItsOptions) {
  StoreOptions options = SmallOptions();
  options.dram.capacity_bytes = 4096;
  EXPECT_NE(OpenFails(options).message().find("memory tier of 4 KiB"), std::string::npos);
  options = SmallOptions();
  options.disks[0].size_bytes = 0;
  EXPECT_NE(OpenFails(options).message().find("/cache"), std::string::npos);
  options = SmallOptions();
  options.max_block_bytes = 0;
  EXPECT_EQ(OpenFails(options).code(), Code::kInvalidArgument);
  options = SmallOptions();
  options.disks[0].policy = "best";
  EXPECT_NE(OpenFails(options).message().find("best"), std::string::npos);
}

TEST_F(StoreTest, RefusesFilesOfAnotherNodeAndOfARunningOne) {
  Open(SmallOptions());
  PutBlock(1, 4096);
  EXPECT_EQ(OpenFails(SmallOptions()).code(), Code::kInUse);
  Close();
  StoreOptions other = SmallOptions();
  other.node_id = {7, 7};
  const Error error = OpenFails(other);
  EXPECT_EQ(error.code(), Code::kInvalidArgument);
  EXPECT_NE(error.message().find("another node"), std::string::npos);
  Open(SmallOptions());
  EXPECT_EQ(See(1, 0, 4096), Seen::kRight);
}

Task<Result<void>> Overwrite(Env& env, std::string path, uint64_t offset, Bytes bytes) {
  FB_CO_ASSIGN(const auto file, co_await env.disk.Open(path, {.write = true}));
  FB_CO_TRY(co_await env.disk.Write(*file, offset, std::span(&bytes, 1)));
  co_return co_await env.disk.Sync(*file);
}

TEST_F(StoreTest, RefusesFilesOfAnotherVersionAndMendsADamagedSuperblock) {
  Open(SmallOptions());
  PutBlock(1, 4096);
  Close();
  // One copy damaged: the other serves, and mends it.
  for (const uint64_t copy : {0, 4096}) {
    ASSERT_TRUE(
        world_.Run(Overwrite(env(), "/cache/forebay.index", copy, AsBytes("garbage!garbage!"))));
    Open(SmallOptions());
    EXPECT_EQ(See(1, 0, 4096), Seen::kRight);
    Close();
  }
  for (const uint64_t copy : {0, 4096}) {
    ASSERT_TRUE(
        world_.Run(Overwrite(env(), "/cache/forebay.index", copy, AsBytes("garbage!garbage!"))));
  }
  const Error error = OpenFails(SmallOptions());
  EXPECT_EQ(error.code(), Code::kCorrupt);
  EXPECT_NE(error.message().find("/cache/forebay.index"), std::string::npos);
}

TEST_F(StoreTest, ATierCanGrowAndShrinkAndKeepsWhatFits) {
  Open(SmallOptions(32 * kMiB));
  for (uint64_t n = 0; n < 20; ++n) PutAndFlush(n, kMiB);
  Reopen(SmallOptions(64 * kMiB));
  EXPECT_EQ(Disk().blocks, 20u);
  for (uint64_t n = 20; n < 40; ++n) PutAndFlush(n, kMiB);
  Reopen(SmallOptions(16 * kMiB));
  EXPECT_GT(Disk().blocks, 8u);
  EXPECT_LT(Disk().blocks, 16u);
  for (uint64_t n = 0; n < 40; ++n) EXPECT_NE(See(n, 0, kMiB), Seen::kWrong);
}

TEST_F(StoreTest, ATierIsNotCutWhereDirtyDataLies) {
  Open(SmallOptions(32 * kMiB));
  for (uint64_t n = 0; n < 20; ++n) PutAndFlush(n, kMiB);
  PutBlock(50, kMiB, BlockClass::kDirty);
  ASSERT_TRUE(world_.Run(store_->MakeDurable(env(), {Key(50)})));
  Close();
  const Error error = OpenFails(SmallOptions(16 * kMiB));
  EXPECT_EQ(error.code(), Code::kInvalidArgument);
  EXPECT_NE(error.message().find("former size"), std::string::npos);
  Open(SmallOptions(32 * kMiB));
  EXPECT_EQ(See(50, 0, kMiB), Seen::kRight);
}

TEST_F(StoreTest, ABlockIsMadeDurableByOneAtATimeAndStaysSo) {
  StoreOptions options = SmallOptions(16 * kMiB);
  options.dram.capacity_bytes = 64 * kMiB;
  Open(options);
  PutBlock(1, kMiB, BlockClass::kDirty);
  PutBlock(2, kMiB, BlockClass::kDirty);
  ASSERT_TRUE(world_.Run(store_->MakeDurable(env(), {Key(1)})));
  node_.disk("/cache").FailNextSync();
  EXPECT_FALSE(world_.Run(store_->MakeDurable(env(), {Key(1), Key(2)})));
  EXPECT_EQ(See(1, 0, kMiB), Seen::kRight);  // what was acknowledged is not taken back
  EXPECT_FALSE(store_->Probe(Key(2)));
  Reopen(options);
  EXPECT_EQ(store_->DirtyBlocks(), std::vector<BlockKey>{Key(1)});
}

TEST_F(StoreTest, DirtyDataOnADeadDiskIsAnErrorAndNoMiss) {
  StoreOptions options = SmallOptions();
  options.dram.capacity_bytes = 4 * kMiB;
  Open(options);
  for (uint64_t n = 0; n < 24; ++n) {
    PutBlock(n, kMiB);
    Flushed();
  }
  PutBlock(50, kMiB, BlockClass::kDirty);
  ASSERT_TRUE(world_.Run(store_->MakeDurable(env(), {Key(50)})));
  for (uint64_t n = 60; n < 66; ++n) {
    PutBlock(n, kMiB);  // makes it leave memory
    Flushed();
  }
  node_.disk("/cache").Kill();
  for (uint64_t n = 0; n < 24; ++n) EXPECT_NE(See(n, 0, kMiB, {.promote = false}), Seen::kWrong);
  ASSERT_TRUE(Disk().dead);
  const auto seen = world_.Run(Check(env(), *store_, Key(50), 0, kMiB));
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code(), Code::kIoError);
  PutBlock(0, kMiB);  // what the disk held can be filled anew
  EXPECT_EQ(See(0, 0, kMiB), Seen::kRight);
}

TEST_F(StoreTest, BlocksLargerThanMemoryIsNowSetUpForAreReadFromDisk) {
  StoreOptions options = SmallOptions();
  options.dram.capacity_bytes = 32 * kMiB;
  Open(options);
  PutBlock(1, 2 * kMiB);
  options.max_block_bytes = 64 * 1024;
  Reopen(options);
  EXPECT_EQ(See(1, 0, 2 * kMiB), Seen::kRight);
}

TEST_F(StoreTest, AFullDeviceIsSaidByName) {
  node_.disk("/").SetCapacity(8 * kMiB);
  const Error error = OpenFails(SmallOptions());
  EXPECT_EQ(error.code(), Code::kNoSpace);
  EXPECT_NE(error.message().find("/cache"), std::string::npos);
}

TEST_F(StoreTest, RefusesBlocksOfNoSizeAndDirtyOnesWithoutADisk) {
  Open(SmallOptions(0));
  for (const uint32_t length : {0u, 3u << 20}) {
    const auto put = world_.Run(store_->BeginFill(env(), Key(1), {1, length, BlockClass::kData}));
    EXPECT_EQ(put.error().code(), Code::kInvalidArgument);
  }
  const auto dirty = world_.Run(store_->BeginFill(env(), Key(1), {1, 4096, BlockClass::kDirty}));
  EXPECT_EQ(dirty.error().code(), Code::kUnsupported);
}

/// Its readers end the moment that it hears of the drop.
class HastyWatcher final : public FrameWatcher {
 public:
  explicit HastyWatcher(Store& store) : store_(store) {}
  void Readable(const Frame&) override {}
  bool IsRead(const Frame&) override { return false; }
  bool LetGo(const Frame&) override { return true; }
  bool Dropped(Frame& frame) override {
    store_.Unpin(frame);
    ++dropped_;
    return true;
  }
  void SegmentGone(uint64_t) override {}
  int dropped() const { return dropped_; }

 private:
  Store& store_;
  int dropped_ = 0;
};

TEST_F(StoreTest, AWatcherMayGiveADroppedBlockBackAtOnce) {
  Open(SmallOptions(0));
  HastyWatcher watcher(*store_);
  ASSERT_TRUE(store_->Watch(1, watcher));
  PutBlock(1, 64 * 1024);
  store_->Erase(Key(1));
  EXPECT_EQ(watcher.dropped(), 1);
  EXPECT_FALSE(store_->Probe(Key(1)));
  store_->Unwatch(1, watcher);
  for (uint64_t n = 2; n < 200; ++n) PutBlock(n, 64 * 1024);  // its memory is of use again
}

}  // namespace
}  // namespace forebay
