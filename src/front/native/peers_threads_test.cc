// A cell of real sockets whose nodes have loops for what comes from peers: many readers, peers that
// go and come back, readers that give up. The thread sanitizer is the judge of most of it.
#include <gtest/gtest.h>

#include "src/base/prng.h"
#include "src/base/test_tier.h"
#include "src/base/units.h"
#include "src/cell/peers.h"
#include "src/front/native/door.h"
#include "src/node/testing/node_fixture.h"
#include "src/platform/linux/loop_threads.h"
#include "src/platform/linux/test_loop.h"

namespace forebay::node_testing {
namespace {

using namespace std::chrono_literals;

constexpr size_t kFurtherLoops = 2;
constexpr uint64_t kObjectBytes = 9 * kMiB + 5;
constexpr int kObjects = 6;
constexpr size_t kOwners = 3;

std::string PathOfObject(int i) {
  return fmt::format("/data/o{}", i);
}

/// What the nodes of a cell share.
struct Shared {
  Env& env;
  std::vector<Env*> further;
  Duration idle = 60s;             // after which connections are closed
  Duration settle = 20ms;          // after which all ask one another by which map they go
  uint32_t max_connections = 100;  // that a door takes
  MemoryOrigin origin;
  RegistryState registry;
};

class ThreadedNode {
 public:
  ThreadedNode(Shared& shared, std::string name) : shared_(shared), name_(std::move(name)) {}

  Task<Result<void>> Open() {
    gate_ = std::move(*Gate::Create({.cell_secret = std::string(32, 'c')}));
    registry_ = std::make_unique<MemoryRegistry>(shared_.env, shared_.registry);
    peers_ = std::make_unique<Peers>(shared_.env,
                                     PeersOptions{.name = name_,
                                                  .secret = std::string(32, 'c'),
                                                  .idle = shared_.idle,
                                                  .settle = shared_.settle},
                                     shared_.further);
    NodeOptions options;
    options.store.dram.capacity_bytes = 24 * kMiB;  // less than there is
    options.metadata_bytes = 4 * kMiB;
    const auto origins = [this](const AttachmentConfig&) -> Result<std::unique_ptr<Origin>> {
      return std::make_unique<SharedOrigin>(shared_.origin);
    };
    FB_CO_ASSIGN(node_, co_await Node::Open(shared_.env, options, *gate_, *registry_, origins,
                                            peers_.get()));
    co_return OpenDoor();
  }
  Result<void> OpenDoor() {
    NativeDoorOptions options;
    options.addresses = {address_.empty() ? "127.0.0.1:0" : address_};
    options.node_name = name_;
    options.max_connections = shared_.max_connections;
    options.nonce_secret = std::string(32, 's');
    door_ = std::make_unique<NativeDoor>(shared_.env, *node_, options, shared_.further);
    FB_TRY(door_->Start());
    address_ = door_->addresses().front();
    return {};
  }
  /// Peers cannot reach it any more, nor does it end what it was asked in good order.
  Task<void> CloseDoor() {
    if (door_ == nullptr) co_return;
    co_await door_->Stop(0ms);
    door_.reset();
  }
  Task<void> Close() {
    co_await CloseDoor();
    if (node_ != nullptr) co_await node_->Close(1s);
    if (peers_ != nullptr) co_await peers_->Close();
    node_.reset();
    peers_.reset();
    registry_.reset();
  }
  Task<Result<void>> Check(int object, uint64_t offset, uint32_t size, Call call) {
    FB_CO_ASSIGN(const auto handle,
                 co_await node_->Open(self(), PathOfObject(object), {}, call, nullptr));
    FB_CO_ASSIGN(const ReadResult read,
                 co_await node_->Read(self(), handle, offset, size, call, nullptr));
    for (const ReadResult::Piece& piece : read.all()) {
      const auto seed = static_cast<uint64_t>(object);
      if (!IsContent(seed, offset, piece.view.bytes())) {
        co_return Fail(Code::kCorrupt, fmt::format("object {} at {}", object, offset));
      }
      offset += piece.view.bytes().size();
    }
    co_return Result<void>();
  }

  Authenticated self() { return gate_->AdmitSelf(); }
  Node& node() { return *node_; }
  Peers& peers() { return *peers_; }
  size_t connections() const { return door_->connections(); }
  const std::string& address() const { return address_; }
  const std::string& name() const { return name_; }

 private:
  Shared& shared_;
  const std::string name_;
  std::string address_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<MemoryRegistry> registry_;
  std::unique_ptr<Peers> peers_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<NativeDoor> door_;
};

class PeersOnLoops : public LoopTest {
 protected:
  void SetUp() override {
    LoopTest::SetUp();
    if (loop_ == nullptr) return;
    further_ = std::move(LoopThreads::Start(kFurtherLoops, {.io = GetParam()}).value());
    shared_ = std::make_unique<Shared>(
        Shared{.env = env(), .further = further_->envs(), .origin = {}, .registry = {}});
    for (int i = 0; i < kObjects; ++i) {
      shared_->origin.Set(PathOfObject(i).substr(6), static_cast<uint64_t>(i), kObjectBytes);
    }
    shared_->origin.behaviour.latency = 200us;
  }
  void Open() {
    for (const char* name : {"n0", "n1", "n2", "reader"}) {
      nodes_.push_back(std::make_unique<ThreadedNode>(*shared_, name));
      const auto opened = loop_->Run(nodes_.back()->Open());
      ASSERT_TRUE(opened) << opened.error().ToString();
    }
    const AttachmentConfig config{.name = "data", .origin = "memory://test"};
    ASSERT_TRUE(loop_->Run(reader().node().Attach(reader().self(), config, {})));
    Follow(1);
    loop_->Run(UntilAllAreAttached());
  }
  void TearDown() override {
    for (const auto& node : nodes_) loop_->Run(node->Close());
    nodes_.clear();
    shared_.reset();
    further_.reset();
    LoopTest::TearDown();
  }

