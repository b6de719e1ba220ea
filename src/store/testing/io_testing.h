// What the tests of the store on the real machine share: a loop of each backend and a directory
// that goes away.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "src/base/units.h"
#include "src/platform/linux/loop.h"
#include "src/store/testing/patterns.h"

namespace forebay::store_testing {

/// A new directory below TMPDIR, removed with all that is in it.
class TempDirectory {
 public:
  TempDirectory() {
    const char* parent = getenv("TMPDIR");
    path_ = std::string(parent == nullptr ? "/tmp" : parent) + "/forebay_store_XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) {
      ADD_FAILURE() << "cannot make a directory " << path_;
      path_.clear();
    }
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  ~TempDirectory() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// What the tests say of the broken files that they make themselves is not for the person who runs
/// them.
class SilentLog final : public Log {
 public:
  void Write(LogLevel, std::string_view, std::string_view, std::span<const LogField>) override {}
};

/// One loop and, while it lives, one store on it.
class StoreOnLoop {
 public:
  explicit StoreOnLoop(std::unique_ptr<Loop> loop) : owned_(std::move(loop)), loop_(owned_.get()) {}
  explicit StoreOnLoop(Loop& loop) : loop_(&loop) {}
  StoreOnLoop(const StoreOnLoop&) = delete;
  StoreOnLoop& operator=(const StoreOnLoop&) = delete;
  ~StoreOnLoop() { Close(); }

  Env& env() { return loop_->env(); }
  Loop& loop() { return *loop_; }
  Store& store() { return *store_; }
  bool is_open() const { return store_ != nullptr; }

  Result<void> Open(StoreOptions options) {
    FB_ASSIGN(store_, loop_->Run(Store::Open(env(), std::move(options))));
    return {};
  }
  void Close() {
    if (store_ == nullptr) return;
    loop_->Run(store_->Close());
    store_.reset();
  }
  Result<void> Put(uint64_t n, uint32_t length, BlockClass block_class = BlockClass::kData,
                   uint64_t attachment = 1) {
    return loop_->Run(
        store_testing::Put(env(), *store_, Key(n), {attachment, length, block_class}));
  }
  Seen See(uint64_t n, uint32_t offset, uint32_t size, ReadOptions options = {}) {
    const auto seen = loop_->Run(Check(env(), *store_, Key(n), offset, size, options));
    EXPECT_TRUE(seen) << seen.error().ToString();
    return seen ? *seen : Seen::kWrong;
  }
  Result<void> MakeDurable(uint64_t n) { return loop_->Run(store_->MakeDurable(env(), {Key(n)})); }
  void Flushed() { loop_->Run(store_->AwaitFlush(env(), 0)); }

 private:
  std::unique_ptr<Loop> owned_;
  Loop* loop_;
  std::unique_ptr<Store> store_;
};

inline StoreOptions TierOptions(std::string directory, uint64_t disk_bytes = 64 * kMiB) {
  StoreOptions options;
  options.dram.capacity_bytes = 8 * kMiB;
  options.max_block_bytes = 2 * kMiB;
  options.flush_delay = std::chrono::milliseconds(5);  // tests wait for it
  options.disks.push_back({.directory = std::move(directory), .size_bytes = disk_bytes});
  return options;
}

inline constexpr IoBackend kBothBackends[] = {IoBackend::kUring, IoBackend::kEpoll};

/// Gives up the test, with the kernel's reason, where an ordinary user is refused io_uring; root
/// must have it.
#define FB_LOOP_OR_SKIP(loop, backend)                                                \
  auto loop##_made = Loop::Create({.io = (backend), .log = &silent_log_});            \
  if (!loop##_made && geteuid() != 0) GTEST_SKIP() << loop##_made.error().ToString(); \
  ASSERT_TRUE(loop##_made) << loop##_made.error().ToString();                         \
  std::unique_ptr<Loop> loop = std::move(*loop##_made)

}  // namespace forebay::store_testing
