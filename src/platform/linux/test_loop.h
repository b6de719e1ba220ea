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

/// Runs each test on a loop of the backend that is its parameter. Where the kernel refuses io_uring
/// to an ordinary user the test is skipped with the kernel's reason; root must have it.
class LoopTest : public testing::TestWithParam<IoBackend> {
 protected:
  void SetUp() override {
    auto loop = Loop::Create({.io = GetParam()});
    if (!loop && geteuid() != 0) GTEST_SKIP() << loop.error().ToString();
    ASSERT_TRUE(loop.has_value()) << loop.error().ToString();
    loop_ = std::move(*loop);
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
