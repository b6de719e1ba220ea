// Uploads in parts, and forgetting what is cached.
#include "src/node/node.h"
#include "src/node/testing/node_fixture.h"

namespace forebay::node_testing {
namespace {

class NodeParts : public NodeTest {
 protected:
  void SetUp() override {
    Open();
    Attach({Freshness::Mode::kImmutable, {}});
  }
  std::string Create(std::string path) {
    auto id = world_.Run(node_->CreateMultipart(self(), std::move(path), {}));
    EXPECT_TRUE(id) << id.error().ToString();
    return id.value_or("");
  }
  Result<UploadedPart> Put(std::string path, std::string id, uint32_t number, uint64_t seed,
                           size_t size) {
    return world_.Run(
        PutTask(node_.get(), self(), std::move(path), std::move(id), number, seed, size));
  }
  static Task<Result<UploadedPart>> PutTask(Node* node, Authenticated who, std::string path,
                                            std::string id, uint32_t number, uint64_t seed,
                                            size_t size) {
    FB_CO_ASSIGN(auto upload,
                 co_await node->PutPart(who, std::move(path), std::move(id), number, {}));
    std::vector<std::byte> bytes(size);
    StoreTo(bytes.data(), seed);
    const Bytes part(bytes);
    FB_CO_TRY(co_await upload->Write({&part, 1}, {}));
    FB_CO_ASSIGN(const ObjectInfo info, co_await upload->Commit({}));
    co_return UploadedPart{number, info.etag, info.size};
  }
  Result<ObjectInfo> Complete(std::string path, std::string id, std::vector<UploadedPart> parts,
                              Condition condition = {}) {
    return world_.Run(node_->CompleteMultipart(self(), std::move(path), std::move(id),
                                               std::move(parts), std::move(condition), {}));
  }
  Code CodeOf(std::string path) {
    const auto opened = OpenObject(std::move(path));
    return opened ? Code::kInternal : opened.error().code();
  }
};

TEST_F(NodeParts, ComeInAnyOrderAndTheWholeIsSeenAtOnce) {
  EXPECT_EQ(CodeOf("/data/a"), Code::kNotFound);  // which is remembered
  const std::string id = Create("/data/a");
  const auto second = Put("/data/a", id, 2, 8, 1000);
  const auto first = Put("/data/a", id, 1, 6, 7 * kMiB);
  ASSERT_TRUE(first && second);
  const auto again = Put("/data/a", id, 1, 7, 6 * kMiB);
  ASSERT_TRUE(again);
  EXPECT_EQ(CodeOf("/data/a"), Code::kNotFound);
  const auto info = Complete("/data/a", id, {*again, *second});
  ASSERT_TRUE(info) << info.error().ToString();
  EXPECT_EQ(info->size, 6 * kMiB + 1000);
  const auto handle = MustOpen("/data/a");
  EXPECT_EQ(ObjectOf(*handle).info.etag, info->etag);
  ExpectReads(handle, 7, 5 * kMiB, kMiB + 1000);
  EXPECT_EQ(node_->counters().write.bytes.value(), 13 * kMiB + 1000);
  EXPECT_EQ(node_->counters().write.errors.value(), 0u);
}

TEST_F(NodeParts, AConditionHoldsWhenTheyAreCompleted) {
  origin_.Set("a", 1, 5000);
  ExpectReads(MustOpen("/data/a"), 1, 0, 5000);
  const std::string id = Create("/data/a");
  const auto part = Put("/data/a", id, 1, 2, 6000);
  ASSERT_TRUE(part);
  const auto there = Complete("/data/a", id, {*part}, {.if_absent = true, .if_match = {}});
  EXPECT_TRUE(!there && there.error().code() == Code::kAlreadyExists);
  const auto other = Complete("/data/a", id, {*part}, {.if_match = "v99"});
  EXPECT_TRUE(!other && other.error().code() == Code::kVersionChanged);
  ExpectReads(MustOpen("/data/a"), 1, 0, 5000);
  const std::string etag = ObjectOf(*MustOpen("/data/a")).info.etag;
  ASSERT_TRUE(Complete("/data/a", id, {*part}, {.if_match = etag}));
  ExpectReads(MustOpen("/data/a"), 2, 0, 6000);
}

TEST_F(NodeParts, WhatIsAbortedOrWrongIsNeverSeen) {
  const std::string id = Create("/data/a");
  const auto part = Put("/data/a", id, 1, 2, 6000);
  ASSERT_TRUE(part);
  const auto wrong = Complete("/data/a", id, {{1, "other", 6000}});
  EXPECT_TRUE(!wrong && wrong.error().code() == Code::kInvalidArgument);
  for (const uint32_t number : {0u, 10'001u}) {
    const auto refused = Put("/data/a", id, number, 2, 100);
    EXPECT_TRUE(!refused && refused.error().code() == Code::kInvalidArgument) << number;
  }
  const auto other = Put("/data/b", id, 2, 2, 100);  // it is no upload of this name
  EXPECT_TRUE(!other && other.error().code() == Code::kNotFound);
  ASSERT_TRUE(world_.Run(node_->AbortMultipart(self(), "/data/a", id, {})));
  const auto late = Complete("/data/a", id, {*part});
  EXPECT_TRUE(!late && late.error().code() == Code::kNotFound);
  EXPECT_EQ(CodeOf("/data/a"), Code::kNotFound);
}

TEST_F(NodeTest, EvictingAnAttachmentReachesWhatARestartLeftNameless) {
  const NodeOptions options = SmallOptions(64 * kMiB, 256 * kMiB);
  Open(options);
  Attach({Freshness::Mode::kImmutable, {}});
  Attach({Freshness::Mode::kImmutable, {}}, "other");
  origin_.Set("a", 1, 5 * kMiB);
  for (const std::string path : {"/data/a", "/other/a"}) {
    for (uint64_t at = 0; at < 5 * kMiB; at += kMiB) ExpectReads(MustOpen(path), 1, at, kMiB);
  }
  Close();
  Open(options);
  ASSERT_EQ(node_->store().stats().blocks, 10u);
  const auto below = world_.Run(node_->Evict(self(), "/data/a", {}));
  EXPECT_EQ(below.value_or(99), 0u);  // nobody has asked for that name yet
  const auto evicted = world_.Run(node_->Evict(self(), "/data/", {}));
  ASSERT_TRUE(evicted) << evicted.error().ToString();
  EXPECT_EQ(*evicted, 5 * kMiB);
  EXPECT_EQ(node_->store().stats().blocks, 5u);
  const uint64_t before = origin_.bytes_given;
  ExpectReads(MustOpen("/other/a"), 1, kMiB, kMiB);
  EXPECT_EQ(origin_.bytes_given, before);
  ASSERT_TRUE(world_.Run(node_->Detach(self(), "other", {})));
  world_.RunFor(std::chrono::seconds(1));
  EXPECT_EQ(node_->store().stats().blocks, 0u);
}

}  // namespace
}  // namespace forebay::node_testing
