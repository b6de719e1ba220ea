// What the tests of this folder share: one loop of each backend, and a place for files.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "src/platform/linux/loop.h"

namespace forebay {

inline std::string BackendTestName(const testing::TestParamInfo<IoBackend>& info) {
  return std::string(IoBackendName(info.param));
}

inline constexpr IoBackend kBothBackends[] = {IoBackend::kUring, IoBackend::kEpoll};

/// Leaves `loop` empty, and skips the test with the kernel's reason, where the kernel refuses
/// io_uring to an ordinary user; root must have it.
inline void MakeTestLoop(IoBackend io, std::unique_ptr<Loop>* loop) {
  auto made = Loop::Create({.io = io});
  if (!made && geteuid() != 0) GTEST_SKIP() << made.error().ToString();
  ASSERT_TRUE(made.has_value()) << made.error().ToString();
  *loop = std::move(*made);
}

/// Runs each test on a loop of the backend that is its parameter.
class LoopTest : public testing::TestWithParam<IoBackend> {
 protected:
  void SetUp() override {
    MakeTestLoop(GetParam(), &loop_);
    if (loop_ == nullptr) return;
    char pattern[] = "/tmp/forebay_test_XXXXXX";
    ASSERT_NE(mkdtemp(pattern), nullptr);
    directory_ = pattern;
  }
  void TearDown() override {
    loop_.reset();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  Env& env() { return loop_->env(); }
  std::string PathOf(const std::string& name) const { return directory_ + "/" + name; }

  std::unique_ptr<Loop> loop_;
  std::string directory_;
};

}  // namespace forebay
