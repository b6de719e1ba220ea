// File systems that are full, read-only, or without direct I/O. They are mounted here, so all of it
// needs root.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <optional>

#include "src/store/testing/crash/file_system.h"
#include "src/store/testing/io_testing.h"

namespace forebay {
namespace {

using store_testing::kBothBackends;
using store_testing::Key;
using store_testing::Mount;
using store_testing::Seen;
using store_testing::StoreOnLoop;
using store_testing::TempDirectory;
using store_testing::TierOptions;

class StoreFileSystemsTest : public testing::TestWithParam<IoBackend> {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
    const auto own = store_testing::EnterOwnMountNamespace();
    if (!own) GTEST_SKIP() << own.error().ToString();
    FB_LOOP_OR_SKIP(loop, GetParam());
    on_ = std::make_unique<StoreOnLoop>(std::move(loop));
  }
  void TearDown() override {
    on_.reset();
    mount_.reset();
  }
  void MountHere(const std::string& type, const std::string& options) {
    auto mounted = Mount::Make("none", directory_.path(), type, options);
    ASSERT_TRUE(mounted) << mounted.error().ToString();
    mount_.emplace(std::move(*mounted));
  }
  StoreOptions Options(bool direct, bool preallocate) {
    StoreOptions options = TierOptions(directory_.path() + "/cache");
    options.disks[0].direct = direct;
    options.disks[0].preallocate = preallocate;
    return options;
  }
  void Refused(const StoreOptions& options, Code code) {
    const auto opened = on_->Open(options);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), code) << opened.error().ToString();
    EXPECT_NE(opened.error().message().find(directory_.path()), std::string::npos)
        << opened.error().ToString();
  }

  store_testing::SilentLog silent_log_;
  TempDirectory directory_;
  std::optional<Mount> mount_;
  std::unique_ptr<StoreOnLoop> on_;
};

TEST_P(StoreFileSystemsTest, AFullDiskIsSaidByName) {
  MountHere("tmpfs", "size=16m");
  Refused(Options(false, true), Code::kNoSpace);
}

/// Space that was not taken in advance may be missing later: that costs what does not fit, and
/// nothing that is there.
TEST_P(StoreFileSystemsTest, ADiskThatFillsUpKeepsWhatItHas) {
  MountHere("tmpfs", "size=16m");
  ASSERT_TRUE(on_->Open(Options(false, false)));
  std::vector<uint64_t> on_disk;
  for (uint64_t n = 0; n < 48; ++n) {
    ASSERT_TRUE(on_->Put(n, kMiB));
    on_->Flushed();
    if (on_->store().Probe(Key(n))->on_disk) on_disk.push_back(n);
  }
  EXPECT_GT(on_disk.size(), 10u);
  EXPECT_LT(on_disk.size(), 17u);
  EXPECT_FALSE(on_->store().stats().disks[0].dead);
  EXPECT_GT(on_->store().stats().disks[0].io_errors, 0u);
  for (const uint64_t n : on_disk)
    EXPECT_EQ(on_->See(n, 0, kMiB, {.promote = false}), Seen::kRight) << n;
  ASSERT_TRUE(on_->Put(1000, kMiB, BlockClass::kDirty));
  EXPECT_FALSE(on_->MakeDurable(1000));
  on_->Close();
  ASSERT_TRUE(on_->Open(Options(false, false)));
  for (const uint64_t n : on_disk) EXPECT_EQ(on_->See(n, 0, kMiB), Seen::kRight) << n;
}

TEST_P(StoreFileSystemsTest, AReadOnlyFileSystemIsSaidByName) {
  MountHere("tmpfs", "size=128m");
  ASSERT_TRUE(on_->Open(Options(false, true)));
  ASSERT_TRUE(on_->Put(1, kMiB));
  on_->Close();
  const char* at = directory_.path().c_str();
  ASSERT_EQ(mount("none", at, "tmpfs", MS_REMOUNT | MS_RDONLY, ""), 0);
  Refused(Options(false, true), Code::kPermissionDenied);
  ASSERT_EQ(mount("none", at, "tmpfs", MS_REMOUNT, ""), 0);
  ASSERT_TRUE(on_->Open(Options(false, true)));
  EXPECT_EQ(on_->See(1, 0, kMiB), Seen::kRight);
}

TEST_P(StoreFileSystemsTest, WithoutDirectIoOnlyThePageCacheServes) {
  MountHere("ramfs", "");
  Refused(Options(true, false), Code::kUnsupported);
  ASSERT_TRUE(on_->Open(Options(false, false)));
  ASSERT_TRUE(on_->Put(1, kMiB));
  on_->Flushed();
  EXPECT_EQ(on_->See(1, 0, kMiB, {.promote = false}), Seen::kRight);
}

INSTANTIATE_TEST_SUITE_P(Real, StoreFileSystemsTest, testing::ValuesIn(kBothBackends),
                         [](const auto& info) { return std::string(IoBackendName(info.param)); });

}  // namespace
}  // namespace forebay
