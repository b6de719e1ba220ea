// What the store promises, over real files and real memory: both backends, past the page cache and
// through it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <tuple>

#include "src/store/testing/crash/writer.h"
#include "src/store/testing/io_testing.h"

namespace forebay {
namespace {

using store_testing::kBothBackends;
using store_testing::Key;
using store_testing::Pattern;
using store_testing::Seen;
using store_testing::StoreOnLoop;
using store_testing::TempDirectory;
using store_testing::TierOptions;

using Parameters = std::tuple<IoBackend, bool>;

class StoreIoTest : public testing::TestWithParam<Parameters> {
 protected:
  void SetUp() override {
    FB_LOOP_OR_SKIP(loop, std::get<IoBackend>(GetParam()));
    on_ = std::make_unique<StoreOnLoop>(std::move(loop));
  }
  StoreOptions Options(uint64_t disk_bytes = 64 * kMiB) {
    StoreOptions options = TierOptions(directory_.path() + "/cache", disk_bytes);
    options.disks[0].direct = std::get<bool>(GetParam());
    return options;
  }
  void Open(StoreOptions options) {
    const auto opened = on_->Open(std::move(options));
    ASSERT_TRUE(opened) << opened.error().ToString();
  }
  Error OpenFails(StoreOptions options) {
    const auto opened = on_->Open(std::move(options));
    EXPECT_FALSE(opened);
    return opened ? Error(Code::kInternal, "the store opened") : opened.error();
  }
  void Put(uint64_t n, uint32_t length, BlockClass block_class = BlockClass::kData) {
    const auto put = on_->Put(n, length, block_class);
    ASSERT_TRUE(put) << put.error().ToString();
    if (n % 4 == 3) on_->Flushed();
  }
  DiskStats Disk() { return on_->store().stats().disks.at(0); }

