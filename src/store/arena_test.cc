#include "src/store/arena.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "src/base/checksum.h"
#include "src/base/units.h"

namespace forebay {
namespace {

/// Remembers up to where each segment's memory was announced.
class NotedMemory final : public Memory {
 public:
  Result<std::unique_ptr<SharedMemory>> Reserve(std::string_view, uint64_t size) override {
    announced.push_back(0);
    return std::make_unique<Noted>(size, announced, announced.size() - 1);
  }

  std::vector<uint64_t> announced;  // bytes, by segment in the order of their making

 private:
  class Noted final : public SharedMemory {
   public:
    Noted(uint64_t size, std::vector<uint64_t>& announced, size_t number)
        : size_(size), announced_(announced), number_(number) {}
    MutableBytes bytes() override { return {}; }
    Result<void> Punch(uint64_t, uint64_t) override { return {}; }
    void WillUse(uint64_t offset, uint64_t size) override {
      EXPECT_EQ(offset, announced_[number_]);  // each page once, in order
      EXPECT_GT(size, 0u);
      EXPECT_LE(offset + size, size_);
      announced_[number_] = offset + size;
    }
    int ReadOnlyDescriptor() override { return -1; }

   private:
    const uint64_t size_;
    std::vector<uint64_t>& announced_;
    const size_t number_;
  };
};

constexpr uint32_t kBlockPages = 4 * kMiB / kPageBytes;
constexpr uint32_t kSegmentPages = 16 * kBlockPages;

uint32_t PagesOf(uint64_t bytes) {
  return static_cast<uint32_t>(bytes / kPageBytes);
}

void MustGrow(Arena& arena, uint16_t domain, uint32_t pages) {
  const auto run = arena.Grow(domain, pages);
  ASSERT_TRUE(run.has_value() && run->has_value());
}

TEST(Arena, AnnouncesAsMuchAsASmallAttachmentHas) {
  NotedMemory memory;
  Arena arena(memory, PagesOf(kGiB), kSegmentPages);
  MustGrow(arena, 1, 2);
  EXPECT_EQ(memory.announced[0], 2 * kMiB);
  for (uint32_t used = 2; used + kBlockPages <= kSegmentPages; used += kBlockPages) {
    EXPECT_LE(memory.announced[0], RoundUp(2 * uint64_t{used} * kPageBytes, 2 * kMiB));
    MustGrow(arena, 1, kBlockPages);
    EXPECT_GE(memory.announced[0] / kPageBytes, used + kBlockPages);
  }
}

TEST(Arena, AnnouncesLittleForManyAttachments) {
  NotedMemory memory;
  Arena arena(memory, PagesOf(kGiB), kSegmentPages);
  for (uint16_t domain = 0; domain < 1000; ++domain) MustGrow(arena, domain, 1);
  EXPECT_LE(arena.ahead_pages(), PagesOf(34 * kMiB));
  uint64_t announced = 0;
  for (const uint64_t bytes : memory.announced) announced += bytes;
  EXPECT_LE(announced, 34 * kMiB + 1000 * kPageBytes);
}

TEST(Arena, AnnouncesNothingBeyondTheCapacity) {
  NotedMemory memory;
  Arena arena(memory, 5 * kBlockPages, kSegmentPages);
  for (int block = 0; block < 5; ++block) {
    MustGrow(arena, 1, kBlockPages);
    EXPECT_LE(memory.announced[0], 5 * uint64_t{kBlockPages} * kPageBytes);
  }
  EXPECT_EQ(arena.ahead_pages(), 0u);
  EXPECT_FALSE(arena.Grow(1, 1)->has_value());
}

TEST(Arena, WhatIsAheadGoesWithItsSegment) {
  NotedMemory memory;
  Arena arena(memory, PagesOf(kGiB), kSegmentPages);
  const auto run = arena.Grow(1, kBlockPages);
  ASSERT_TRUE(run.has_value() && run->has_value());
  EXPECT_EQ(arena.ahead_pages(), kBlockPages);
  arena.Free(**run);
  EXPECT_TRUE(arena.GiveBackIdle());
  EXPECT_EQ(arena.ahead_pages(), 0u);
  EXPECT_EQ(arena.resident_pages(), 0u);
}

}  // namespace
}  // namespace forebay
