// One bit of a tier's files flips, anywhere, and the store opens again: a miss at most, noticed,
// and filled anew. Thousands of times on the simulated disk, where that is cheap, and some on the
// real one.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "sim/sim_device.h"
#include "sim/world.h"
#include "src/base/test_tier.h"
#include "src/store/testing/io_testing.h"

namespace forebay {
namespace {

using store_testing::Check;
using store_testing::kBothBackends;
using store_testing::Key;
using store_testing::Put;
using store_testing::Seen;
using store_testing::TempDirectory;
using store_testing::TierOptions;

constexpr uint64_t kDataBlocks = 40;
constexpr uint64_t kDirtyBlocks = 6;
constexpr uint64_t kFirstDirty = 1000;

uint32_t LengthOf(uint64_t n) {
  return 1 + static_cast<uint32_t>(Mix64(n) % (20 * kKiB));
}

StoreOptions SmallTier(const std::string& directory, bool direct) {
  StoreOptions options = TierOptions(directory, 1280 * kKiB);
  options.dram.capacity_bytes = 256 * kKiB;
  options.max_block_bytes = 24 * kKiB;
  options.flush_delay = std::chrono::microseconds(1);
  options.disks[0].direct = direct;
  return options;
}

struct Tally {
  uint64_t flips = 0;
  uint64_t missing = 0;        // data blocks that were not there
  uint64_t dirty_corrupt = 0;  // dirty blocks that said that they are damaged
  uint64_t dirty_missing = 0;
  uint64_t rotten = 0;  // as the store counts
  uint64_t wrong = 0;
  std::string error;

