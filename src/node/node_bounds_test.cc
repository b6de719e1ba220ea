// What a node does at its limits: full memory, disks, too many who wait, an end.
#include "src/node/node.h"
#include "src/node/testing/node_fixture.h"

namespace forebay::node_testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kSeed = 31;

class NodeBounds : public NodeTest {
 protected:
  void ReadWhole(const std::string& path, uint64_t seed, uint64_t size) {
    const auto handle = MustOpen(path);
    for (uint64_t at = 0; at < size; at += kMiB) {
      ExpectReads(handle, seed, at, static_cast<uint32_t>(std::min(kMiB, size - at)));
    }
  }
  /// An object that a node with a small memory has read: it has all of it on its disk.
  std::shared_ptr<Handle> FillTheDisk() {
    Open(SmallOptions(12 * kMiB, 64 * kMiB));
    Attach({Freshness::Mode::kImmutable, {}});
    origin_.Set("a", kSeed, 30 * kMiB);
    auto handle = MustOpen("/data/a");
    for (uint64_t at = 0; at < 30 * kMiB; at += kMiB) {
      ExpectReads(handle, kSeed, at, kMiB);
      world_.Run(node_->store().AwaitFlush(env(), 0));
    }
    return handle;
  }
};

TEST_F(NodeBounds, ALargeObjectGoesThroughASmallMemory) {
  Open(SmallOptions(8 * kMiB));
  Attach();
  origin_.Set("a", kSeed, 60 * kMiB);
  ReadWhole("/data/a", kSeed, 60 * kMiB);
  EXPECT_EQ(origin_.bytes_given, 60 * kMiB);
}

TEST_F(NodeBounds, WhatADiskHoldsIsNotFetchedAgain) {
  FillTheDisk();
  const uint64_t given = origin_.bytes_given;
  Close();
  Open(SmallOptions(12 * kMiB, 64 * kMiB));
  ReadWhole("/data/a", kSeed, 30 * kMiB);
  EXPECT_LE(origin_.bytes_given - given, 64 * kKiB);  // what the first question brought along
}

Task<void> LetGoLater(Env* env, std::vector<ReadResult>* held) {
  static_cast<void>(co_await env->clock.Sleep(milliseconds(30), {}));
  held->clear();
}

/// Memory that is full at this moment is no failure that is tried again ever later.
TEST_F(NodeBounds, WhatComesUpFromADiskWaitsForRoom) {
  const auto handle = FillTheDisk();
  std::vector<ReadResult> held;
  for (uint64_t n = 29; n > 0; --n) {
    auto read = world_.Run(node_->Read(self(), handle, n * kMiB, kMiB, {}, nullptr));
    if (!read) break;
    held.push_back(std::move(*read));
  }
  ASSERT_LT(held.size(), 12u);
  const uint64_t retries = node_->counters().origin.retries.value();
  TaskGroup group(env().executor);
  group.Spawn(LetGoLater(&env(), &held));
  ExpectReads(handle, kSeed, 0, kMiB);
  EXPECT_EQ(node_->counters().origin.retries.value(), retries);
  EXPECT_EQ(group.running(), 0u);
}

TEST_F(NodeBounds, ABlockThatRotsOnADiskIsFetchedAgain) {
  Open(SmallOptions(16 * kMiB, 64 * kMiB));
  Attach({Freshness::Mode::kImmutable, {}});
  origin_.Set("a", kSeed, 4 * kMiB);
  ReadWhole("/data/a", kSeed, 4 * kMiB);
  Close();
  Open(SmallOptions(16 * kMiB, 64 * kMiB));
  machine_.disk("/cache").SetFaults({.flip_on_read = 1});
  const uint64_t given = origin_.bytes_given;
  ReadWhole("/data/a", kSeed, 4 * kMiB);
  EXPECT_GT(origin_.bytes_given - given, kMiB);
}

