#include "src/node/cell_names.h"

namespace forebay {
namespace {

constexpr Duration kTellTimeout = std::chrono::seconds(2);
/// Of the owner, which itself may have to wait for the end of a lease.
constexpr Duration kRevokeTimeout = kNameLease + std::chrono::seconds(5);

}  // namespace

Task<Result<KnownName>> CellNames::Resolve(std::shared_ptr<const Attachment> attachment,
                                           std::string key, Lookups::Purpose purpose,
                                           std::string asker, Call call, Trace* trace) {
  Peers& peers = *context_.peers;
  const uint32_t node = peers.IndexOf(asker);
  const Hash128 name = NameHash(attachment->config.id, key);
  // Before it is looked up: a write meanwhile is told to the asker, too. Who does not stand in the
  // map may not be told by the name's next owner.
  const bool owns = peers.Lives(node) && peers.Owns(ChunkKey(name, 0));
  if (owns) leases_.Grant(name, node, (context_.env.clock.Now() + kNameLease).ns);
  const bool immutable = attachment->config.freshness.mode == Freshness::Mode::kImmutable;
  FB_CO_ASSIGN(KnownName known, co_await lookups_.ResolveName(attachment, std::move(key), purpose,
                                                              Lookups::Way::kOrigin, call, trace));
  // Of what the owner before told this node, it can promise nothing to others: it would not hear of
  // writes that they go by.
  if (!owns && !(immutable && known.exists)) known.fresh_until_ns = context_.env.clock.Now().ns;
  co_return known;
}

Task<Result<void>> CellNames::Forget(std::shared_ptr<const Attachment> attachment, std::string key,
                                     bool pass_on) {
  const AttachmentId id = attachment->config.id;
  context_.names.EndWrite(id, key, context_.names.BeginWrite(id, key), nullptr);
  listings_.Changed(id, key);
  if (!pass_on) co_return Result<void>();
  co_return co_await TellHolders(id, key);
}

Task<Result<void>> CellNames::ForgetPages(AttachmentId attachment, std::string key,
                                          size_t folder_bytes) {
  listings_.Changed(attachment, key);
  const std::string_view folder = std::string_view(key).substr(0, folder_bytes);
  const Instant now = context_.env.clock.Now();
  const bool owns = context_.peers->Owns(FolderKey(attachment, folder));
  if (owns && !MovedLately(now)) co_return Result<void>();
  // Somebody else lists it by now, or did until lately, and the writer does not know.
  co_return co_await TellAll(attachment, std::move(key), (now + kNameLease).ns);
}

/// Those who follow the map a little later may have given leases until then.
bool CellNames::MovedLately(Instant now) const {
  const Peers& peers = *context_.peers;
  return peers.moved_at() + kNameLease + peers.options().settle > now;
}

/// Names and listings have owners of their own, who are told at the same time.
Task<Result<void>> CellNames::Revoke(std::shared_ptr<const Attachment> attachment,
                                     std::string key) {
  if (context_.peers == nullptr) co_return Result<void>();
  const AttachmentId id = attachment->config.id;
  const Instant now = context_.env.clock.Now();
  const bool keeps_pages = attachment->config.freshness.mode != Freshness::Mode::kAlways;
  if (!keeps_pages) co_return co_await RevokeName(id, std::move(key));
  // Those who owned a folder before may still be asked by some: everybody hears of it.
  if (MovedLately(now)) {
    FB_CO_TRY(co_await TellAll(id, key, (now + kNameLease).ns));
    co_return co_await RevokeName(id, std::move(key));
  }
  Telling folders;
  bool to_all = false;
  TaskGroup group(context_.env.executor);
  for (size_t slash = key.rfind('/');; slash = slash == 0 ? key.npos : key.rfind('/', slash - 1)) {
    const size_t folder_bytes = slash + 1;  // npos: the folder of all
    const std::string_view folder = std::string_view(key).substr(0, folder_bytes);
    const uint32_t owner = context_.peers->OwnerOf(FolderKey(id, folder));
    if (owner != Peers::kNobody) {
      group.Spawn(TellFolder(owner, id, &key, folder_bytes, &folders));
    } else if (!context_.peers->Owns(FolderKey(id, folder))) {
      to_all = true;  // by a later map it may be another's
    }
    if (slash == key.npos) break;
  }
  if (to_all) group.Spawn(TellAllInto(id, key, (now + kNameLease).ns, &folders));
  const auto revoked = co_await RevokeName(id, key);
  co_await group.Join();
  const auto ended = co_await AwaitEnd(folders);
  co_return revoked ? ended : revoked;
}

Task<void> CellNames::TellFolder(uint32_t owner, AttachmentId attachment, const std::string* key,
                                 size_t folder_bytes, Telling* telling) {
  const Instant now = context_.env.clock.Now();
  const wire::PeerForgetPagesRequest request{.attachment_id = attachment,
                                             .folder_bytes = static_cast<uint16_t>(folder_bytes),
                                             .key = *key};
  const auto told = co_await context_.peers->Ask<wire::PeerForgetPagesAnswer>(
      owner, request, {.deadline = now + kRevokeTimeout, .cancel = context_.stop.token()});
  if (!told) telling->wait_until = std::max(telling->wait_until, (now + kNameLease).ns);
}

Task<Result<void>> CellNames::RevokeName(AttachmentId id, std::string key) {
  const Instant now = context_.env.clock.Now();
  const uint32_t owner = context_.peers->OwnerOf(ChunkKey(NameHash(id, key), 0));
  if (owner == Peers::kNobody) co_return co_await TellHolders(id, key);
  const wire::PeerForgetRequest request{.attachment_id = id, .pass_on = true, .key = key};
  const auto told = co_await context_.peers->Ask<wire::PeerForgetAnswer>(
      owner, request, {.deadline = now + kRevokeTimeout, .cancel = context_.stop.token()});
  if (told) co_return Result<void>();
  co_return co_await TellAll(id, key, (now + kNameLease).ns);
}

/// Those who asked here; all, where they may have asked another: the map has changed lately, or is
/// older here than with who sent the news.
Task<Result<void>> CellNames::TellHolders(AttachmentId attachment, std::string key) {
  const Instant now = context_.env.clock.Now();
  const Hash128 name = NameHash(attachment, key);
  const auto held = leases_.Holders(name, now.ns);
  const bool moved = MovedLately(now);
  if (moved || !context_.peers->Owns(ChunkKey(name, 0)) || held.everybody_until > now.ns) {
    co_return co_await TellAll(attachment, key, (now + kNameLease).ns);
  }
  if (held.holders.empty()) co_return Result<void>();
  Telling telling;
  TaskGroup group(context_.env.executor);
  for (const NameLeases::Holder& holder : held.holders) {
    group.Spawn(Tell(holder.node, attachment, &key, holder.until, &telling));
  }
  co_await group.Join();
  co_return co_await AwaitEnd(telling);
}

Task<Result<void>> CellNames::TellAll(AttachmentId attachment, std::string key, int64_t until) {
  Telling telling;
  co_await TellAllInto(attachment, std::move(key), until, &telling);
  co_return co_await AwaitEnd(telling);
}

Task<void> CellNames::TellAllInto(AttachmentId attachment, std::string key, int64_t until,
                                  Telling* telling) {
  // Some may have come whom it does not know.
  if (context_.peers->behind()) telling->wait_until = std::max(telling->wait_until, until);
  TaskGroup group(context_.env.executor);
  for (const Peers::Other& other : context_.peers->Others(kNameLease)) {
    group.Spawn(Tell(other.node, attachment, &key, std::min(until, other.until.ns), telling));
  }
  co_await group.Join();
}

Task<Result<void>> CellNames::AwaitEnd(Telling telling) {
  if (telling.wait_until == 0) co_return Result<void>();
  const auto ended =
      co_await context_.env.clock.SleepUntil({telling.wait_until}, context_.stop.token());
  if (ended) co_return ended;
  co_return Fail(Code::kUnavailable,
                 "written, but the node stopped before all others could be told: what others read "
                 "may be old for a while");
}

Task<void> CellNames::Tell(uint32_t node, AttachmentId attachment, const std::string* key,
                           int64_t until, Telling* telling) {
  const Call call{.deadline = context_.env.clock.Now() + kTellTimeout,
                  .cancel = context_.stop.token()};
  const wire::PeerForgetRequest request{.attachment_id = attachment, .key = *key};
  const auto told = co_await context_.peers->Ask<wire::PeerForgetAnswer>(node, request, call);
  if (!told) telling->wait_until = std::max(telling->wait_until, until);
}

}  // namespace forebay
