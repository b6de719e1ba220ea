#include "src/front/native/testing/cell_world.h"

#include "src/wire/handshake.h"

namespace forebay::node_testing {

using std::chrono::seconds;

CellNode::CellNode(CellWorld& its_world, std::string its_name)
    : world(its_world), name(std::move(its_name)), machine(world.world.AddNode(name)) {}

Task<Result<void>> CellNode::Open() {
  gate = std::move(*Gate::Create({.cell_secret = world.secret}));
  registry = std::make_unique<MemoryRegistry>(env(), world.registry);
  const uint16_t lowest = std::max(versions.min, wire::kPeerVersion);
  peers = std::make_unique<Peers>(
      env(),
      PeersOptions{.name = name, .secret = world.secret, .versions = {lowest, versions.max}});
  const auto origins = [this](const AttachmentConfig&) -> Result<std::unique_ptr<Origin>> {
    return std::make_unique<SharedOrigin>(world.origin);
  };
  FB_CO_ASSIGN(node,
               co_await Node::Open(env(), world.options, *gate, *registry, origins, peers.get()));
  NativeDoorOptions options;
  options.addresses = {"0.0.0.0:7400"};
  options.node_name = name;
  options.versions = versions;
  options.nonce_secret = std::string(32, 's');
  options.status_json = [] { return std::string("{}"); };
  door = std::make_unique<NativeDoor>(env(), *node, std::move(options));
  FB_CO_TRY(door->Start());
  CellOptions membership{.name = name,
                         .member = {.address = name + ":7400",
                                    .region = "r1",
                                    .zone = "z1",
                                    .host = name,
                                    .incarnation = {.hi = 1, .lo = machine.id()}},
                         .on_view = [this](auto view) { peers->Follow(std::move(view)); },
                         .on_lease = [this](Instant until) { peers->HoldUntil(until); }};
  FB_CO_ASSIGN(cell, co_await Cell::Join(env(), std::move(membership), *registry,
                                         {.deadline = env().clock.Now() + seconds(30)}));
  co_return Result<void>();
}

Result<void> CellNode::Start() {
  if (machine.crashed()) machine.Restart();
  return world.world.Run(Open());
}

Task<void> CellNode::Close(Duration grace) {
  if (cell != nullptr) co_await cell->Leave();
  if (door != nullptr) co_await door->Stop(grace);
  if (node != nullptr) co_await node->Close(grace);
  if (peers != nullptr) co_await peers->Close();
}

void CellNode::Stop() {
  world.world.Run(Close(seconds(1)));
  cell.reset();
  door.reset();
  node.reset();
  peers.reset();
  registry.reset();
}

void CellNode::Crash(sim::CrashKind kind) {
  machine.Crash(kind);
  Stop();  // of the dead: only lets go
}

Task<Result<void>> CellNode::Check(std::string path, uint64_t seed, uint64_t offset,
                                   uint32_t size) {
  FB_CO_ASSIGN(const auto handle, co_await node->Open(self(), path, {}, {}, nullptr));
  FB_CO_ASSIGN(const ReadResult read,
               co_await node->Read(self(), handle, offset, size, {}, nullptr));
  for (const ReadResult::Piece& piece : read.all()) {
    if (!IsContent(seed, offset, piece.view.bytes())) {
      co_return Fail(Code::kCorrupt,
                     fmt::format("{}: wrong bytes of {} at {}", name, path, offset));
    }
    offset += piece.view.bytes().size();
  }
  co_return Result<void>();
}

Task<Result<std::string>> CellNode::Put(std::string path, std::string bytes) {
  FB_CO_ASSIGN(const auto upload, co_await node->Put(self(), std::move(path), {}, {}));
  const Bytes part = AsBytes(bytes);
  FB_CO_TRY(co_await upload->Write(std::span(&part, 1), {}));
  FB_CO_ASSIGN(const ObjectInfo info, co_await upload->Commit({}));
  co_return info.etag;
}

Task<Result<std::string>> CellNode::EtagOf(std::string path) {
  FB_CO_ASSIGN(const auto handle, co_await node->Open(self(), std::move(path), {}, {}, nullptr));
  co_return ObjectOf(*handle).info.etag;
}

CellWorld::~CellWorld() {
  for (const auto& node : nodes) {
    if (node->running()) node->Stop();
  }
}

Result<void> CellWorld::Start(int count) {
  for (int i = 0; i < count; ++i) {
    nodes.push_back(std::make_unique<CellNode>(*this, fmt::format("n{}", i)));
    FB_TRY(nodes.back()->Start());
  }
  CellNode& first = *nodes.front();
  const AttachmentConfig config{.name = "data", .origin = "memory://test", .freshness = freshness};
  FB_TRY(world.Run(first.node->Attach(first.self(), config, {})));
  return AwaitAgreement();
}

bool CellWorld::Agree() const {
  const CellView* one = nullptr;
  int64_t running = 0;
  for (const auto& node : nodes) {
    if (!node->running()) continue;
    ++running;
    const CellView* view = node->peers->view().get();
    if (view == nullptr || node->node->Attachments(node->self()).empty()) return false;
    if (one == nullptr) one = view;
    if (view->map.epoch != one->map.epoch) return false;
  }
  return one == nullptr || std::ranges::count(one->map.epoch.live, true) == running;
}

Result<void> CellWorld::AwaitAgreement(Duration patience) {
  const Instant until = world.Now() + patience;
  while (!Agree()) {
    if (world.Now() >= until) return Fail(Code::kDeadlineExceeded, "the nodes do not agree");
    world.RunFor(std::chrono::milliseconds(100));
  }
  return {};
}

}  // namespace forebay::node_testing
