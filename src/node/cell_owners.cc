// For people: who owns what, who has what of it, and how the nodes of the cell are.
#include "src/node/node_impl.h"

namespace forebay {
namespace {

/// After so many blocks others get their turn.
constexpr uint64_t kBlocksATurn = 4096;
/// For one node to answer: who shows what a cell looks like does not wait for the dead.
constexpr Duration kAnswerTimeout = std::chrono::seconds(1);
constexpr size_t kMostStatuses = 32;  // of a page

}  // namespace

// -- What is here

void Node::Impl::AddHeld(const BlockKey& key, HeldBytes* held) {
  Store& store = *context.store;
  const auto presence = store.Probe(key);
  if (!presence) return;
  if (presence->on_disk) held->disk += presence->length;
  if (!presence->in_memory) return;
  const auto pages = static_cast<uint32_t>(DivideRoundUp(presence->length, kPageBytes));
  for (uint32_t page = 0; page < pages;) {
    const auto run = store.RunAt(key, page, pages);
    const uint64_t end =
        std::min<uint64_t>(uint64_t{page + run.pages} * kPageBytes, presence->length);
    if (run.filled) held->memory += end - uint64_t{page} * kPageBytes;
    page += run.pages;
  }
}

/// Of whole blocks. Others get their turn once in a while, and at its end.
Task<HeldBytes> Node::Impl::HeldOf(VersionId version, ByteRange range) {
  HeldBytes held;
  uint64_t since_turn = 0;
  for (uint64_t at = range.begin; at < range.end; at += kBlockBytes) {
    AddHeld(BlockKey::Of(version, static_cast<uint32_t>(at / kBlockBytes)), &held);
    if (++since_turn % kBlocksATurn == 0) co_await Yield(context.env.executor);
  }
  co_await Yield(context.env.executor);
  co_return held;
}

namespace {

ByteRange ChunkOf(uint64_t chunk, uint64_t chunk_bytes, uint64_t size) {
  const uint64_t count = DivideRoundUp(size, chunk_bytes);
  if (chunk >= count) return {};
  return {chunk * chunk_bytes, std::min((chunk + 1) * chunk_bytes, size)};
}

}  // namespace

Task<Result<std::vector<HeldBytes>>> Node::HeldForPeer(Authenticated who, AttachmentId attachment,
                                                       std::string key, ObjectInfo info,
                                                       std::vector<uint64_t> chunks, Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_ASSIGN(const auto of, impl_->AttachmentOfPeer(who, attachment, key));
  const VersionId version = MakeVersionId(attachment, key, info.etag, info.size);
  std::vector<HeldBytes> held;
  for (const uint64_t chunk : chunks) {
    const ByteRange range = ChunkOf(chunk, of->config.chunk_bytes, info.size);
    held.push_back(co_await impl_->HeldOf(version, range));
  }
  co_return held;
}

// -- Who owns what

namespace {

/// Chunks of one object that one node owns, and what it has of them.
struct AskedOwner {
  uint16_t number = 0;  // in Owners::nodes
  std::vector<wire::ChunkNumber> chunks;
};

struct AskingOwners {
  Peers& peers;
  const ResolvedObject& object;
  const uint64_t first;
  const Call call;
  Owners& owners;
};

Task<void> AskOwner(AskingOwners* asking, uint32_t node, AskedOwner* asked) {
  const ResolvedObject& object = asking->object;
  const auto answer = co_await asking->peers.Ask<wire::PeerHeldAnswer>(
      node,
      wire::PeerHeldRequest{.attachment_id = object.attachment->config.id,
                            .object_size = object.info.size,
                            .chunks = asked->chunks,
                            .key = object.key,
                            .etag = object.info.etag},
      asking->call);
  auto& error = asking->owners.nodes[asked->number].error;
  if (!answer) {
    error = answer.error();
    co_return;
  }
  const auto& held = answer->value.held;
  if (held.size() != asked->chunks.size()) {
    error = Error(Code::kCorrupt, "an answer of another length");
    co_return;
  }
  for (size_t i = 0; i < held.size(); ++i) {
    asking->owners.chunks[asked->chunks[i].chunk - asking->first].at_owner = {held[i].memory_bytes,
                                                                              held[i].disk_bytes};
  }
}

/// Gives each node a number among Owners::nodes, and gathers what the others are to be asked.
class OwnersOfChunks {
 public:
  OwnersOfChunks(Peers* peers, const ResolvedObject& object, Owners& owners)
      : view_(peers == nullptr ? nullptr : peers->view()),
        config_(object.attachment->config),
        name_(NameHash(config_.id, object.key)),
        owners_(owners) {
    owners_.nodes.push_back({peers == nullptr ? "" : peers->options().name, {}});
  }

