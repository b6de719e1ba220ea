#include "sim/sim_file_image.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "sim/sim_names.h"
#include "src/base/units.h"

namespace forebay::sim {
namespace {

std::vector<std::byte> Noise(uint64_t seed, size_t size) {
  Prng prng(seed);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(prng.Next());
  return bytes;
}

std::vector<std::byte> Filled(size_t size, int value) {
  return std::vector<std::byte>(size, static_cast<std::byte>(value));
}

void Write(SimFileImage& file, uint64_t offset, const std::vector<std::byte>& bytes) {
  const Bytes parts[] = {bytes};
  file.Write(offset, parts);
}

std::vector<std::byte> Read(const SimFileImage& file, uint64_t offset, size_t size) {
  std::vector<std::byte> bytes(size);
  bytes.resize(file.Read(offset, bytes));
  return bytes;
}

TEST(RangeSet, AgreesWithABitmapUnderRandomUse) {
  RangeSet set;
  std::vector<bool> model(300);
  Prng prng(3);
  for (int i = 0; i < 5000; ++i) {
    const uint64_t from = prng.Below(300), to = from + prng.Below(300 - from + 1);
    const auto begin = model.begin() + static_cast<long>(from);
    const auto end = model.begin() + static_cast<long>(to);
    ASSERT_EQ(set.MissingIn(from, to), static_cast<uint64_t>(std::count(begin, end, false)));
    const bool add = prng.OneIn(2);
    add ? set.Add(from, to) : set.Remove(from, to);
    std::fill(begin, end, add);
    ASSERT_EQ(set.total_bytes(), static_cast<uint64_t>(std::count(model.begin(), model.end(), 1)));
  }
}

TEST(Page, RepeatedWordsAndNoiseReadBackAtAnyOffset) {
  for (const auto& bytes :
       {Noise(1, kPageBytes), Filled(kPageBytes, 0xab), Filled(kPageBytes, 0)}) {
    const Page page = Page::Of(bytes);
    for (const size_t from : {0, 1, 7, 8, 513, 4090}) {
      std::vector<std::byte> got(std::min<size_t>(77, kPageBytes - from));
      page.CopyTo(from, got);
      EXPECT_TRUE(std::equal(got.begin(), got.end(), bytes.begin() + static_cast<long>(from)));
    }
  }
}

TEST(SimFileImage, AgreesWithAFlatFileUnderRandomUse) {
  SimFileImage file;
  std::vector<std::byte> model;
  Prng prng(5);
  for (int i = 0; i < 2000; ++i) {
    const uint64_t offset = prng.Below(50'000), size = prng.Below(10'000);
    if (prng.OneIn(10)) {
      file.Resize(offset, prng.OneIn(2));
      model.resize(offset);
    } else {
      const auto bytes = prng.OneIn(2) ? Noise(i, size) : Filled(size, i);
      if (size > 0 && model.size() < offset + size) model.resize(offset + size);
      std::copy(bytes.begin(), bytes.end(), model.begin() + static_cast<long>(size ? offset : 0));
      const size_t half = size / 3;  // gathered from three parts, one of them empty
      const Bytes parts[] = {Bytes(bytes).first(half), {}, Bytes(bytes).subspan(half)};
      file.Write(offset, parts);
    }
    if (prng.OneIn(20)) file.SyncThrough(file.mark());
    ASSERT_EQ(file.size_bytes(), model.size());
    ASSERT_EQ(Read(file, 0, 100'000), model) << i;
  }
}

TEST(SimFileImage, RepeatedPatternsAndHolesCostNoPages) {
  SimFileImage file;
  file.Resize(kTiB, true);
  EXPECT_EQ(file.allocated_bytes(), kTiB);
  EXPECT_EQ(file.resident_pages(), 0u);
  Write(file, kGiB, Filled(kMiB, 0));
  EXPECT_EQ(file.resident_pages(), 0u);
  EXPECT_EQ(file.GrowthFor(0, kTiB), 0u);
  EXPECT_EQ(file.GrowthFor(kTiB - 1, 2), kPageBytes);
}

TEST(SimFileImage, WhatWasSyncedSurvivesEveryCrash) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    Prng prng(seed);
    SimFileImage file;
    const auto synced = Noise(seed, 20'000);
    Write(file, 0, synced);
    file.SyncThrough(file.mark());
    Write(file, 20'000, Noise(seed + 1, 9'000));
    file.Crash(prng, CrashRates{});
    ASSERT_EQ(Read(file, 0, 20'000), synced) << "seed " << seed;
    ASSERT_EQ(file.unsynced(), 0u);
  }
}

TEST(SimFileImage, AnUnsyncedWriteIsKeptLostOrTornByWholeSectors) {
  int kept = 0, lost = 0, torn = 0;
  const auto old = Filled(16 * kKiB, 1), fresh = Noise(9, 16 * kKiB);
  for (uint64_t seed = 0; seed < 500; ++seed) {
    Prng prng(seed);
    SimFileImage file;
    Write(file, 0, old);
    file.SyncThrough(file.mark());
    Write(file, 0, fresh);
    const CrashTally tally = file.Crash(prng, CrashRates{});
    const auto now = Read(file, 0, old.size());
    const bool is_kept = now == fresh, is_lost = now == old;
    for (size_t at = 0; at < now.size(); at += kSectorBytes) {
      const auto is = [&](const std::vector<std::byte>& of) {
        return std::equal(now.begin() + at, now.begin() + at + kSectorBytes, of.begin() + at);
      };
      ASSERT_TRUE(is(old) || is(fresh)) << "seed " << seed << " sector at " << at;
    }
    ASSERT_EQ(tally.writes_kept, is_kept ? 1u : 0u);
    ASSERT_EQ(tally.writes_torn, is_kept || is_lost ? 0u : 1u);
    ++(is_kept ? kept : is_lost ? lost : torn);
  }
  EXPECT_GT(kept, 50);
  EXPECT_GT(lost, 50);
  EXPECT_GT(torn, 50);
}

uint64_t TornOfManyCrashes(uint64_t offset, uint64_t size) {
  uint64_t torn = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Prng prng(seed);
    SimFileImage file;
    Write(file, 0, Filled(kSectorBytes, 1));
    file.SyncThrough(file.mark());
    Write(file, offset, Filled(size, 2));
    torn += file.Crash(prng, CrashRates{}).writes_torn;
  }
  return torn;
}

TEST(SimFileImage, ASectorIsNeverTornButWhatIsCopiedIntoAPageMayBe) {
  EXPECT_EQ(TornOfManyCrashes(0, kSectorBytes), 0u);
  EXPECT_GT(TornOfManyCrashes(64, 64), 0u);
  EXPECT_EQ(TornOfManyCrashes(64, 8), 0u);
}

TEST(SimFileImage, LaterWritesMaySurviveEarlierOnes) {
  uint64_t reordered = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Prng prng(seed);
    SimFileImage file;
    Write(file, 0, Filled(kPageBytes, 1));
    Write(file, kPageBytes, Filled(kPageBytes, 2));
    file.Crash(prng, CrashRates{});
    const auto first = Read(file, 0, 1), second = Read(file, kPageBytes, 1);
    const bool first_lost = first.empty() || first[0] == std::byte{0};
    reordered += first_lost && !second.empty() && second[0] == std::byte{2} ? 1 : 0;
  }
  EXPECT_GT(reordered, 10u);
}

TEST(SimFileImage, UnsyncedSizesMayVanish) {
  int kept = 0, lost = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Prng prng(seed);
    SimFileImage file;
    file.Resize(kMiB, true);
    file.Crash(prng, CrashRates{});
    ++(file.size_bytes() == kMiB ? kept : lost);
    EXPECT_EQ(file.allocated_bytes(), file.size_bytes());
  }
  EXPECT_GT(kept, 20);
  EXPECT_GT(lost, 20);
}

TEST(SimFileImage, AFailedSyncLosesForGoodWhatItCovered) {
  int seen_and_lost = 0, seen_lost = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Prng prng(seed);
    SimFileImage file;
    Write(file, 0, Filled(kPageBytes, 1));
    file.SyncThrough(file.mark());
    Write(file, 0, Filled(kPageBytes, 2));
    const bool visible = prng.OneIn(2);
    file.FailSyncThrough(file.mark(), visible, prng, {.keep = 0, .lose = 1});
    const bool seen = Read(file, 0, 1)[0] == std::byte{2};
    EXPECT_EQ(seen, visible);
    file.SyncThrough(file.mark());  // succeeds, and brings nothing back
    file.Crash(prng, CrashRates{});
    EXPECT_EQ(Read(file, 0, 1)[0], std::byte{1});
    ++(seen ? seen_and_lost : seen_lost);
  }
  EXPECT_GT(seen_and_lost, 0);
  EXPECT_GT(seen_lost, 0);
}

