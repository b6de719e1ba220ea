// Power cuts under real file systems: everything between the store and the medium is the machine's
// own, and only the medium is ours.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <tuple>

#include "src/base/test_tier.h"
#include "src/store/testing/crash/file_system.h"
#include "src/store/testing/crash/held_back_disk.h"
#include "src/store/testing/crash/writer.h"

namespace forebay {
namespace {

using store_testing::HeldBackDisk;
using store_testing::kBothBackends;
using store_testing::Ledger;
using store_testing::LoopDevice;
using store_testing::Mount;
using store_testing::TempDirectory;
using store_testing::WriterOptions;

constexpr uint64_t kMediumBytes = 384 * kMiB;  // XFS wants 300

/// File system, and whether the tier takes its space when it is made.
using Parameters = std::tuple<std::string, bool>;

class PowerCutTest : public testing::TestWithParam<Parameters> {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
    if (access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "there is no /dev/fuse";
    if (access("/dev/loop-control", R_OK | W_OK) != 0) GTEST_SKIP() << "there are no loop devices";
    const auto own = store_testing::EnterOwnMountNamespace();
    if (!own) GTEST_SKIP() << own.error().ToString();
    ASSERT_TRUE(std::filesystem::create_directory(back()));
    ASSERT_TRUE(std::filesystem::create_directory(front()));
    disk_.emplace(back(), kMediumBytes);
    if (!disk_->ready()) GTEST_SKIP() << "FUSE refuses to mount";
    const auto made = MakeFileSystem();
    if (!made && made.error().code() == Code::kUnsupported) GTEST_SKIP() << made.error().ToString();
    ASSERT_TRUE(made) << made.error().ToString();
  }
  void TearDown() override {
    PowerOff();
    if (disk_) disk_->Cut();
    disk_.reset();
    umount2(back().c_str(), MNT_DETACH);
  }

  std::string back() const { return directory_.path() + "/back"; }
  std::string front() const { return directory_.path() + "/front"; }
  const std::string& type() const { return std::get<std::string>(GetParam()); }

  Result<void> MakeFileSystem() {
    {
      FB_ASSIGN(const LoopDevice device, LoopDevice::Attach(disk_->path()));
      FB_TRY(store_testing::MakeFileSystem(type(), device.path()));
    }
    disk_->AwaitRelease();
    return {};
  }
  /// Mounts the medium as it is; the file system's own recovery comes with it.
  void PowerUp() {
    auto device = LoopDevice::Attach(disk_->path());
    ASSERT_TRUE(device) << device.error().ToString();
    auto mounted = Mount::Make(device->path(), front(), type());
    ASSERT_TRUE(mounted) << mounted.error().ToString();
    mount_.emplace(std::move(*mounted));
  }
  void PowerOff() { mount_.reset(); }
  /// The cut: from `disk_->Cut()` on nothing counts; then the machine forgets and the medium keeps
  /// what it happens to.
  void ForgetAll(uint64_t seed) {
    PowerOff();
    disk_->AwaitRelease();
    const HeldBackDisk::Fate fate = disk_->PowerOn(seed);
    fate_.kept += fate.kept;
    fate_.dropped += fate.dropped;
    fate_.torn += fate.torn;
  }

  store_testing::SilentLog silent_log_;
  TempDirectory directory_;
  std::optional<HeldBackDisk> disk_;
  std::optional<Mount> mount_;
  HeldBackDisk::Fate fate_;
};

/// That the medium does drop what was not synced, and nothing else: without this the other test
/// could not fail.
TEST_P(PowerCutTest, TheMediumForgetsWhatWasNotSynced) {
  PowerUp();
  const auto write = [&](const std::string& name, bool sync) {
    const int fd =
        open((front() + "/" + name).c_str(), O_CREAT | O_WRONLY | O_DIRECT | O_CLOEXEC, 0600);
    alignas(4096) static char page[64 * 4096];
    memset(page, 'x', sizeof page);
    ASSERT_EQ(::write(fd, page, sizeof page), static_cast<ssize_t>(sizeof page));
    if (sync) ASSERT_EQ(fsync(fd), 0);
    close(fd);
  };
  write("synced", true);
  write("forgotten", false);
  disk_->Cut();
  ForgetAll(1);
  PowerUp();
  std::ifstream synced(front() + "/synced");
  const std::string all((std::istreambuf_iterator<char>(synced)), {});
  EXPECT_EQ(all, std::string(size_t{64} * 4096, 'x'));
  EXPECT_FALSE(std::filesystem::exists(front() + "/forgotten"));
  EXPECT_GT(fate_.dropped + fate_.torn, 0u);
}

TEST_P(PowerCutTest, NothingAcknowledgedIsLostAndNothingWrongIsServed) {
  const uint64_t cuts = ByTier(1, 5, 50);
  Ledger ledger;
  const uint64_t base = type() == "xfs" ? 1000 : 2000;
  Prng prng(base + std::get<bool>(GetParam()));
  for (uint64_t i = 1; i <= cuts; ++i) {
    auto loop = Loop::Create({.io = kBothBackends[i % 2], .log = &silent_log_});
    ASSERT_TRUE(loop) << loop.error().ToString();
    const WriterOptions options{.directory = front() + "/cache",
                                .backend = (*loop)->io(),
                                .direct = prng.OneIn(2),
                                .preallocate = std::get<bool>(GetParam()),
                                .seed = base + i};
    ASSERT_NO_FATAL_FAILURE(PowerUp());
    {
      auto writer = store_testing::StartWriter(options);
      if (!prng.OneIn(8)) ASSERT_TRUE(ledger.Follow(writer, 1 + prng.Below(60)));
      (void)(*loop)->Run((*loop)->env().clock.Sleep(std::chrono::microseconds(prng.Below(20'000))));
      disk_->Cut();
      writer.Kill();
      ASSERT_TRUE(ledger.Drain(writer));
    }
    ForgetAll(base + i);
    ASSERT_NO_FATAL_FAILURE(PowerUp());
    ledger.Check(**loop, options);
    if (HasFatalFailure()) FAIL() << "after cut " << i << " of " << cuts;
    PowerOff();
    disk_->AwaitRelease();
  }
  EXPECT_GT(ledger.acknowledged(), 0u);
  printf(
      "%s, %s: %lu power cuts; %lu pages that were not flushed kept, %lu dropped, %lu torn; %lu "
      "dirty blocks "
      "acknowledged, 0 lost; %lu pages read back; %lu torn blocks dropped\n",
      type().c_str(), std::get<bool>(GetParam()) ? "preallocated" : "sparse", cuts, fate_.kept,
      fate_.dropped, fate_.torn, ledger.acknowledged(), ledger.blocks_seen(), ledger.rotten());
}

INSTANTIATE_TEST_SUITE_P(Real, PowerCutTest,
                         testing::Combine(testing::Values("ext4", "xfs"), testing::Bool()),
                         [](const testing::TestParamInfo<Parameters>& info) {
                           return std::get<std::string>(info.param) +
                                  (std::get<bool>(info.param) ? "_preallocated" : "_sparse");
                         });

}  // namespace
}  // namespace forebay