  /// The reader owns nothing.
  void Follow(uint64_t epoch) {
    CellMap map{.epoch = {.number = epoch, .live = std::vector<bool>(nodes_.size(), true)},
                .nodes = {}};
    for (uint32_t i = 0; i < nodes_.size(); ++i) {
      const ThreadedNode& node = *nodes_[i];
      map.nodes[node.name()] = {
          .index = i,
          .member = {.address = node.address(),
                     .region = "r",
                     .zone = "z",
                     .host = node.name(),
                     .weight = node.name() == "reader" ? uint16_t{0} : kFullWeight,
                     .incarnation = {.hi = 1, .lo = i}}};
    }
    for (const auto& node : nodes_) {
      node->peers().Follow(std::make_shared<CellView>(map, node->name()));
    }
  }
  Task<void> UntilAllAreAttached() {
    for (const auto& node : nodes_) {
      while (node->node().Attachments(node->self()).empty()) {
        std::ignore = co_await env().clock.Sleep(5ms, {});
      }
    }
  }

  /// Some of it is given up.
  Task<void> ReadsOn(uint64_t seed, int steps) {
    Prng prng(seed);
    for (int i = 0; i < steps; ++i) {
      const auto object = static_cast<int>(prng.Below(kObjects));
      const uint64_t offset = prng.Below(kObjectBytes);
      const auto size = static_cast<uint32_t>(1 + prng.Below(4 * kMiB));
      Call call;
      const bool hasty = prng.Below(8) == 0;
      if (hasty) call.deadline = env().clock.Now() + std::chrono::microseconds(prng.Below(3000));
      const auto checked = co_await reader().Check(object, offset, size, call);
      if (checked) ++read_;
      const bool late = hasty && !checked && checked.error().code() == Code::kDeadlineExceeded;
      EXPECT_TRUE(checked || late) << checked.error().ToString();
    }
  }
  Task<void> ReadAll(int readers, int steps) {
    TaskGroup group(env().executor);
    for (int i = 0; i < readers; ++i) group.Spawn(ReadsOn(static_cast<uint64_t>(i), steps));
    if (owners_come_and_go_) group.Spawn(ComeAndGo());
    co_await group.Join();
  }
  Task<void> ComeAndGo() {
    for (int round = 0; round < ByTier(3, 6, 60); ++round) {
      ThreadedNode& owner = *nodes_[static_cast<size_t>(round) % kOwners];
      co_await owner.CloseDoor();
      std::ignore = co_await env().clock.Sleep(20ms, {});
      const auto opened = owner.OpenDoor();
      EXPECT_TRUE(opened) << opened.error().ToString();
      Follow(uint64_t{2} + static_cast<uint64_t>(round));  // nobody is left alone any longer
      std::ignore = co_await env().clock.Sleep(20ms, {});
    }
  }
  size_t ConnectionsOfPeers() const {
    size_t all = 0;
    for (const auto& node : nodes_) all += node->connections();
    return all;
  }
  Task<void> UntilNobodyIsConnected() {
    while (ConnectionsOfPeers() > 0) std::ignore = co_await env().clock.Sleep(10ms, {});
  }
  ThreadedNode& reader() { return *nodes_.back(); }

  std::unique_ptr<LoopThreads> further_;
  std::unique_ptr<Shared> shared_;
  std::vector<std::unique_ptr<ThreadedNode>> nodes_;
  bool owners_come_and_go_ = false;
  uint64_t read_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Io, PeersOnLoops, testing::ValuesIn(kBothBackends), BackendTestName);

TEST_P(PeersOnLoops, BlocksComeFromTheirOwners) {
  Open();
  loop_->Run(ReadAll(12, ByTier(5, 15, 300)));
  EXPECT_GT(read_, 0u);
  EXPECT_GT(reader().peers().counters().bytes, kObjectBytes);
  EXPECT_EQ(reader().peers().counters().failures, 0u);
  EXPECT_EQ(reader().peers().connections(), 2 * kOwners);  // one for questions, one for blocks
}

TEST_P(PeersOnLoops, WhoTakesOneConnectionOnlyGivesBlocksByIt) {
  shared_->max_connections = 1;
  shared_->settle = 60s;  // it is for the reader
  Open();
  loop_->Run(ReadAll(4, ByTier(5, 15, 100)));
  EXPECT_GT(reader().peers().counters().bytes, kObjectBytes);
  EXPECT_EQ(reader().peers().connections(), kOwners);
}

TEST_P(PeersOnLoops, PeersThatGoCostNobodyAnError) {
  owners_come_and_go_ = true;
  Open();
  loop_->Run(ReadAll(8, ByTier(20, 40, 600)));
  EXPECT_GT(read_, 0u);
  EXPECT_GT(reader().peers().counters().bytes, kObjectBytes);
}

TEST_P(PeersOnLoops, IdleConnectionsAreClosedOnTheirLoops) {
  shared_->idle = 200ms;
  Open();
  loop_->Run(ReadAll(2, 5));
  EXPECT_GT(ConnectionsOfPeers(), 0u);
  loop_->Run(UntilNobodyIsConnected());
  const uint64_t before = reader().peers().counters().bytes;
  loop_->Run(ReadAll(2, 20));
  EXPECT_GT(reader().peers().counters().bytes, before);
  EXPECT_EQ(reader().peers().counters().failures, 0u);
}

}  // namespace
}  // namespace forebay::node_testing