TEST_F(NodeBounds, FetchedIsThereAndEvictedIsGone) {
  Open();
  Attach();
  origin_.Set("dir/a", kSeed, 50 * kMiB);
  origin_.Set("b", kSeed, kMiB);
  ReadWhole("/data/b", kSeed, kMiB);
  const auto handle = MustOpen("/data/dir/a");
  const auto fetched = world_.Run(node_->Fetch(self(), handle, 0, UINT64_MAX, {}, nullptr));
  ASSERT_TRUE(fetched) << fetched.error().ToString();
  EXPECT_EQ(*fetched, 50 * kMiB);
  EXPECT_EQ(origin_.bytes_given, 51 * kMiB);
  auto where = world_.Run(node_->Locate(self(), "/data/dir/a", {}));
  EXPECT_EQ(where->memory_bytes, 50 * kMiB);
  const auto evicted = world_.Run(node_->Evict(self(), "/data/dir/", {}));
  EXPECT_EQ(*evicted, 50 * kMiB);
  where = world_.Run(node_->Locate(self(), "/data/dir/a", {}));
  EXPECT_EQ(where->memory_bytes, 0u);
  EXPECT_EQ(world_.Run(node_->Locate(self(), "/data/b", {}))->memory_bytes, kMiB);
  EXPECT_GE(node_->store().stats().memory_used_bytes, kMiB);
  EXPECT_LT(node_->store().stats().memory_used_bytes, 2 * kMiB);
  ReadWhole("/data/dir/a", kSeed, 50 * kMiB);
}

TEST_F(NodeBounds, NothingIsFetchedBehindTheEnd) {
  Open();
  Attach();
  origin_.Set("a", kSeed, 5'000'000);
  const auto handle = MustOpen("/data/a");
  const auto fetch = [&](uint64_t offset, uint64_t size) {
    return world_.Run(node_->Fetch(self(), handle, offset, size, {}, nullptr)).value();
  };
  EXPECT_EQ(fetch(UINT64_MAX, 10), 0u);
  EXPECT_EQ(fetch(uint64_t{1} << 63, UINT64_MAX), 0u);
  EXPECT_EQ(fetch(5'000'000, 1), 0u);
  EXPECT_EQ(fetch(4'999'999, UINT64_MAX), 5'000'000 - 4'997'120u);  // from its page on
}

TEST_F(NodeBounds, AnObjectOfMoreBlocksThanHaveNumbersIsRefused) {
  constexpr uint64_t kPiB = uint64_t{1} << 50;
  Open();
  Attach();
  origin_.Set("large", kSeed, 4 * kPiB);
  origin_.Set("larger", kSeed, 4 * kPiB + 1);
  ASSERT_TRUE(world_.Run(node_->List(self(), "/data/", {}, {}, nullptr)));
  const auto larger = world_.Run(node_->Open(self(), "/data/larger", {}, {}, nullptr));
  ASSERT_FALSE(larger);
  EXPECT_EQ(larger.error().code(), Code::kUnsupported) << larger.error().ToString();
  // What there is of an object goes, not what there could be.
  const auto handle = MustOpen("/data/large");
  const auto read = world_.Run(node_->Read(self(), handle, 3 * kPiB, 4096, {}, nullptr));
  ASSERT_TRUE(read) << read.error().ToString();
  EXPECT_GT(*world_.Run(node_->Evict(self(), "/data/large", {})), 0u);
  EXPECT_EQ(node_->store().stats().blocks, 0u);
}

Task<void> ReadInto(Node* node, Authenticated who, std::shared_ptr<Handle> handle, uint64_t at,
                    Call call, std::vector<Code>* codes) {
  const auto result = co_await node->Read(who, handle, at, 4096, call, nullptr);
  codes->push_back(result ? Code::kInternal : result.error().code());
}

TEST_F(NodeBounds, TooManyWhoWaitAreRefusedEarly) {
  NodeOptions options = SmallOptions();
  options.max_waiting = 10;
  Open(options);
  Attach();
  origin_.Set("a", kSeed, kGiB);
  const auto handle = MustOpen("/data/a");
  TaskGroup group(env().executor);
  std::vector<Code> codes;
  for (uint64_t i = 1; i <= 30; ++i) {
    group.Spawn(ReadInto(node_.get(), self(), handle, i * 20 * kMiB, {}, &codes));
  }
  world_.RunFor(seconds(20));
  EXPECT_EQ(codes.size(), 30u);
  EXPECT_EQ(std::ranges::count(codes, Code::kInternal), 10);
  EXPECT_GE(std::ranges::count(codes, Code::kOverloaded), 20);
  ExpectReads(handle, kSeed, 900 * kMiB, 4096);
}