  uint64_t lost() const { return missing + dirty_corrupt + dirty_missing; }
  void Print(const char* where) const {
    printf(
        "%s: %lu flips: %lu data blocks missed and filled anew, %lu dirty blocks found corrupt, "
        "%lu dirty and data "
        "records lost, %lu counted as rotten; 0 wrong bytes\n",
        where, flips, missing, dirty_corrupt, lost() - rotten, rotten);
  }
};

Task<Result<void>> PutDirty(Env& env, Store& store, uint64_t n) {
  FB_CO_TRY(co_await Put(env, store, Key(n), {1, LengthOf(n), BlockClass::kDirty}));
  co_return co_await store.MakeDurable(env, {Key(n)});
}

/// Reads every block whole, and fills what is missing.
Task<Result<void>> LookAtAll(Env& env, Store& store, Tally* tally) {
  for (uint64_t n = 0; n < kDataBlocks; ++n) {
    const ReadOptions how{.promote = (n + tally->flips) % 2 == 0};
    FB_CO_ASSIGN(const Seen seen, co_await Check(env, store, Key(n), 0, LengthOf(n), how));
    if (seen == Seen::kWrong) ++tally->wrong;
    if (seen != Seen::kMiss) continue;
    ++tally->missing;
    FB_CO_TRY(co_await Put(env, store, Key(n), {1, LengthOf(n), BlockClass::kData}));
    co_await store.AwaitFlush(env, 0);
  }
  for (uint64_t n = kFirstDirty; n < kFirstDirty + kDirtyBlocks; ++n) {
    const ReadOptions how{.promote = (n + tally->flips) % 2 == 0};
    const auto seen = co_await Check(env, store, Key(n), 0, LengthOf(n), how);
    if (seen && *seen == Seen::kWrong) ++tally->wrong;
    if (seen && *seen == Seen::kRight) continue;
    if (!seen && seen.error().code() != Code::kCorrupt) co_return Fail(seen.error());
    ++(seen ? tally->dirty_missing : tally->dirty_corrupt);
    store.Erase(Key(n));
    FB_CO_TRY(co_await PutDirty(env, store, n));
  }
  co_return Result<void>();
}

/// One life of the store over files that somebody may have damaged.
Task<void> Live(Env& env, StoreOptions options, Tally* tally) {
  auto store = co_await Store::Open(env, std::move(options));
  if (!store) {
    tally->error = store.error().ToString();
    co_return;
  }
  const auto looked = co_await LookAtAll(env, **store, tally);
  if (!looked) tally->error = looked.error().ToString();
  tally->rotten += (*store)->stats().disks[0].rotten_blocks;
  co_await (*store)->Close();
}

struct Flip {
  std::string file;
  uint64_t offset = 0;
  unsigned bit = 0;
  bool in_index = false;
};

Flip ChooseFlip(Prng& prng, const std::string& directory, uint64_t index_bytes,
                uint64_t data_bytes) {
  Flip flip{.in_index = prng.OneIn(4)};
  flip.file = directory + (flip.in_index ? "/forebay.index" : "/forebay.data");
  flip.offset = prng.Below(flip.in_index ? index_bytes : data_bytes);
  flip.bit = static_cast<unsigned>(prng.Below(8));
  return flip;
}

/// What one flip may have done.
void CheckOne(const Tally& before, const Tally& after, const Flip& flip) {
  ASSERT_EQ(after.error, "") << flip.file << " at " << flip.offset;
  ASSERT_EQ(after.wrong, 0u) << flip.file << " at " << flip.offset;
  const uint64_t lost = after.lost() - before.lost();
  ASSERT_LE(lost, 1u) << flip.file << " at " << flip.offset;
  if (!flip.in_index) ASSERT_EQ(after.rotten - before.rotten, lost) << flip.offset;
}

void CheckAll(const Tally& tally) {
  EXPECT_GT(tally.missing, 0u);
  EXPECT_GT(tally.rotten, 0u);
  if (tally.flips >= 1000) EXPECT_GT(tally.dirty_corrupt, 0u);
  if (tally.flips >= 1000) EXPECT_GT(tally.dirty_missing, 0u);
}

TEST(StoreBitFlip, IsAMissAtMostOnASimulatedDisk) {
  const std::string directory = "/cache";
  sim::World world(1);
  sim::Node& node = world.AddNode("n1");
  const StoreOptions options = SmallTier(directory, true);
  Tally tally;
  world.Run(Live(node.env(), options, &tally));
  ASSERT_EQ(tally.error, "");
  const auto index = world.Run(node.env().disk.Stat(directory + "/forebay.index"));
  const auto data = world.Run(node.env().disk.Stat(directory + "/forebay.data"));
  ASSERT_TRUE(index && data);
  tally = {};
  Prng prng(3);
  for (const uint64_t flips = ByTier(300, 10'000, 100'000); tally.flips < flips;) {
    const Flip flip = ChooseFlip(prng, directory, index->size_bytes, data->size_bytes);
    const Tally before = tally;
    node.disk(directory).FlipBit(flip.file, flip.offset, flip.bit);
    ++tally.flips;
    world.Run(Live(node.env(), options, &tally));
    ASSERT_NO_FATAL_FAILURE(CheckOne(before, tally, flip));
  }
  CheckAll(tally);
  tally.Print("simulated disk");
}

void FlipOnDisk(const Flip& flip) {
  const int fd = open(flip.file.c_str(), O_RDWR | O_CLOEXEC);
  char byte = 0;
  ASSERT_EQ(pread(fd, &byte, 1, static_cast<off_t>(flip.offset)), 1);
  byte = static_cast<char>(byte ^ (1 << flip.bit));
  ASSERT_EQ(pwrite(fd, &byte, 1, static_cast<off_t>(flip.offset)), 1);
  close(fd);
}

class StoreBitFlipIoTest : public testing::TestWithParam<IoBackend> {
 protected:
  store_testing::SilentLog silent_log_;
  TempDirectory directory_;
};

TEST_P(StoreBitFlipIoTest, IsAMissAtMost) {
  FB_LOOP_OR_SKIP(loop, GetParam());
  Tally tally;
  loop->Run(Live(loop->env(), SmallTier(directory_.path(), true), &tally));
  ASSERT_EQ(tally.error, "");
  const uint64_t index_bytes = std::filesystem::file_size(directory_.path() + "/forebay.index");
  const uint64_t data_bytes = std::filesystem::file_size(directory_.path() + "/forebay.data");
  tally = {};
  Prng prng(4);
  for (const uint64_t flips = ByTier(25, 100, 3000); tally.flips < flips;) {
    const Flip flip = ChooseFlip(prng, directory_.path(), index_bytes, data_bytes);
    const Tally before = tally;
    FlipOnDisk(flip);
    ++tally.flips;
    loop->Run(Live(loop->env(), SmallTier(directory_.path(), prng.OneIn(2)), &tally));
    ASSERT_NO_FATAL_FAILURE(CheckOne(before, tally, flip));
  }
  CheckAll(tally);
  tally.Print(std::string(IoBackendName(GetParam())).c_str());
}

INSTANTIATE_TEST_SUITE_P(Real, StoreBitFlipIoTest, testing::ValuesIn(kBothBackends),
                         [](const auto& info) { return std::string(IoBackendName(info.param)); });

}  // namespace
}  // namespace forebay
