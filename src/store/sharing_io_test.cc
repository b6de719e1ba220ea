// What a process that is handed an attachment's memory can see and do: read that attachment, and
// nothing else.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <vector>

#include "src/store/testing/io_testing.h"

namespace forebay {
namespace {

using store_testing::kBothBackends;
using store_testing::Key;
using store_testing::Pattern;
using store_testing::Seen;
using store_testing::StoreOnLoop;

constexpr uint32_t kLength = 100'000;

/// What the other process found, as its exit status.
enum Finding : int {
  kFine = 0,
  kCouldNotMap = 10,
  kMappedWritable = 11,
  kMadeWritable = 12,
  kReopenedWritable = 13,
  kWrote = 14,
  kSawTheOther = 15,
  kMissedItsOwn = 16,
  kResized = 17,
};

/// Tries everything to change the memory behind `fd`. For the other process.
Finding TryToChange(int fd, size_t size, const std::byte* view) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  for (const int held : {fd, open(path.c_str(), O_RDWR | O_CLOEXEC)}) {
    if (held < 0) continue;
    void* writable = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, held, 0);
    if (writable != MAP_FAILED) return held == fd ? kMappedWritable : kReopenedWritable;
    if (pwrite(held, "x", 1, 0) > 0) return kWrote;
    if (ftruncate(held, 0) == 0) return kResized;
    if (fallocate(held, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0) return kWrote;
  }
  if (mprotect(const_cast<std::byte*>(view), size, PROT_READ | PROT_WRITE) == 0)
    return kMadeWritable;
  return kFine;
}

bool Contains(Bytes memory, Bytes piece) {
  return std::ranges::search(memory, piece).begin() != memory.end();
}

/// For the other process, which has nothing but the descriptors.
Finding LookAt(const std::vector<std::pair<int, size_t>>& segments, Bytes own, Bytes other) {
  bool found = false;
  for (const auto& [fd, size] : segments) {
    void* at = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) return kCouldNotMap;
    const Bytes memory(static_cast<const std::byte*>(at), size);
    if (Contains(memory, other)) return kSawTheOther;
    found |= Contains(memory, own);
    const Finding changed = TryToChange(fd, size, memory.data());
    if (changed != kFine) return changed;
  }
  return found ? kFine : kMissedItsOwn;
}

class StoreSharingTest : public testing::TestWithParam<IoBackend> {
 protected:
  void SetUp() override {
    FB_LOOP_OR_SKIP(loop, GetParam());
    on_ = std::make_unique<StoreOnLoop>(std::move(loop));
    StoreOptions options;
    options.dram.capacity_bytes = 8 * kMiB;
    options.max_block_bytes = kMiB;
    const auto opened = on_->Open(options);
    ASSERT_TRUE(opened) << opened.error().ToString();
  }
  void Put(uint64_t n, uint64_t attachment) {
    const auto put = on_->Put(n, kLength, BlockClass::kData, attachment);
    ASSERT_TRUE(put) << put.error().ToString();
  }
  /// The descriptors that a process of `attachment` is handed; they seal the memory.
  std::vector<std::pair<int, size_t>> Hand(uint64_t attachment) {
    std::vector<std::pair<int, size_t>> handed;
    for (const auto& memory : on_->store().MemoryOf(attachment)) {
      held_.push_back(memory);
      handed.emplace_back(memory->ReadOnlyDescriptor(), memory->bytes().size());
    }
    return handed;
  }
  int OtherProcessLooks(uint64_t attachment, uint64_t own, uint64_t other) {
    const auto segments = Hand(attachment);
    EXPECT_FALSE(segments.empty());
    const auto own_bytes = Pattern(Key(own), 0, 64), other_bytes = Pattern(Key(other), 0, 64);
    const pid_t child = fork();
    if (child == 0) _exit(LookAt(segments, own_bytes, other_bytes));
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  store_testing::SilentLog silent_log_;
  std::unique_ptr<StoreOnLoop> on_;
  std::vector<std::shared_ptr<SharedMemory>> held_;
};

TEST_P(StoreSharingTest, AProcessSeesItsAttachmentAndCannotChangeIt) {
  for (uint64_t n = 0; n < 20; ++n) Put(n, 1 + n % 2);
  EXPECT_EQ(OtherProcessLooks(1, 18, 19), kFine);
  EXPECT_EQ(OtherProcessLooks(2, 19, 18), kFine);
  // And that the search does find what is there.
  EXPECT_EQ(OtherProcessLooks(1, 18, 16), kSawTheOther);
  for (uint64_t n = 0; n < 20; ++n)
    EXPECT_EQ(on_->See(n, 0, kLength, {.verify = true}), Seen::kRight);
}

/// Memory that others may see cannot be given back page by page: whole segments go from one
/// attachment to the other.
TEST_P(StoreSharingTest, GoesOnEvictingBetweenAttachmentsWhenAllMemoryIsShared) {
  constexpr uint64_t kEnough = 200;  // more than twice what fits
  for (uint64_t round = 0; round < 4; ++round) {
    const uint64_t attachment = 1 + round % 2;
    for (uint64_t n = 0; n < kEnough; ++n) {
      Put(round * kEnough + n, attachment);
      EXPECT_EQ(on_->See(round * kEnough + n, 0, kLength), Seen::kRight);
      for (const auto& memory : on_->store().MemoryOf(attachment)) {
        ASSERT_GE(memory->ReadOnlyDescriptor(), 0);
      }
    }
    const StoreStats stats = on_->store().stats();
    EXPECT_LE(stats.memory_resident_bytes, stats.memory_capacity_bytes);
    const uint64_t last = (round + 1) * kEnough - 1;
    const uint64_t before = round == 0 ? 1'000'000 : round * kEnough - 1;
    EXPECT_EQ(OtherProcessLooks(attachment, last, before), kFine);
    held_.clear();
  }
}

INSTANTIATE_TEST_SUITE_P(Real, StoreSharingTest, testing::ValuesIn(kBothBackends),
                         [](const auto& info) { return std::string(IoBackendName(info.param)); });

}  // namespace
}  // namespace forebay