  /// `one` has what is here.
  void Place(uint64_t chunk, Owners::Chunk* one) {
    std::array<uint32_t, 2> order{};
    const size_t found =
        view_ == nullptr ? 0 : view_->placement.InOrder(ChunkKey(name_, chunk), order);
    one->at_owner = one->here;
    if (found == 0) return;
    one->owner = Number(order[0]);
    one->next = found > 1 ? Number(order[1]) : one->owner;
    if (one->owner == 0) return;
    one->at_owner = {};
    asked_[order[0]].chunks.push_back({chunk});
  }
  std::map<uint32_t, AskedOwner>& asked() { return asked_; }

 private:
  uint16_t Number(uint32_t node) {
    if (node == view_->self) return 0;
    const auto [at, fresh] = asked_.try_emplace(node);
    if (fresh) {
      at->second.number = static_cast<uint16_t>(owners_.nodes.size());
      owners_.nodes.push_back({view_->by_index[node].name, {}});
    }
    return at->second.number;
  }

  const std::shared_ptr<const CellView> view_;
  const AttachmentConfig& config_;
  const Hash128 name_;
  Owners& owners_;
  std::map<uint32_t, AskedOwner> asked_;  // by index; some only named
};

}  // namespace

Task<Result<Owners>> Node::OwnersOf(Authenticated who, ResolvedObject object, uint64_t first,
                                    Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  NodeContext& context = impl_->context;
  FB_CO_TRY(context.gate.Check(who, kRead, object.attachment->guarded()));
  const uint64_t chunk_bytes = object.attachment->config.chunk_bytes;
  const uint64_t all = DivideRoundUp(object.info.size, chunk_bytes);
  Owners owners;
  OwnersOfChunks places(context.peers, object, owners);
  for (uint64_t chunk = first; chunk < all && owners.chunks.size() < kMaxOwnersChunks; ++chunk) {
    const HeldBytes here =
        co_await impl_->HeldOf(object.version, ChunkOf(chunk, chunk_bytes, object.info.size));
    places.Place(chunk, &owners.chunks.emplace_back(Owners::Chunk{.here = here}));
  }
  if (places.asked().empty()) co_return owners;
  Call patient = operation.call();
  patient.deadline = std::min(patient.deadline, context.env.clock.Now() + kAnswerTimeout);
  AskingOwners asking{*context.peers, object, first, patient, owners};
  TaskGroup group(context.env.executor);
  for (auto& [node, one] : places.asked()) {
    if (!one.chunks.empty()) group.Spawn(AskOwner(&asking, node, &one));
  }
  co_await group.Join();
  co_return owners;
}

// -- How the others are

namespace {

Task<void> AskStatus(Peers* peers, uint32_t node, PeerStatus* into, Call call) {
  const auto answer =
      co_await peers->Ask<wire::PeerStatusAnswer>(node, wire::PeerStatusRequest{}, call);
  if (answer) {
    into->json = answer->value.json;
  } else {
    into->state = "silent";
    into->why = answer.error().message();
  }
}

}  // namespace

Task<Result<PeerStatusPage>> Node::StatusOfPeers(Authenticated who, std::string after, Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  NodeContext& context = impl_->context;
  FB_CO_TRY(context.gate.CheckAdmin(who));
  PeerStatusPage page;
  const auto view = context.peers == nullptr ? nullptr : context.peers->view();
  if (view == nullptr) co_return page;
  const Instant until = context.env.clock.Now() + kAnswerTimeout;
  const Call patient{std::min(until, operation.call().deadline), operation.call().cancel};
  page.nodes.reserve(kMostStatuses);  // tasks write into it
  TaskGroup group(context.env.executor);
  for (auto node = view->map.nodes.upper_bound(after); node != view->map.nodes.end(); ++node) {
    if (node->second.index == view->self) continue;
    page.more = page.nodes.size() == kMostStatuses;
    if (page.more) break;
    PeerStatus& status = page.nodes.emplace_back();
    status.name = node->first;
    if (!view->map.Lives(node->second.index)) {
      status.state = "gone";
      continue;
    }
    status.state = node->second.member.leaving ? "leaving" : "live";
    group.Spawn(AskStatus(context.peers, node->second.index, &status, patient));
  }
  co_await group.Join();
  co_return page;
}

}  // namespace forebay
