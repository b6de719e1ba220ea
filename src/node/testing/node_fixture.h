// A simulated machine with a node, an origin and a registry.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "sim/sim_device.h"
#include "sim/world.h"
#include "src/base/units.h"
#include "src/node/node.h"
#include "src/node/testing/memory_origin.h"
#include "src/node/testing/memory_registry.h"

namespace forebay::node_testing {

/// Every attachment of a URL has the same origin, which outlives nodes.
class SharedOrigin final : public Origin {
 public:
  explicit SharedOrigin(Origin& origin) : origin_(origin) {}
  const std::string& url() const override { return origin_.url(); }
  const OriginCapabilities& capabilities() const override { return origin_.capabilities(); }
  Task<Result<ObjectInfo>> Head(Env& env, std::string key, Call call) override {
    return origin_.Head(env, std::move(key), call);
  }
  Task<Result<std::unique_ptr<OriginBody>>> Get(Env& env, std::string key, GetOptions options,
                                                Call call) override {
    return origin_.Get(env, std::move(key), std::move(options), call);
  }
  Task<Result<ListPage>> List(Env& env, ListOptions options, Call call) override {
    return origin_.List(env, std::move(options), call);
  }
  Task<Result<std::unique_ptr<OriginUpload>>> Put(Env& env, std::string key, Condition condition,
                                                  Call call) override {
    return origin_.Put(env, std::move(key), std::move(condition), call);
  }
  Task<Result<void>> Delete(Env& env, std::string key, Condition condition, Call call) override {
    return origin_.Delete(env, std::move(key), std::move(condition), call);
  }
  Task<Result<std::string>> CreateMultipart(Env& env, std::string key, Call call) override {
    return origin_.CreateMultipart(env, std::move(key), call);
  }
  Task<Result<std::unique_ptr<OriginUpload>>> PutPart(Env& env, std::string key, std::string id,
                                                      uint32_t number, Call call) override {
    return origin_.PutPart(env, std::move(key), std::move(id), number, call);
  }
  Task<Result<std::vector<UploadedPart>>> ListParts(Env& env, std::string key, std::string id,
                                                    Call call) override {
    return origin_.ListParts(env, std::move(key), std::move(id), call);
  }
  Task<Result<ObjectInfo>> CompleteMultipart(Env& env, std::string key, std::string id,
                                             std::vector<UploadedPart> parts, Condition condition,
                                             Call call) override {
    return origin_.CompleteMultipart(env, std::move(key), std::move(id), std::move(parts),
                                     std::move(condition), call);
  }
  Task<Result<void>> AbortMultipart(Env& env, std::string key, std::string id, Call call) override {
    return origin_.AbortMultipart(env, std::move(key), std::move(id), call);
  }
  Task<Result<void>> Sweep(Env& env) override { return origin_.Sweep(env); }

 private:
  Origin& origin_;
};

class NodeTest : public testing::Test {
 protected:
  Env& env() { return machine_.env(); }

  static NodeOptions SmallOptions(uint64_t dram_bytes = 256 * kMiB, uint64_t disk_bytes = 0) {
    NodeOptions options;
    options.store.dram.capacity_bytes = dram_bytes;
    options.metadata_bytes = 4 * kMiB;
    if (disk_bytes > 0) {
      options.store.disks.push_back({.directory = "/cache", .size_bytes = disk_bytes});
    }
    return options;
  }

  void Open(NodeOptions options = SmallOptions()) {
    gate_ = std::move(*Gate::Create({}));
    registry_ = std::make_unique<MemoryRegistry>(env(), registry_state_);
    const auto origins = [this](const AttachmentConfig& config) {
      return config.origin.starts_with("memory:")
                 ? Result<std::unique_ptr<Origin>>(std::make_unique<SharedOrigin>(origin_))
                 : Fail(Code::kUnsupported, "origin " + config.origin + " is of no known kind");
    };
    auto node = world_.Run(Node::Open(env(), std::move(options), *gate_, *registry_, origins));
    ASSERT_TRUE(node) << node.error().ToString();
    node_ = std::move(*node);
  }
  void Attach(Freshness freshness = {}, std::string name = "data") {
    AttachmentConfig config{
        .name = std::move(name), .origin = "memory://test", .freshness = freshness};
    const auto attached = world_.Run(node_->Attach(self(), config, {}));
    ASSERT_TRUE(attached) << attached.error().ToString();
  }
  void Close() {
    if (node_ == nullptr) return;
    world_.Run(node_->Close(std::chrono::seconds(1)));
    node_.reset();
    registry_.reset();
  }
  void TearDown() override { Close(); }

  Authenticated self() { return gate_->AdmitSelf(); }
  Result<std::shared_ptr<Handle>> OpenObject(std::string path, Node::OpenOptions options = {}) {
    return world_.Run(node_->Open(self(), std::move(path), std::move(options), {}, nullptr));
  }
  std::shared_ptr<Handle> MustOpen(std::string path) {
    auto handle = OpenObject(std::move(path));
    EXPECT_TRUE(handle) << handle.error().ToString();
    return handle ? *handle : nullptr;
  }
  Result<ReadResult> Read(const std::shared_ptr<Handle>& handle, uint64_t offset, uint32_t size) {
    return world_.Run(node_->Read(self(), handle, offset, size, {}, nullptr));
  }
  /// Reads, and compares with what the object made from `seed` holds.
  static bool Right(const ReadResult& result, uint64_t seed, uint64_t offset) {
    for (const ReadResult::Piece& piece : result.all()) {
      if (!IsContent(seed, offset, piece.view.bytes())) return false;
      offset += piece.view.bytes().size();
    }
    return true;
  }
  void ExpectReads(const std::shared_ptr<Handle>& handle, uint64_t seed, uint64_t offset,
                   uint32_t size) {
    const auto result = Read(handle, offset, size);
    ASSERT_TRUE(result) << result.error().ToString();
    EXPECT_EQ(result->size, size);
    EXPECT_TRUE(Right(*result, seed, offset)) << "at " << offset;
  }
  static Task<void> Keep(Task<void> task) { co_await std::move(task); }

  sim::World world_{1};
  sim::Node& machine_ = world_.AddNode("n");
  MemoryOrigin origin_;
  RegistryState registry_state_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<MemoryRegistry> registry_;
  std::unique_ptr<Node> node_;
};

}  // namespace forebay::node_testing
