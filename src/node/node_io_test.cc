// A node over real files: what only the machine itself shows.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>

#include "src/base/testing/counting_new.h"
#include "src/base/units.h"
#include "src/node/node.h"
#include "src/node/testing/memory_origin.h"
#include "src/node/testing/memory_registry.h"
#include "src/origin/file/file_origin.h"
#include "src/platform/linux/test_loop.h"

namespace forebay::node_testing {
namespace {

constexpr uint64_t kSeed = 9;

class NodeIo : public LoopTest {
 protected:
  void Start(uint64_t dram_bytes) {
    gate_ = std::move(*Gate::Create({}));
    registry_ = std::make_unique<MemoryRegistry>(env(), registry_state_);
    NodeOptions options;
    options.store.dram.capacity_bytes = dram_bytes;
    const auto origins = [](const AttachmentConfig& config) {
      return FileOrigin::Create(config.origin);
    };
    auto node = loop_->Run(Node::Open(env(), options, *gate_, *registry_, origins));
    ASSERT_TRUE(node) << node.error().ToString();
    node_ = std::move(*node);
    const AttachmentConfig config{.name = "data", .origin = "file://" + directory_};
    const auto attached = loop_->Run(node_->Attach(self(), config, {}));
    ASSERT_TRUE(attached) << attached.error().ToString();
  }
  void TearDown() override {
    if (node_ != nullptr) loop_->Run(node_->Close(std::chrono::seconds(1)));
    node_.reset();
    registry_.reset();
    LoopTest::TearDown();
  }
  /// A file whose pages are on the device alone.
  void MakeFile(const std::string& name, uint64_t size) {
    const int fd = open(PathOf(name).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    ASSERT_GE(fd, 0);
    std::vector<std::byte> bytes(kMiB);
    for (uint64_t at = 0; at < size; at += kMiB) {
      const size_t part = std::min(kMiB, size - at);
      FillContent(kSeed, at, MutableBytes(bytes).first(part));
      ASSERT_EQ(pwrite(fd, bytes.data(), part, static_cast<off_t>(at)), static_cast<ssize_t>(part));
    }
    fsync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
  }
  Authenticated self() { return gate_->AdmitSelf(); }

  RegistryState registry_state_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<MemoryRegistry> registry_;
  std::unique_ptr<Node> node_;
};

Task<Result<uint64_t>> ReadAll(Node* node, Authenticated who, std::string path, bool check) {
  FB_CO_ASSIGN(const auto handle, co_await node->Open(who, std::move(path), {}, {}, nullptr));
  const uint64_t size = ObjectOf(*handle).info.size;
  uint64_t at = 0;
  while (at < size) {
    FB_CO_ASSIGN(const ReadResult result, co_await node->Read(who, handle, at, kMiB, {}, nullptr));
    for (const ReadResult::Piece& piece : result.all()) {
      if (check && !IsContent(kSeed, at, piece.view.bytes())) {
        co_return Fail(Code::kInternal, "wrong bytes");
      }
      at += piece.view.bytes().size();
    }
  }
  co_return at;
}

TEST_P(NodeIo, GivesTheBytesOfFiles) {
  MakeFile("a", 40 * kMiB + 123);
  Start(128 * kMiB);
  const auto read = loop_->Run(ReadAll(node_.get(), self(), "/data/a", true));
  ASSERT_TRUE(read) << read.error().ToString();
  EXPECT_EQ(*read, 40 * kMiB + 123);
  EXPECT_EQ(node_->counters().origin.bytes.value(), 40 * kMiB + 123);
}

TEST_P(NodeIo, AFileReplacedUnderAHandleEndsItOrStaysWhole) {
  MakeFile("a", 8 * kMiB);
  Start(128 * kMiB);
  const auto handle = loop_->Run(node_->Open(self(), "/data/a", {}, {}, nullptr));
  ASSERT_TRUE(handle) << handle.error().ToString();
  ASSERT_TRUE(loop_->Run(node_->Read(self(), *handle, 0, 4096, {}, nullptr)));
  MakeFile("b", 8 * kMiB);
  ASSERT_EQ(rename(PathOf("b").c_str(), PathOf("a").c_str()), 0);
  for (uint64_t at = 0; at < 8 * kMiB; at += kMiB) {
    const auto read = loop_->Run(node_->Read(self(), *handle, at, kMiB, {}, nullptr));
    if (!read) EXPECT_EQ(read.error().code(), Code::kVersionChanged) << read.error().ToString();
  }
}

Task<Result<uint64_t>> WarmReads(Node* node, Authenticated who, std::shared_ptr<Handle> handle,
                                 std::string path, int reads) {
  const uint64_t before = allocations_of_thread;
  for (int i = 0; i < reads; ++i) {
    const uint64_t at = static_cast<uint64_t>(i % 16) * kMiB;
    auto result = co_await node->Read(who, handle, at, kMiB, {}, nullptr);
    if (!result) co_return Fail(result.error());
    auto tried = node->TryRead(who, *handle, at, kMiB);
    auto opened = node->TryOpen(who, path);
    if (!tried || !opened) co_return Fail(Code::kInternal, "not warm");
  }
  co_return allocations_of_thread - before;
}

TEST_P(NodeIo, WhatIsWarmIsReadWithoutAnAllocation) {
  if (!kCountsAllocations) GTEST_SKIP() << "allocations are not counted under a sanitizer";
  MakeFile("a-file-with-a-name-that-is-long", 16 * kMiB);
  Start(128 * kMiB);
  const std::string path = "/data/a-file-with-a-name-that-is-long";
  ASSERT_TRUE(loop_->Run(ReadAll(node_.get(), self(), path, false)));
  const auto handle = loop_->Run(node_->Open(self(), path, {}, {}, nullptr));
  ASSERT_TRUE(handle);
  ASSERT_TRUE(loop_->Run(WarmReads(node_.get(), self(), *handle, path, 100)));
  const auto begin = std::chrono::steady_clock::now();  // tidy: allow wall-clock: a note, no check
  const auto allocated = loop_->Run(WarmReads(node_.get(), self(), *handle, path, 10'000));
  const auto took = std::chrono::steady_clock::now() - begin;  // tidy: allow wall-clock: as above
  ASSERT_TRUE(allocated) << allocated.error().ToString();
  fmt::print("note: two warm reads of 1 MiB and an open: {} ns\n",
             std::chrono::duration_cast<std::chrono::nanoseconds>(took).count() / 10'000);
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
  EXPECT_EQ(*allocated, 0u);
#endif
}

INSTANTIATE_TEST_SUITE_P(Backends, NodeIo, testing::ValuesIn(kBothBackends), BackendTestName);

}  // namespace
}  // namespace forebay::node_testing
