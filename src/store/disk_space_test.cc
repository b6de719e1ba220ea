#include "src/store/disk_space.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/world.h"
#include "src/base/units.h"
#include "src/core/extents/extent_allocator.h"

namespace forebay {
namespace {

constexpr uint32_t kTierPages = 1200;
constexpr uint32_t kRecords = 200;

/// A tier without files.
class DiskSpaceTest : public testing::Test {
 protected:
  /// Blocks of `pages` pages side by side, with `gap` free pages behind each.
  void AdoptRows(uint32_t pages, uint32_t gap) { AdoptRows(space_, pages, gap); }
  static void AdoptRows(DiskSpace& space, uint32_t pages, uint32_t gap) {
    std::vector<Extent> taken;
    for (uint32_t first = 0; first + pages <= kTierPages; first += pages + gap) {
      const auto n = static_cast<uint32_t>(taken.size());
      space.Adopt(n, {.key = {{.hi = n, .lo = n}},
                      .length = pages * kPageBytes - kPageBytes / 2,
                      .first_page = first,
                      .disk = 0});
      taken.push_back({first, pages});
    }
    space.AdoptGaps(taken);
  }
  /// By how much what a tier keeps grows as all of its blocks are dropped.
  int64_t GrowthByDropping(const std::string& policy) {
    Index index{16384, kRecords};
    DramTier dram{memory_, index, {.capacity_bytes = kMiB, .max_block_bytes = kMiB / 2}};
    DiskSpace space{index, dram, {.data_pages = kTierPages, .records = kRecords, .policy = policy}};
    AdoptRows(space, 10, 2);
    const uint64_t before = space.usage().memory_bytes;
    for (uint64_t n = 0; n < 100; ++n) EXPECT_TRUE(space.Drop({{.hi = n, .lo = n}}, false));
    return static_cast<int64_t>(space.usage().memory_bytes - before);
  }

  sim::World world_{1};
  Memory& memory_ = world_.AddNode("n1").env().memory;
  Index index_{16384, kRecords};
  DramTier dram_{memory_, index_, {.capacity_bytes = kMiB, .max_block_bytes = kMiB / 2}};
  DiskSpace space_{index_, dram_, {.data_pages = kTierPages, .records = kRecords, .policy = "lru"}};
};

TEST_F(DiskSpaceTest, ClearsARunForALargeBlockAcrossTheGapsBetweenSmallOnes) {
  AdoptRows(10, 2);
  ASSERT_EQ(space_.usage().blocks, 100u);
  // There are 200 free pages, but no two gaps touch.
  const auto place = space_.Allocate(100, BlockClass::kData);
  ASSERT_TRUE(place) << place.error().ToString();
  EXPECT_EQ(place->extent.pages, 100u);
  const DiskSpace::Usage usage = space_.usage();
  EXPECT_EQ(usage.free_pages, 200u + usage.evictions * 10 - 100);
  EXPECT_LE(usage.evictions, 9u);  // and no more than the run needs
}

TEST_F(DiskSpaceTest, WhatIsDroppedLeavesNoGhost) {
  // The one keeps ghosts of what was evicted, the other nothing.
  EXPECT_EQ(GrowthByDropping("arc"), GrowthByDropping("lru"));
}

}  // namespace
}  // namespace forebay
