// Blocks that are on disk in part, while the other things of life happen to them.
#include <gtest/gtest.h>

#include "sim/sim_device.h"
#include "sim/world.h"
#include "src/base/units.h"
#include "src/store/testing/patterns.h"

namespace forebay {
namespace {

using store_testing::Check;
using store_testing::FillPattern;
using store_testing::Key;
using store_testing::Put;
using store_testing::Seen;

constexpr uint32_t kLength = 64 * kKiB;

class PartialBlockTest : public testing::Test {
 protected:
  Env& env() { return node_.env(); }
  void SetUp() override { Open(); }
  void TearDown() override { Close(); }
  void Open() {
    StoreOptions options;
    options.dram.capacity_bytes = 64 * kMiB;
    options.max_block_bytes = kMiB;
    options.disks.push_back({.directory = "/cache", .size_bytes = 8 * kMiB});
    auto store = world_.Run(Store::Open(env(), std::move(options)));
    ASSERT_TRUE(store) << store.error().ToString();
    store_ = std::move(*store);
  }
  void Close() {
    world_.Run(store_->Close());
    store_.reset();
  }
  Result<void> FillPage(uint64_t n, uint32_t page) {
    FB_ASSIGN(Fill fill,
              world_.Run(store_->BeginFill(env(), Key(n), {1, kLength, BlockClass::kData})));
    const uint32_t offset = page * kPageBytes;
    FillPattern(Key(n), offset, fill.buffer().subspan(offset, kPageBytes));
    fill.Commit(offset, kPageBytes);
    return {};
  }
  Seen See(uint64_t n, uint32_t page) {
    const auto seen = world_.Run(
        Check(env(), *store_, Key(n), page * kPageBytes, kPageBytes, {.promote = false}));
    EXPECT_TRUE(seen);
    return seen ? *seen : Seen::kWrong;
  }
  void Flushed() { world_.Run(store_->AwaitFlush(env(), 0)); }
  DiskStats Disk() { return store_->stats().disks.at(0); }

  sim::World world_{1};
  sim::Node& node_ = world_.AddNode("n1");
  std::unique_ptr<Store> store_;
};

TEST_F(PartialBlockTest, GoesToDiskWholeAgainAfterItsDiskCopyWasEvicted) {
  ASSERT_TRUE(FillPage(1, 0));
  Flushed();
  for (uint64_t n = 100; store_->Probe(Key(1))->on_disk && n < 200; ++n) {
    ASSERT_TRUE(world_.Run(Put(env(), *store_, Key(n), {1, kMiB, BlockClass::kData})));
    Flushed();
  }
  ASSERT_FALSE(store_->Probe(Key(1))->on_disk);
  ASSERT_TRUE(store_->Probe(Key(1))->in_memory);
  ASSERT_TRUE(FillPage(1, 1));
  Flushed();
  ASSERT_TRUE(store_->Probe(Key(1))->on_disk);
  Close();
  Open();
  EXPECT_EQ(See(1, 0), Seen::kRight);
  EXPECT_EQ(See(1, 1), Seen::kRight);
  EXPECT_EQ(See(1, 2), Seen::kMiss);
  EXPECT_EQ(Disk().rotten_blocks, 0u);
}

TEST_F(PartialBlockTest, CanBeErasedWhileItsDiskCopyIsRewritten) {
  ASSERT_TRUE(FillPage(1, 0));
  Flushed();
  ASSERT_EQ(Disk().blocks, 1u);
  node_.disk("/cache").StallFor(std::chrono::seconds(1));
  ASSERT_TRUE(FillPage(1, 1));
  world_.RunFor(std::chrono::milliseconds(500));  // it is being written, and waits for the disk
  store_->Erase(Key(1));
  Flushed();
  EXPECT_EQ(Disk().blocks, 0u);
  EXPECT_FALSE(store_->Probe(Key(1)));
  const auto again = FillPage(1, 2);
  ASSERT_TRUE(again) << again.error().ToString();
  Flushed();
  EXPECT_EQ(See(1, 0), Seen::kMiss);
  EXPECT_EQ(See(1, 2), Seen::kRight);
}

}  // namespace
}  // namespace forebay