  store_testing::SilentLog silent_log_;
  TempDirectory directory_;
  std::unique_ptr<StoreOnLoop> on_;
};

TEST_P(StoreIoTest, ReadsBackWhatWasFilledOfAnySize) {
  Open(Options());
  const uint32_t sizes[] = {1, 7, 4095, 4096, 4097, 100 * 1024, 1024 * 1024, 2 * 1024 * 1024};
  for (const uint32_t size : sizes) Put(size, size);
  on_->Flushed();
  for (const uint32_t size : sizes) {
    EXPECT_EQ(on_->See(size, 0, size), Seen::kRight) << size;
    EXPECT_EQ(on_->See(size, 0, size, {.promote = false, .verify = true}), Seen::kRight) << size;
  }
  EXPECT_EQ(on_->See(999, 0, 1), Seen::kMiss);
}

TEST_P(StoreIoTest, WhatLeftMemoryComesUpFromDiskWholeOrPageByPage) {
  Open(Options());
  for (uint64_t n = 0; n < 30; ++n) Put(n, kMiB);
  on_->Flushed();
  EXPECT_EQ(Disk().blocks, 30u);
  for (uint64_t n = 0; n < 30; ++n) {
    EXPECT_EQ(on_->See(n, 40'960, 4096, {.promote = false}), Seen::kRight) << n;
    EXPECT_EQ(on_->See(n, 8, 100'000, {.promote = false}), Seen::kRight) << n;
    EXPECT_EQ(on_->See(n, 0, kMiB), Seen::kRight) << n;
  }
  EXPECT_GT(Disk().reads, 30u);
}

TEST_P(StoreIoTest, AViewKeepsItsBytesThroughEvictionAndErasure) {
  Open(Options());
  Put(1, kMiB);
  const View view = on_->store().Lookup(Key(1), 4096, 8192);
  ASSERT_TRUE(view);
  on_->store().Erase(Key(1));
  EXPECT_FALSE(on_->store().Lookup(Key(1), 0, 1));
  for (uint64_t n = 2; n < 40; ++n) Put(n, kMiB);
  EXPECT_TRUE(std::ranges::equal(view.bytes(), Pattern(Key(1), 4096, 8192)));
  EXPECT_TRUE(view.Verify(4096));
}

TEST_P(StoreIoTest, RestartsWarmWithoutReadingData) {
  Open(Options());
  for (uint64_t n = 0; n < 30; ++n) Put(n, 512 * 1024 + static_cast<uint32_t>(n));
  on_->Close();
  Open(Options());
  EXPECT_EQ(Disk().blocks, 30u);
  EXPECT_EQ(Disk().reads, 0u);
  for (uint64_t n = 0; n < 30; ++n) {
    EXPECT_EQ(on_->See(n, 0, 512 * 1024 + static_cast<uint32_t>(n)), Seen::kRight);
  }
}

TEST_P(StoreIoTest, DirtyBlocksOutliveARestartAndAreNotEvicted) {
  Open(Options(16 * kMiB));
  for (uint64_t n = 0; n < 5; ++n) {
    Put(n, kMiB, BlockClass::kDirty);
    ASSERT_TRUE(on_->MakeDurable(n));
  }
  for (uint64_t n = 100; n < 160; ++n) Put(n, 700 * 1024);
  EXPECT_GT(Disk().evictions, 0u);
  on_->Close();
  Open(Options(16 * kMiB));
  EXPECT_EQ(on_->store().DirtyBlocks().size(), 5u);
  for (uint64_t n = 0; n < 5; ++n) EXPECT_EQ(on_->See(n, 0, kMiB), Seen::kRight) << n;
  for (uint64_t n = 0; n < 5; ++n) {
    ASSERT_TRUE(on_->loop().Run(on_->store().MarkClean(on_->env(), Key(n))));
  }
  EXPECT_TRUE(on_->store().DirtyBlocks().empty());
}

TEST_P(StoreIoTest, EvictsOnDiskWithinItsSizeAndTheFilesStayWithinIt) {
  Open(Options(16 * kMiB));
  for (uint64_t n = 0; n < 200; ++n) Put(n, 100 * 1024 + static_cast<uint32_t>(n * 1000));
  on_->Flushed();
  EXPECT_GT(Disk().used_bytes, Disk().size_bytes * 9 / 10);
  for (uint64_t n = 0; n < 200; ++n) EXPECT_NE(on_->See(n, 0, 100 * 1024), Seen::kWrong);
  uint64_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(directory_.path() + "/cache")) {
    bytes += file.file_size();
  }
  EXPECT_LE(bytes, 16 * kMiB + 4096);
}

// -- Bad input

/// Runs `body` as somebody else in a process of its own; its answer is the exit status.
template <class Body>
int InProcess(uid_t user, Body body) {
  const pid_t child = fork();
  if (child == 0) {
    if (user != geteuid() && (setgid(user) != 0 || setuid(user) != 0)) _exit(99);
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// 100 + the code with which the store does not open; 0 where it does. For a process of its own.
int TryToOpen(IoBackend backend, StoreOptions options, const std::string& name) {
  auto loop = Loop::Create({.io = backend});
  if (!loop) return 98;
  StoreOnLoop on(std::move(*loop));
  const auto opened = on.Open(std::move(options));
  if (opened) return 0;
  if (opened.error().message().find(name) == std::string::npos) return 97;
  return 100 + static_cast<int>(opened.error().code());
}

constexpr int Refused(Code code) {
  return 100 + static_cast<int>(code);
}

TEST_P(StoreIoTest, ATierOfARunningProcessIsRefusedAndFreeWhenThatEnds) {
  const auto [backend, direct] = GetParam();
  const store_testing::WriterOptions writer{
      .directory = directory_.path() + "/cache", .backend = backend, .direct = direct};
  Open(WriterStoreOptions(writer));
  Put(1, 200 * kKiB);
  on_->Flushed();
  EXPECT_EQ(OpenElsewhere(writer), Code::kInUse);
  EXPECT_EQ(on_->See(1, 0, 200 * kKiB), Seen::kRight);
  on_->Close();
  EXPECT_EQ(OpenElsewhere(writer), std::nullopt);
  Open(WriterStoreOptions(writer));
  EXPECT_EQ(on_->See(1, 0, 200 * kKiB), Seen::kRight);
}

TEST_P(StoreIoTest, ADirectoryThatMayNotBeWrittenIsSaidByName) {
  constexpr uid_t kNobody = 65534;
  const std::string closed = directory_.path() + "/closed";
  ASSERT_TRUE(std::filesystem::create_directory(closed));
  std::filesystem::permissions(directory_.path(), std::filesystem::perms::all);
  std::filesystem::permissions(closed, std::filesystem::perms(0555));
  StoreOptions options = Options();
  options.disks[0].directory = closed + "/cache";
  const uid_t user = geteuid() == 0 ? kNobody : geteuid();
  const auto open = [&] { return TryToOpen(std::get<IoBackend>(GetParam()), options, closed); };
  EXPECT_EQ(InProcess(user, open), Refused(Code::kPermissionDenied));
}

INSTANTIATE_TEST_SUITE_P(Real, StoreIoTest,
                         testing::Combine(testing::ValuesIn(kBothBackends), testing::Bool()),
                         [](const testing::TestParamInfo<Parameters>& info) {
                           return std::string(IoBackendName(std::get<IoBackend>(info.param))) +
                                  (std::get<bool>(info.param) ? "_direct" : "_cached");
                         });

}  // namespace
}  // namespace forebay
