// A node that leaves gives the warm part of what it owned to those who own it now. Nothing travels
// that they do not ask for: they are told to load, and ask who owned it before.
#include "src/node/node_impl.h"
#include "src/wire/peer_messages.h"

namespace forebay {
namespace {

/// After so many blocks others get their turn.
constexpr uint64_t kBlocksATurn = 4096;
constexpr uint64_t kMostBytes = wire::kMaxLoadBytes;  // of one call

}  // namespace

/// What is whole here, in memory or on a disk, within one chunk; runs of it.
void Node::Impl::AddHeldRuns(const NameCache::Named& name, ByteRange chunk,
                             std::vector<LoadItem>* runs) {
  bool in_run = false;
  for (uint64_t at = chunk.begin; at < chunk.end; at += kBlockBytes) {
    const uint64_t size = std::min<uint64_t>(kBlockBytes, chunk.end - at);
    const auto presence =
        context.store->Probe(BlockKey::Of(name.version, static_cast<uint32_t>(at / kBlockBytes)));
    const bool held = presence && (presence->complete || presence->on_disk);
    if (held && in_run) {
      runs->back().size += size;
    } else if (held) {
      runs->push_back({name.key, at, size});
    }
    in_run = held;
  }
}

/// Of the names of one stripe: what this node owned and has.
Task<std::vector<LoadItem>> Node::Impl::FormerlyOwned(const Attachment* attachment,
                                                      uint32_t stripe) {
  const AttachmentConfig& config = attachment->config;
  std::vector<LoadItem> runs;
  uint64_t since_turn = 0;
  for (const NameCache::Named& name : context.names.NamesOf(stripe, config.id)) {
    const Hash128 hash = NameHash(config.id, name.key);
    for (uint64_t at = 0; at < name.size; at += config.chunk_bytes) {
      if (!context.peers->OwnedLately(ChunkKey(hash, at / config.chunk_bytes))) continue;
      const uint64_t end = std::min(name.size, at + config.chunk_bytes);
      AddHeldRuns(name, {at, end}, &runs);
      since_turn += (end - at) / kBlockBytes + 1;
      if (since_turn < kBlocksATurn) continue;
      since_turn = 0;
      co_await Yield(context.env.executor);
    }
  }
  co_return runs;
}

Task<Result<HandedOver>> Node::HandOver(Authenticated who, uint32_t stripe, uint32_t skip,
                                        Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_TRY(impl_->context.gate.CheckAdmin(who));
  if (impl_->context.peers == nullptr) {
    co_return Fail(Code::kUnsupported, "this node stands alone: there is nobody to hand over to");
  }
  HandedOver handed{.stripes = NameCache::kStripes};
  if (stripe >= handed.stripes) co_return handed;
  for (const auto& attachment : impl_->attachments.All()) {
    std::vector<LoadItem> runs = co_await impl_->FormerlyOwned(attachment.get(), stripe);
    const size_t known = std::min<size_t>(skip, runs.size());
    skip -= static_cast<uint32_t>(known);
    std::vector<LoadItem> now;
    uint64_t bytes = 0;
    for (size_t i = known; i < runs.size() && handed.bytes + bytes < kMostBytes; ++i) {
      bytes += runs[i].size;
      now.push_back(std::move(runs[i]));
    }
    handed.more = handed.more || known + now.size() < runs.size();
    if (now.empty()) continue;
    handed.parts += static_cast<uint32_t>(now.size());
    FB_CO_ASSIGN(const LoadReport report,
                 co_await impl_->LoadAll(attachment, std::move(now), operation.call()));
    handed.bytes += report.bytes;
    handed.failed += static_cast<uint32_t>(report.failures.size());
    if (handed.more) break;
  }
  co_return handed;
}

}  // namespace forebay
