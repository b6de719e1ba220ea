// What a node promises, on a simulated machine with an origin that obeys the test.
#include "src/node/node.h"

#include "src/node/testing/node_fixture.h"

namespace forebay::node_testing {
namespace {

constexpr uint64_t kSeed = 77;

class NodeReads : public NodeTest {
 protected:
  void SetUp() override {
    Open();
    Attach();
  }
  uint64_t BytesAsked() const {
    uint64_t sum = 0;
    for (const auto& get : origin_.gets) sum += get.size;
    return sum;
  }
};

TEST_F(NodeReads, GivesTheBytesOfTheOrigin) {
  origin_.Set("a/b", kSeed, 5 * kMiB + 17);
  const auto handle = MustOpen("/data/a/b");
  EXPECT_EQ(ObjectOf(*handle).info.size, 5 * kMiB + 17);
  ExpectReads(handle, kSeed, 0, 4096);
  ExpectReads(handle, kSeed, kMiB - 100, 300);
  ExpectReads(handle, kSeed, 3, kMaxReadBytes);
  ExpectReads(handle, kSeed, 5 * kMiB, 17);
  const auto past = Read(handle, 5 * kMiB + 10, 100);
  ASSERT_TRUE(past);
  EXPECT_EQ(past->size, 7u);
  EXPECT_EQ(Read(handle, kGiB, 100)->size, 0u);
}

TEST_F(NodeReads, ASmallObjectCostsOneRequest) {
  origin_.Set("small", kSeed, 10'000);
  const auto handle = MustOpen("/data/small");
  ExpectReads(handle, kSeed, 0, 10'000);
  EXPECT_EQ(origin_.gets.size(), 1u);
  EXPECT_EQ(origin_.heads, 0);
  ExpectReads(MustOpen("/data/small"), kSeed, 0, 10'000);
  EXPECT_EQ(origin_.gets.size(), 1u);
}

TEST_F(NodeReads, AnEmptyObjectIsOne) {
  origin_.Set("empty", kSeed, 0);
  const auto handle = MustOpen("/data/empty");
  EXPECT_EQ(Read(handle, 0, 100)->size, 0u);
}

TEST_F(NodeReads, WhatIsInMemoryNeedsNoTask) {
  origin_.Set("a", kSeed, 3 * kMiB);
  EXPECT_FALSE(node_->TryOpen(self(), "/data/a"));
  auto handle = MustOpen("/data/a");
  EXPECT_FALSE(node_->TryRead(self(), *handle, 0, kMiB));
  ExpectReads(handle, kSeed, 0, 3 * kMiB);
  const auto opened = node_->TryOpen(self(), "/data/a");
  ASSERT_TRUE(opened && *opened);
  const auto read = node_->TryRead(self(), ***opened, 0, 3 * kMiB);
  ASSERT_TRUE(read && *read);
  EXPECT_TRUE(Right(**read, kSeed, 0));
  EXPECT_EQ((*read)->count, 3u);
}

TEST_F(NodeReads, WhatWasForeseenIsFoundAsWithout) {
  origin_.Set("whole", kSeed, 2 * kMiB + 5);
  origin_.Set("in part", kSeed + 1, 8 * kMiB);
  origin_.Set("unread", kSeed + 2, 100);
  ExpectReads(MustOpen("/data/whole"), kSeed, 0, 2 * kMiB + 5);
  ExpectReads(MustOpen("/data/in part"), kSeed + 1, 6 * kMiB, 100);
  MustOpen("/data/unread");
  const std::vector<ComingGet> gets = {
      {"/data/whole", 0},
      {"/data/whole", 2 * kMiB},
      {"/data/whole", kGiB},
      {"/data/whole", ~0ull},
      {"/data/in part", 6 * kMiB},
      {"/data/in part", kMiB},
      {"/data/unread", 0},
      {"/data/nothing", 0},
      {"/nowhere/whole", 0},
      {"/data", 0},
      {"no path", 0},
      {"", 0},
      {"/data/whole", kMiB + 1},
  };
  const auto see = [&] {
    std::vector<std::string> seen;
    for (const ComingGet& get : gets) {
      GetResult got;
      const auto tried = node_->TryGet(self(), get.path, get.offset, 50, &got);
      std::string& one = seen.emplace_back(!tried ? "later" : *tried ? "bytes " : "error");
      for (const auto& piece : got.bytes.all()) one += AsText(piece.view.bytes());
    }
    return seen;
  };
  const auto without = see();
  EXPECT_EQ(without[1].size(), 6u + 5);
  EXPECT_EQ(without[4].size(), 6u + 50);
  EXPECT_EQ(without[5], "later");
  const uint64_t hits = node_->store().stats().memory_hits,
                 misses = node_->store().stats().memory_misses;
  node_->Foresee(gets);
  EXPECT_EQ(node_->store().stats().memory_hits, hits);
  EXPECT_EQ(node_->store().stats().memory_misses, misses);
  EXPECT_EQ(see(), without);
}

Task<void> ReadAll(Node* node, Gate* gate, uint64_t size, int* right) {
  auto handle = co_await node->Open(gate->AdmitSelf(), "/data/cold", {}, {}, nullptr);
  if (!handle) co_return;
  for (uint64_t at = 0; at < size; at += kMiB) {
    auto result = co_await node->Read(gate->AdmitSelf(), *handle, at, kMiB, {}, nullptr);
    if (!result) co_return;
    for (const auto& piece : result->all()) {
      if (!IsContent(kSeed, at, piece.view.bytes())) co_return;
    }
  }
  ++*right;
}

Task<void> ManyReaders(Env* env, Node* node, Gate* gate, int readers, uint64_t size, int* right) {
  TaskGroup group(env->executor);
  for (int i = 0; i < readers; ++i) group.Spawn(ReadAll(node, gate, size, right));
  co_await group.Join();
}

TEST_F(NodeReads, ManyReadersOfOneColdObjectFetchEveryPageOnce) {
  constexpr uint64_t kSize = 10 * kMiB + 1000;
  origin_.Set("cold", kSeed, kSize);
  int right = 0;
  world_.Run(ManyReaders(&env(), node_.get(), gate_.get(), 64, kSize, &right));
  EXPECT_EQ(right, 64);
  EXPECT_EQ(origin_.bytes_given, kSize);
  EXPECT_EQ(node_->counters().origin.bytes.value(), kSize);
}

TEST_F(NodeReads, ReadingInOrderFetchesEveryByteOnce) {
  constexpr uint64_t kSize = 100 * kMiB;
  origin_.Set("a", kSeed, kSize);
  const auto handle = MustOpen("/data/a");
  for (uint64_t at = 0; at < kSize; at += 128 * kKiB) {
    const auto result = Read(handle, at, 128 * kKiB);
    ASSERT_TRUE(result) << result.error().ToString();
  }
  EXPECT_EQ(origin_.bytes_given, kSize);
  EXPECT_LT(origin_.gets.size(), 30u);
}

TEST_F(NodeReads, ReadsAtRandomFetchLittleMore) {
  origin_.Set("a", kSeed, kGiB);
  const auto handle = MustOpen("/data/a");
  Prng prng(5);
  for (int i = 0; i < 200; ++i) {
    ExpectReads(handle, kSeed, prng.Below(kGiB / 4096) * 4096, 4096);
  }
  EXPECT_LE(origin_.bytes_given, 200ull * 4096 * 32);
}

TEST_F(NodeReads, AnObjectThatChangedEndsItsHandle) {
  origin_.Set("a", kSeed, 50 * kMiB);
  const auto handle = MustOpen("/data/a");
  ExpectReads(handle, kSeed, 0, 4096);
  world_.RunFor(std::chrono::seconds(1));
  origin_.Set("a", kSeed + 1, 50 * kMiB);
  const auto result = Read(handle, 40 * kMiB, 4096);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), Code::kVersionChanged);
  EXPECT_EQ(Read(handle, 0, 4096).error().code(), Code::kVersionChanged);
  ExpectReads(MustOpen("/data/a"), kSeed + 1, 40 * kMiB, 4096);
}

TEST_F(NodeReads, AnOriginThatFailsForAWhileIsTriedAgain) {
  origin_.Set("a", kSeed, 10 * kMiB);
  const auto handle = MustOpen("/data/a");
  origin_.fail_requests = 2;
  ExpectReads(handle, kSeed, 5 * kMiB, kMiB);
  origin_.fail_reads = 1;
  ExpectReads(handle, kSeed, 8 * kMiB, kMiB);
  EXPECT_GT(node_->counters().origin.retries.value(), 0u);
}

TEST_F(NodeReads, AnOriginThatTriesAgainByItselfIsAskedOnce) {
  origin_.Set("a", kSeed, 10 * kMiB);
  const auto handle = MustOpen("/data/a");
  origin_.behaviour.capabilities.retries = true;
  origin_.fail_requests = 1;
  const size_t asked = origin_.gets.size();
  EXPECT_EQ(Read(handle, 5 * kMiB, 4096).error().code(), Code::kUnavailable);
  EXPECT_EQ(origin_.gets.size(), asked + 1);
  ExpectReads(handle, kSeed, 5 * kMiB, 4096);
}

TEST_F(NodeReads, WhatWasDamagedOnItsWayIsAskedForOnceMoreAndNeverGiven) {
  origin_.behaviour.judges = true;
  origin_.behaviour.bytes_per_second = 10 * kMiB;
  origin_.Set("small", kSeed, 200 * kKiB);
  origin_.Set("large", kSeed, 10 * kMiB);
  // What the first question brings along.
  origin_.damage_bodies = 1;
  ExpectReads(MustOpen("/data/small"), kSeed, 0, 4096);
  EXPECT_EQ(origin_.gets.size(), 2u);
  // A part of a block: whoever wants its beginning waits for its end.
  const auto handle = MustOpen("/data/large");
  origin_.damage_bodies = 1;
  ExpectReads(handle, kSeed, 5 * kMiB, 4096);
  EXPECT_EQ(origin_.damage_bodies, 0);
  // Twice is a defect of something that people must look for.
  origin_.damage_bodies = 2;
  const auto failed = Read(handle, 8 * kMiB, 4096);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Code::kCorrupt) << failed.error().ToString();
  ExpectReads(handle, kSeed, 8 * kMiB, 4096);
}

TEST_F(NodeReads, AnOriginThatHangsIsGivenUp) {
  origin_.Set("a", kSeed, 10 * kMiB);
  const auto handle = MustOpen("/data/a");
  origin_.hang = true;
  const Call call{.deadline = env().clock.Now() + std::chrono::seconds(5)};
  const auto late = world_.Run(node_->Read(self(), handle, 5 * kMiB, kMiB, call, nullptr));
  EXPECT_EQ(late.error().code(), Code::kDeadlineExceeded);
  const auto never = Read(handle, 5 * kMiB, kMiB);
  EXPECT_EQ(never.error().code(), Code::kUnavailable);
  origin_.hang = false;
  ExpectReads(handle, kSeed, 5 * kMiB, kMiB);
}

}  // namespace
}  // namespace forebay::node_testing
