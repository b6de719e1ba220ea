// Listing, attachments, and what is cached of them.
#include <set>

#include "src/node/node_impl.h"

namespace forebay {
namespace {

/// After so many blocks others get their turn.
constexpr uint64_t kBlocksATurn = 4096;

}  // namespace

// -- Listing

Task<Result<ListPage>> Node::List(Authenticated who, std::string path, ListOptions options,
                                  Call call, Trace* trace) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  NodeContext& context = impl_->context;
  const Instant began = context.env.clock.Now();
  FB_CO_ASSIGN(const auto split, SplitPath(path));
  FB_CO_ASSIGN(const auto attachment, impl_->AdmitTo(who, kList, split.first));
  options.prefix = std::string(split.second).append(options.prefix);
  FB_CO_TRY(CheckPrefix(options.prefix));
  auto page =
      co_await impl_->listings.Page(attachment, std::move(options), operation.call(), trace);
  if (!page && context.closing) co_return Fail(Code::kUnavailable, "the node is stopping");
  impl_->NoteSlow("list", *attachment, split.second, began, call, trace);
  co_return page;
}

// -- Attachments

Task<Result<void>> Node::Attach(Authenticated who, AttachmentConfig config, Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_TRY(impl_->context.gate.CheckAdmin(who));
  co_return co_await impl_->attachments.Attach(std::move(config), operation.call());
}

Task<Result<void>> Node::Detach(Authenticated who, std::string name, Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_TRY(impl_->context.gate.CheckAdmin(who));
  co_return co_await impl_->attachments.Detach(std::move(name), operation.call());
}

std::vector<std::shared_ptr<const Attachment>> Node::Attachments(const Authenticated& who) {
  std::vector<std::shared_ptr<const Attachment>> visible;
  for (auto& attachment : impl_->attachments.All()) {
    for (const Right right : {kRead, kList, kWrite, kAdmin}) {
      if (!impl_->context.gate.Check(who, right, attachment->guarded())) continue;
      visible.push_back(attachment);
      break;
    }
  }
  return visible;
}

// -- What is cached

/// Forgets names and their blocks; returns the blocks' bytes.
Task<uint64_t> Node::Impl::Drop(std::shared_ptr<const Attachment> attachment, std::string prefix) {
  listings.Forget(attachment->config.id, prefix);
  Store& store = *context.store;
  uint64_t bytes = 0, since_turn = 0;
  const uint64_t there = store.stats().blocks;
  std::set<uint64_t> large;  // versions of more blocks than there are; all their keys begin so
  for (uint32_t stripe = 0; stripe < NameCache::kStripes; ++stripe) {
    for (const auto& named : context.names.Take(stripe, attachment->config.id, prefix)) {
      if (named.size / kBlockBytes > there) {
        large.insert(named.version.hash.hi);
        continue;
      }
      for (uint64_t block = 0; BlockBegin(block) < named.size; ++block) {
        const BlockKey key = BlockKey::Of(named.version, static_cast<uint32_t>(block));
        if (const auto presence = store.Probe(key)) {
          bytes += presence->length;
          store.Erase(key);
        }
        if (++since_turn % kBlocksATurn == 0) co_await Yield(context.env.executor);
      }
    }
    co_await Yield(context.env.executor);
  }
  const AttachmentId id = attachment->config.id;
  const auto of_large = [&](const BlockKey& key) { return large.contains(key.hash.hi); };
  if (prefix.empty()) {
    // Those too whose names nobody knows, as after a restart.
    bytes += co_await DropBlocks(id, [](const BlockKey&) { return true; });
  } else if (!large.empty()) {
    bytes += co_await DropBlocks(id, of_large);
  }
  co_return bytes;
}

Task<uint64_t> Node::Impl::DropBlocks(AttachmentId attachment,
                                      std::function<bool(const BlockKey&)> wanted) {
  Store& store = *context.store;
  uint64_t bytes = 0, since_turn = 0;
  for (uint32_t stripe = 0; stripe < Store::kStripes; ++stripe) {
    for (const BlockKey& key : store.BlocksOf(attachment, stripe)) {
      if (wanted(key)) {
        if (const auto presence = store.Probe(key)) bytes += presence->length;
        store.Erase(key);
      }
      if (++since_turn % kBlocksATurn == 0) co_await Yield(context.env.executor);
    }
    co_await Yield(context.env.executor);
  }
  co_return bytes;
}

void Node::Impl::End(std::shared_ptr<const Attachment> attachment) {
  if (on_detached) on_detached(attachment->config.id);
  if (!context.closing) context.tasks.Spawn(DropAll(std::move(attachment)));
}

Task<void> Node::Impl::DropAll(std::shared_ptr<const Attachment> attachment) {
  static_cast<void>(co_await Drop(std::move(attachment), {}));
}

Task<Result<uint64_t>> Node::Evict(Authenticated who, std::string path, Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_ASSIGN(const auto split, SplitPath(path));
  FB_CO_ASSIGN(const auto attachment, impl_->AdmitTo(who, kAdmin, split.first));
  FB_CO_TRY(CheckPrefix(split.second));
  co_return co_await impl_->Drop(attachment, std::string(split.second));
}

Task<Result<Node::Where>> Node::Locate(Authenticated who, std::string path, Call call) {
  Trace trace;
  FB_CO_ASSIGN(ResolvedObject object, co_await Stat(who, std::move(path), call, &trace));
  Operation operation(*impl_, call);
  Where where{.object = std::move(object)};
  const HeldBytes held = co_await impl_->HeldOf(where.object.version, {0, where.object.info.size});
  where.memory_bytes = held.memory;
  where.disk_bytes = held.disk;
  co_return where;
}

}  // namespace forebay