TEST_F(NodeBounds, AReaderWhoGivesUpDoesNotStopTheOthers) {
  Open();
  Attach();
  origin_.Set("a", kSeed, kGiB);
  const auto handle = MustOpen("/data/a");
  CancelSource cancel;
  TaskGroup group(env().executor);
  std::vector<Code> gone, stayed;
  group.Spawn(ReadInto(node_.get(), self(), handle, 500 * kMiB, {.cancel = cancel.token()}, &gone));
  group.Spawn(ReadInto(node_.get(), self(), handle, 500 * kMiB, {}, &stayed));
  world_.RunFor(milliseconds(1));
  cancel.Cancel();
  world_.RunFor(seconds(1));
  EXPECT_EQ(gone, std::vector{Code::kCancelled});
  EXPECT_EQ(stayed, std::vector{Code::kInternal});  // no error
}

TEST_F(NodeBounds, ClosingLetsReadsEndAndThenEndsThem) {
  Open();
  Attach();
  origin_.Set("a", kSeed, kGiB);
  origin_.Set("b", kSeed, kGiB);
  const auto handle = MustOpen("/data/a");
  const auto other = MustOpen("/data/b");
  TaskGroup group(env().executor);
  std::vector<Code> fast, slow;
  group.Spawn(ReadInto(node_.get(), self(), handle, 500 * kMiB, {}, &fast));
  world_.RunFor(milliseconds(1));
  origin_.hang = true;
  group.Spawn(ReadInto(node_.get(), self(), other, 500 * kMiB, {}, &slow));
  world_.RunFor(milliseconds(1));
  world_.Run(node_->Close(seconds(2)));
  EXPECT_EQ(fast, std::vector{Code::kInternal});  // no error
  EXPECT_EQ(slow, std::vector{Code::kUnavailable});
  EXPECT_FALSE(node_->ready());
  EXPECT_EQ(Read(handle, 600 * kMiB, 4096).error().code(), Code::kUnavailable);
  EXPECT_LT(world_.Now().ns, Duration(seconds(10)).count());
  node_.reset();
}

TEST_F(NodeBounds, ReadersInOrderShareTheMemoryForReadingAhead) {
  Open(SmallOptions(48 * kMiB));
  Attach();
  std::vector<std::shared_ptr<Handle>> handles;
  for (uint64_t i = 0; i < 30; ++i) {
    origin_.Set(std::to_string(i), kSeed + i, 8 * kMiB);
    handles.push_back(MustOpen("/data/" + std::to_string(i)));
  }
  for (uint64_t at = 0; at < 8 * kMiB; at += 256 * kKiB) {
    for (uint64_t i = 0; i < 30; ++i) ExpectReads(handles[i], kSeed + i, at, 256 * kKiB);
  }
  // Little of what was read ahead was evicted before it was read.
  EXPECT_LE(origin_.bytes_given, uint64_t{30} * 8 * kMiB * 11 / 10);
}

TEST_F(NodeBounds, ASlowRequestSaysWhereItsTimeWent) {
  Open();
  Attach();
  origin_.Set("a", kSeed, kGiB);
  const auto handle = MustOpen("/data/a");
  origin_.behaviour.latency = seconds(2);
  Trace trace;
  const Call call{.trace = {1, 2}};
  const auto read = world_.Run(node_->Read(self(), handle, 500 * kMiB, 4096, call, &trace));
  ASSERT_TRUE(read);
  EXPECT_GE(trace.origin, seconds(2));
  EXPECT_LT(trace.queue, seconds(1));
  EXPECT_EQ(node_->counters().read.slow.value(), 1u);
  EXPECT_EQ(origin_.gets.back().trace, call.trace);
}

}  // namespace
}  // namespace forebay::node_testing
