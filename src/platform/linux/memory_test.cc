#include "src/platform/linux/memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "src/base/units.h"

namespace forebay::platform {
namespace {

std::unique_ptr<SharedMemory> Reserve(uint64_t size) {
  auto memory = LinuxMemory().Reserve("test", size);
  EXPECT_TRUE(memory.has_value()) << memory.error().ToString();
  return std::move(*memory);
}

int ReopenForWriting(int fd) {
  return open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDWR | O_CLOEXEC);
}

TEST(Memory, ReservingCostsNothingUntilWritten) {
  // Far more than the machine has; no mlock anywhere, so RLIMIT_MEMLOCK does not matter.
  const auto memory = Reserve(4 * kTiB);
  EXPECT_EQ(memory->bytes().size(), 4 * kTiB);
  memory->bytes()[3 * kTiB] = std::byte{7};
  EXPECT_EQ(memory->bytes()[3 * kTiB], std::byte{7});
}

TEST(Memory, PunchGivesPagesBackAsZeros) {
  const auto memory = Reserve(16 * kKiB);
  std::ranges::fill(memory->bytes(), std::byte{1});
  ASSERT_TRUE(memory->Punch(4 * kKiB, 8 * kKiB).has_value());
  // Before they are looked at: reading a page of a hole through a mapping takes memory for it.
  struct stat info{};
  ASSERT_EQ(fstat(memory->ReadOnlyDescriptor(), &info), 0);
  EXPECT_EQ(info.st_blocks * 512, static_cast<long>(8 * kKiB));
  EXPECT_EQ(memory->bytes()[4 * kKiB - 1], std::byte{1});
  EXPECT_EQ(memory->bytes()[4 * kKiB], std::byte{0});
  EXPECT_EQ(memory->bytes()[12 * kKiB - 1], std::byte{0});
  EXPECT_EQ(memory->bytes()[12 * kKiB], std::byte{1});
}

TEST(Memory, PunchRefusesOddRanges) {
  const auto memory = Reserve(8 * kKiB);
  EXPECT_EQ(memory->Punch(1, 4 * kKiB).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(memory->Punch(4 * kKiB, 8 * kKiB).error().code(), Code::kInvalidArgument);
  EXPECT_TRUE(memory->Punch(0, 0).has_value());
}

TEST(Memory, WhoHoldsTheDescriptorCanOnlyRead) {
  const auto memory = Reserve(8 * kKiB);
  const int fd = memory->ReadOnlyDescriptor();
  ASSERT_GE(fd, 0);
  for (const int held : {fd, ReopenForWriting(fd)}) {
    ASSERT_GE(held, 0);
    EXPECT_EQ(mmap(nullptr, 8 * kKiB, PROT_READ | PROT_WRITE, MAP_SHARED, held, 0), MAP_FAILED);
    void* view = mmap(nullptr, 8 * kKiB, PROT_READ, MAP_SHARED, held, 0);
    ASSERT_NE(view, MAP_FAILED);
    EXPECT_NE(mprotect(view, 8 * kKiB, PROT_READ | PROT_WRITE), 0);
    memory->bytes()[5] = std::byte{9};  // our own mapping is older than the seal
    EXPECT_EQ(static_cast<const std::byte*>(view)[5], std::byte{9});
    munmap(view, 8 * kKiB);
    EXPECT_LT(pwrite(held, "x", 1, 0), 0);
    EXPECT_NE(ftruncate(held, 0), 0);
    EXPECT_NE(ftruncate(held, 1 << 20), 0);
    EXPECT_NE(fcntl(held, F_ADD_SEALS, F_SEAL_WRITE), 0);
    EXPECT_NE(fallocate(held, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
    if (held != fd) close(held);
  }
}

TEST(Memory, SealedMemoryIsNotPunchedAndSaysSo) {
  const auto memory = Reserve(8 * kKiB);
  ASSERT_GE(memory->ReadOnlyDescriptor(), 0);
  EXPECT_EQ(memory->Punch(0, 4 * kKiB).error().code(), Code::kUnsupported);
}

TEST(Memory, WhoHoldsAWritableDescriptorCannotChangeItsSize) {
  const auto memory = Reserve(8 * kKiB);
  const int fd = memory->WritableDescriptor();
  ASSERT_GE(fd, 0);
  EXPECT_EQ(memory->ReadOnlyDescriptor(), -1);  // what one may write the other cannot trust
  const auto view = LinuxMemory().Map(fd, MapAccess::kReadWrite);
  ASSERT_TRUE(view.has_value()) << view.error().ToString();
  ASSERT_EQ((*view)->bytes().size(), 8 * kKiB);
  (*view)->bytes()[4097] = std::byte{9};
  EXPECT_EQ(memory->bytes()[4097], std::byte{9});
  EXPECT_NE(ftruncate(fd, 0), 0);
  EXPECT_NE(ftruncate(fd, 1 << 20), 0);
  EXPECT_NE(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
  // Punching leaves zeros, and nothing that could end us.
  EXPECT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192), 0);
  EXPECT_EQ(memory->bytes()[4097], std::byte{0});
}

TEST(Memory, MapsWhatAnotherHandedOut) {
  const auto memory = Reserve(8 * kKiB);
  memory->bytes()[5] = std::byte{7};
  const int fd = dup(memory->ReadOnlyDescriptor());
  EXPECT_EQ(memory->WritableDescriptor(), -1);
  EXPECT_FALSE(LinuxMemory().Map(fd, MapAccess::kReadWrite).has_value());
  const auto view = LinuxMemory().Map(fd, MapAccess::kRead);
  ASSERT_TRUE(view.has_value()) << view.error().ToString();
  close(fd);
  EXPECT_EQ((*view)->bytes()[5], std::byte{7});
}

TEST(Memory, DoesNotMapWhatCouldShrink) {
  const int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  ASSERT_EQ(ftruncate(fd, 4096), 0);
  EXPECT_EQ(LinuxMemory().Map(fd, MapAccess::kRead).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(LinuxMemory().Map(-1, MapAccess::kRead).error().code(), Code::kInvalidArgument);
  close(fd);
}

TEST(Memory, WhatWillBeUsedIsThereAndKeepsItsBytes) {
  constexpr uint64_t kSize = 9 * kMiB;  // the last part fits no huge page
  const auto memory = Reserve(kSize);
  const int fd = memory->ReadOnlyDescriptor();  // sealed memory, too
  const auto there = [&] {
    struct stat info{};
    EXPECT_EQ(fstat(fd, &info), 0);
    return static_cast<uint64_t>(info.st_blocks) * 512;
  };
  memory->bytes()[3 * kMiB + 1] = std::byte{7};
  EXPECT_LT(there(), kMiB);
  memory->WillUse(0, kSize);
  for (uint64_t at = 0; at < kSize; at += 64 * kKiB) memory->bytes()[at] = std::byte{5};
  while (there() < kSize) std::this_thread::yield();
  EXPECT_EQ(memory->bytes()[3 * kMiB + 1], std::byte{7});
  for (uint64_t at = 0; at < kSize; at += 64 * kKiB) ASSERT_EQ(memory->bytes()[at], std::byte{5});
  EXPECT_EQ(std::ranges::count(memory->bytes(), std::byte{0}), kSize - kSize / (64 * kKiB) - 1);
}

/// Of the mapping at `begin`, as huge pages.
uint64_t HugeBytes(const std::byte* begin) {
  std::ifstream maps("/proc/self/smaps");
  const std::string from = fmt::format("{:x}-", reinterpret_cast<uintptr_t>(begin));
  const std::string wanted = "ShmemPmdMapped:";
  bool ours = false;
  for (std::string line; std::getline(maps, line);) {
    ours = ours || line.starts_with(from);
    if (ours && line.starts_with(wanted)) return std::stoull(line.substr(wanted.size())) * kKiB;
  }
  return 0;
}

/// Returns once all of `memory` is there.
void WaitUntilThere(SharedMemory& memory) {
  struct stat info{};
  do {
    std::this_thread::yield();
    ASSERT_EQ(fstat(memory.ReadOnlyDescriptor(), &info), 0);
  } while (static_cast<uint64_t>(info.st_blocks) * 512 < memory.bytes().size());
}

/// False where the machine gives none, or not so many. Otherwise whatever was asked for before is
/// ready.
bool MakesHugePages(LinuxMemory& platform, uint64_t size) {
  const auto unused = *platform.Reserve("unused", size);
  unused->WillUse(0, size);
  const auto behind = *platform.Reserve("behind", 4 * kKiB);
  behind->WillUse(0, 4 * kKiB);
  WaitUntilThere(*behind);
  return HugeBytes(unused->bytes().data()) == size;
}

/// As long as it takes a machine that is busy.
bool BecomesHuge(SharedMemory& memory) {
  const auto given_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (HugeBytes(memory.bytes().data()) < memory.bytes().size()) {
    if (std::chrono::steady_clock::now() > given_up) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST(Memory, WhatWasUsedBeforeItsTurnIsMadeHugeAfterwards) {
  constexpr uint64_t kSize = 16 * kMiB;
  LinuxMemory platform;
  if (!MakesHugePages(platform, kSize)) GTEST_SKIP() << "this machine makes no huge pages";
  const auto used = *platform.Reserve("used", kSize);
  const auto byte = [](uint64_t at) { return static_cast<std::byte>(at % 251); };
  for (uint64_t at = 0; at < kSize; ++at) used->bytes()[at] = byte(at);
  used->WillUse(0, kSize);
  std::atomic<bool> is_huge = false;
  std::thread reader([&] {
    while (!is_huge) {
      for (uint64_t at = 0; at < kSize; at += kKiB) ASSERT_EQ(used->bytes()[at], byte(at)) << at;
    }
  });
  const bool became = BecomesHuge(*used);
  is_huge = true;
  reader.join();
  EXPECT_TRUE(became);
  for (uint64_t at = 0; at < kSize; ++at) ASSERT_EQ(used->bytes()[at], byte(at)) << at;
}

TEST(Memory, WhatWasGivenBackIsNotMadeHugeAfterwards) {
  constexpr uint64_t kSize = 64 * kMiB;
  LinuxMemory platform;
  const auto given_back = *platform.Reserve("given back", kSize);
  std::ranges::fill(given_back->bytes(), std::byte{1});
  given_back->WillUse(0, kSize);
  if (!MakesHugePages(platform, 2 * kMiB)) GTEST_SKIP() << "this machine makes no huge pages";
  ASSERT_TRUE(given_back->Punch(0, kSize).has_value());
  const auto later = *platform.Reserve("later", 2 * kMiB);
  std::ranges::fill(later->bytes(), std::byte{1});
  later->WillUse(0, 2 * kMiB);
  ASSERT_TRUE(BecomesHuge(*later));
  struct stat info{};
  ASSERT_EQ(fstat(given_back->WritableDescriptor(), &info), 0);
  EXPECT_LE(info.st_blocks * 512, 8 * kMiB);  // a step may have been on its way
}

TEST(Memory, NothingIsTouchedOnceItIsGone) {
  constexpr uint64_t kSize = 32 * kMiB;
  LinuxMemory platform;
  auto gone = *platform.Reserve("gone", kSize);
  const auto after = *platform.Reserve("after", kSize);
  for (uint64_t at = 0; at < kSize; at += 8 * kMiB) gone->WillUse(at, 8 * kMiB);
  void* const place = gone->bytes().data();
  gone.reset();
  void* const other = mmap(place, kSize, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  ASSERT_EQ(other, place);
  after->WillUse(0, kSize);  // asked for later, so made later
  WaitUntilThere(*after);
  std::vector<unsigned char> resident(kSize / (4 * kKiB));
  ASSERT_EQ(mincore(other, kSize, resident.data()), 0);
  EXPECT_EQ(std::ranges::count_if(resident, [](unsigned char page) { return (page & 1) != 0; }), 0);
  munmap(other, kSize);
}

TEST(Memory, RefusesOddSizes) {
  EXPECT_EQ(LinuxMemory().Reserve("odd", 5).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(LinuxMemory().Reserve("none", 0).error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace forebay::platform