TEST(SimFileImage, AFlippedBitStaysFlippedWhateverWasSynced) {
  Prng prng(1);
  for (const bool synced : {true, false}) {
    SimFileImage file;
    Write(file, 0, Filled(2 * kPageBytes, 7));
    if (synced) file.SyncThrough(file.mark());
    file.FlipBit(kPageBytes + 5, 3);
    EXPECT_EQ(Read(file, kPageBytes + 5, 1)[0], std::byte{15});
    EXPECT_EQ(Read(file, kPageBytes + 4, 1)[0], std::byte{7});
    file.SyncThrough(file.mark());
    file.Crash(prng, CrashRates{});
    EXPECT_EQ(Read(file, kPageBytes + 5, 1)[0], std::byte{15});
  }
}

TEST(SimFileImage, WhatNobodySyncsIsBounded) {
  SimFileImage file;
  for (int i = 0; i < 10'000; ++i) Write(file, 0, Noise(i, 100));
  EXPECT_LT(file.unsynced(), 2000u);
}

InodeRef NewInode(std::shared_ptr<uint64_t> used) {
  auto inode = std::make_shared<Inode>(std::make_shared<InodeNumbers>());
  inode->used_bytes = std::move(used);
  return inode;
}

TEST(SimNames, SyncedNamesSurviveAndOthersMayVanish) {
  int renamed = 0, old_name = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Prng prng(seed);
    const auto used = std::make_shared<uint64_t>(0);
    SimNames names("/", NewInode(used));
    names.Link("/a", NewInode(used));
    names.SyncDirectory("/");
    names.Rename("/a", "/b");
    names.Crash(prng);
    EXPECT_NE(names.Find("/a") == nullptr, names.Find("/b") == nullptr);  // one of them, always
    ++(names.Find("/b") != nullptr ? renamed : old_name);
  }
  EXPECT_GT(renamed, 10);
  EXPECT_GT(old_name, 10);
}

TEST(SimNames, ALostDirectoryTakesWhatItHeldWithIt) {
  int lost = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Prng prng(seed);
    const auto used = std::make_shared<uint64_t>(0);
    SimNames names("/", NewInode(used));
    const InodeRef directory = NewInode(used);
    directory->directory = true;
    names.Link("/d", directory);
    names.Link("/d/f", NewInode(used));
    names.SyncDirectory("/d");  // but not "/"
    names.Crash(prng);
    EXPECT_EQ(names.Find("/d") == nullptr, names.Find("/d/f") == nullptr);
    lost += names.Find("/d") == nullptr ? 1 : 0;
  }
  EXPECT_GT(lost, 5);
}

TEST(SimNames, PathsAreNormal) {
  EXPECT_EQ(NormalPath("//a/./b/"), "/a/b");
  EXPECT_EQ(NormalPath(""), "/");
  EXPECT_EQ(ParentPath("/a/b"), "/a");
  EXPECT_EQ(ParentPath("/a"), "/");
}

}  // namespace
}  // namespace forebay::sim
