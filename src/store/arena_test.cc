#include "src/store/arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "src/base/checksum.h"
#include "src/base/units.h"

namespace forebay {
namespace {

/// Remembers what was announced of each segment, and not given back since.
class NotedMemory final : public Memory {
 public:
  using Ranges = std::map<uint64_t, uint64_t>;  // begin, end; in bytes

  Result<std::unique_ptr<SharedMemory>> Reserve(std::string_view, uint64_t size) override {
    announced.emplace_back();
    return std::make_unique<Noted>(size, *this, announced.size() - 1);
  }
  uint64_t Announced(size_t segment) const {
    uint64_t bytes = 0;
    for (const auto& [begin, end] : announced[segment]) bytes += end - begin;
    return bytes;
  }

  std::vector<Ranges> announced;  // by segment in the order of their making

 private:
  class Noted final : public SharedMemory {
   public:
    Noted(uint64_t size, NotedMemory& notes, size_t number)
        : size_(size), notes_(notes), number_(number) {}
    MutableBytes bytes() override { return {}; }
    Result<void> Punch(uint64_t offset, uint64_t size) override {
      Ranges& ranges = notes_.announced[number_];
      Ranges kept;
      for (const auto& [begin, end] : ranges) {
        if (begin < offset) kept[begin] = std::min(end, offset);
        if (end > offset + size) kept[std::max(begin, offset + size)] = end;
      }
      ranges = std::move(kept);
      return {};
    }
    void WillUse(uint64_t offset, uint64_t size) override {
      EXPECT_GT(size, 0u);
      EXPECT_LE(offset + size, size_);
      for (const auto& [begin, end] : notes_.announced[number_]) {
        EXPECT_TRUE(offset >= end || offset + size <= begin) << "announced twice";
      }
      notes_.announced[number_][offset] = offset + size;
    }
    int ReadOnlyDescriptor() override { return -1; }

   private:
    const uint64_t size_;
    NotedMemory& notes_;
    const size_t number_;
  };
};

constexpr uint32_t kBlockPages = 4 * kMiB / kPageBytes;
constexpr uint32_t kSegmentPages = 16 * kBlockPages;

uint32_t PagesOf(uint64_t bytes) {
  return static_cast<uint32_t>(bytes / kPageBytes);
}

Arena::Run MustGrow(Arena& arena, uint16_t domain, uint32_t pages) {
  const auto run = arena.Grow(domain, pages);
  EXPECT_TRUE(run.has_value() && run->has_value());
  return **run;
}

TEST(Arena, AnnouncesAsMuchAsASmallAttachmentHas) {
  NotedMemory memory;
  Arena arena(memory, PagesOf(kGiB), kSegmentPages);
  MustGrow(arena, 1, 2);
  EXPECT_EQ(memory.Announced(0), 0u);
  for (uint32_t used = 2; used + kBlockPages <= kSegmentPages; used += kBlockPages) {
    EXPECT_LE(memory.Announced(0), 2 * uint64_t{used} * kPageBytes);
    MustGrow(arena, 1, kBlockPages);
    EXPECT_GE(memory.Announced(0) / kPageBytes, used + kBlockPages - 2);
  }
}

TEST(Arena, AnnouncesLittleForManyAttachments) {
  NotedMemory memory;
  Arena arena(memory, PagesOf(kGiB), kSegmentPages);
  for (uint16_t domain = 0; domain < 250; ++domain) MustGrow(arena, domain, kBlockPages / 2);
  EXPECT_LE(arena.ahead_pages(), PagesOf(32 * kMiB));
}

TEST(Arena, WhoGrowsIsNotKeptWaitingByWhoDoesNotAnyMore) {
  NotedMemory memory;
  Arena arena(memory, PagesOf(4 * kGiB), kSegmentPages);
  for (uint16_t domain = 0; domain < 8; ++domain) {
    for (int block = 0; block < 8; ++block) MustGrow(arena, domain, kBlockPages);
  }
  uint64_t ready = 0, grown = 0;
  for (int block = 0; block < 300; ++block) {
    const Arena::Run run = MustGrow(arena, 9, kBlockPages);
    const uint64_t end = uint64_t{run.extent.first + run.extent.pages} * kPageBytes;
    for (const auto& [begin, until] : memory.announced.back()) ready += end <= until ? 1 : 0;
    ++grown;
  }
  EXPECT_GT(ready, grown / 2);
  EXPECT_LE(arena.ahead_pages(), PagesOf(32 * kMiB));
}

TEST(Arena, AnnouncesNothingBeyondTheCapacityNorWhatNoBlockFits) {
  NotedMemory memory;
  Arena arena(memory, 64 * kBlockPages, kSegmentPages + 100);
  for (int block = 0; block < 16; ++block) MustGrow(arena, 1, kBlockPages);
  EXPECT_EQ(arena.ahead_pages(), 0u);  // 100 pages are left of this segment
  for (int block = 16; block < 64; ++block) MustGrow(arena, 1, kBlockPages);
  EXPECT_EQ(arena.ahead_pages(), 0u);
  EXPECT_FALSE(arena.Grow(1, 1)->has_value());
}

TEST(Arena, AnnouncesNothingAgainThatWasGivenBack) {
  NotedMemory memory;
  Arena arena(memory, PagesOf(kGiB), kSegmentPages);
  std::vector<Arena::Run> runs;
  for (int block = 0; block < 12; ++block) runs.push_back(MustGrow(arena, 1, kBlockPages));
  for (int block = 2; block < 8; ++block) arena.Free(runs[static_cast<size_t>(block)]);
  EXPECT_TRUE(arena.GiveBackIdle());
  const uint64_t left = memory.Announced(0);
  MustGrow(arena, 1, kBlockPages);
  MustGrow(arena, 1, 7 * kBlockPages);
  EXPECT_LE(memory.Announced(0), left + 8 * uint64_t{kBlockPages} * kPageBytes);
  for (const auto& [begin, end] : memory.announced[0]) {
    const uint64_t back = uint64_t{runs[2].extent.first} * kPageBytes;
    EXPECT_FALSE(begin <= back && back < end);
  }
}

TEST(Arena, WhatIsAheadGoesWithItsSegment) {
  NotedMemory memory;
  Arena arena(memory, PagesOf(kGiB), kSegmentPages);
  const Arena::Run run = MustGrow(arena, 1, kBlockPages);
  EXPECT_EQ(arena.ahead_pages(), kBlockPages);
  arena.Free(run);
  EXPECT_TRUE(arena.GiveBackIdle());
  EXPECT_EQ(arena.ahead_pages(), 0u);
  EXPECT_EQ(arena.resident_pages(), 0u);
}

}  // namespace
}  // namespace forebay
