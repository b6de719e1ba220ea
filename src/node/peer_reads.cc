// What other nodes of the cell ask here.
#include "src/node/node_impl.h"

namespace forebay {

Result<std::shared_ptr<const Attachment>> Node::Impl::AttachmentOfPeer(const Authenticated& who,
                                                                       AttachmentId id,
                                                                       std::string_view key) const {
  FB_TRY(context.gate.CheckPeer(who));
  FB_TRY(CheckKey(key));
  auto attachment = attachments.Find(id);
  if (attachment != nullptr && context.peers != nullptr) return attachment;
  return Fail(Code::kUnavailable,
              fmt::format("attachment {} is not known here, or not any more", id));
}

Result<ResolvedObject> Node::Impl::ObjectOfPeer(const Authenticated& who,
                                                const PeerRead& read) const {
  FB_ASSIGN(auto attachment, AttachmentOfPeer(who, read.attachment, read.key));
  if (read.size > kMaxReadBytes) {
    return Fail(Code::kInvalidArgument,
                fmt::format("a read of {} bytes; at most {} at a time", read.size, kMaxReadBytes));
  }
  ResolvedObject object;
  object.version = MakeVersionId(read.attachment, read.key, read.etag, read.object_size);
  object.attachment = std::move(attachment);
  object.key = read.key;
  object.info = {std::string(read.etag), read.object_size, read.modified_ns};
  object.fresh_until = Instant::Never();
  return object;
}

/// For whoever hands over: the name of what other nodes have brought here. Nobody takes it for
/// fresh.
void Node::Impl::NoteName(const ResolvedObject& object) {
  const AttachmentId id = object.attachment->config.id;
  KnownName known;
  if (context.names.Find(id, object.key, &known) && known.exists) return;
  context.names.Learn(id, object.key,
                      {.exists = true,
                       .version = object.version,
                       .size = object.info.size,
                       .modified_ns = object.info.modified_ns,
                       .fresh_until_ns = 0,
                       .etag = object.info.etag},
                      context.names.Ask());
}

namespace {

ByteRange RangeOf(const PeerRead& read) {
  const uint64_t begin = std::min(read.offset, read.object_size);
  return {begin, begin + std::min<uint64_t>(read.size, read.object_size - begin)};
}

}  // namespace

std::optional<PeerGiven> Node::TryReadForPeer(const Authenticated& who, const PeerRead& read) {
  if (!impl_->context.gate.CheckPeer(who) || read.size > kMaxReadBytes) return std::nullopt;
  const ByteRange range = RangeOf(read);
  const VersionId version = MakeVersionId(read.attachment, read.key, read.etag, read.object_size);
  std::optional<PeerGiven> given(std::in_place);
  if (!impl_->Collect(version, read.object_size, range, &given->bytes)) return std::nullopt;
  impl_->Recruit(version, read, &*given);
  if (given->elsewhere != Recruits::kNobody) given->bytes.Clear();
  impl_->CountGiven(*given);
  return given;
}

/// Smaller reads cost less than to send their readers on; and a part of a block that one has is
/// seldom the part that another wants.
constexpr uint32_t kWorthSending = 64 * kKiB;

/// Of a block that many want at once: who else has it. Nobody: give it here.
void Node::Impl::Recruit(const VersionId& version, const PeerRead& read, PeerGiven* given) {
  if (read.asker >= Placement::kMaxIndices || read.size < kWorthSending) return;
  const BlockKey key = BlockKey::Of(version, static_cast<uint32_t>(read.offset / kBlockBytes));
  const int64_t now = context.env.clock.Now().ns;
  const std::lock_guard lock(recruits_mutex);
  const Recruits::Sources sources = recruits.Ask(key, read.asker, now);
  given->elsewhere = sources.first;
  given->or_else = sources.second;
}

void Node::Impl::CountGiven(const PeerGiven& given) {
  context.counters.peer.served_requests.Add();
  context.counters.peer.served_bytes.Add(given.bytes.size);
  if (given.elsewhere != Recruits::kNobody) context.counters.peer.sent_elsewhere.Add();
}

/// In memory or on a disk, as far as one can tell without reading it.
bool Node::Impl::Holds(const ResolvedObject& object, ByteRange range) {
  for (uint64_t at = range.begin; at < range.end; at += kBlockBytes - at % kBlockBytes) {
    const auto presence = context.store->Probe(KeyOf(object, at / kBlockBytes));
    if (!presence || !(presence->complete || presence->on_disk)) return false;
  }
  return true;
}

/// For whoever was sent here by the node that this one gets it from.
Task<Result<void>> Node::Impl::AwaitComing(const ResolvedObject& object, ByteRange range,
                                           Call call) {
  for (uint64_t at = range.begin; at < range.end && !Holds(object, range);) {
    const auto flight = flights.Covering(object.version, at);
    if (flight == nullptr) co_return Fail(Code::kNotFound, "neither held here nor on its way");
    const uint64_t end = std::min(range.end, flight->range.end);
    FB_CO_TRY(co_await flights.Follow(flight, end, call));
    at = end;
  }
  co_return Result<void>();
}

Task<Result<PeerGiven>> Node::ReadForPeer(Authenticated who, PeerRead read, Call call,
                                          Trace* trace) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_ASSIGN(ResolvedObject resolved, impl_->ObjectOfPeer(who, read));
  FB_CO_TRY(impl_->context.CheckRoomToWait());
  const ByteRange range = RangeOf(read);
  PeerGiven given;
  impl_->Recruit(resolved.version, read, &given);
  if (given.elsewhere != Recruits::kNobody) {
    impl_->CountGiven(given);
    co_return given;
  }
  if (read.held_only && read.or_coming) {
    FB_CO_TRY(co_await impl_->AwaitComing(resolved, range, operation.call()));
    if (impl_->Collect(resolved.version, read.object_size, range, &given.bytes)) {
      impl_->CountGiven(given);
      co_return given;
    }
  }
  if (read.held_only && !impl_->Holds(resolved, range)) {
    co_return Fail(Code::kNotFound, "not held here");
  }
  const auto handle = impl_->handles.Make([&](ResolvedObject& to) { to = std::move(resolved); });
  const ResolvedObject& object = handle->object();
  impl_->NoteName(object);
  const uint64_t chunk_bytes = object.attachment->config.chunk_bytes;
  const uint64_t chunk_end = RoundDown(range.begin, chunk_bytes) + chunk_bytes;
  const uint64_t until = std::min({std::max(read.until, range.end), chunk_end, read.object_size});
  if (until > range.end)
    impl_->flights.Ahead(object, {range.begin, until}, call.trace, Flights::Way::kOrigin);

  ReadResult& result = given.bytes;
  for (uint64_t at = range.begin; at < range.end;) {
    const uint64_t end = std::min(range.end, BlockEnd(at / kBlockBytes, object.info.size));
    FB_CO_TRY(co_await impl_->PinPiece(handle, {at, end}, {at, end}, &result.pieces[result.count],
                                       operation.call(), trace, Flights::Way::kOrigin));
    ++result.count;
    at = end;
  }
  result.size = range.size();
  impl_->CountGiven(given);
  co_return given;
}

// -- Names

Task<Result<KnownName>> Node::ResolveForPeer(Authenticated who, AttachmentId attachment,
                                             std::string key, bool to_read, std::string asker,
                                             Call call, Trace* trace) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_ASSIGN(auto of, impl_->AttachmentOfPeer(who, attachment, key));
  const auto purpose = to_read ? Lookups::Purpose::kRead : Lookups::Purpose::kStat;
  co_return co_await impl_->cell_names.Resolve(std::move(of), std::move(key), purpose,
                                               std::move(asker), operation.call(), trace);
}

Task<Result<void>> Node::ForgetForPeer(Authenticated who, AttachmentId attachment, std::string key,
                                       bool pass_on, Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(impl_->context.gate.CheckPeer(who));
  // Where it is not attached (any more) nothing is known of it.
  auto of = impl_->attachments.Find(attachment);
  if (of == nullptr) co_return Result<void>();
  co_return co_await impl_->cell_names.Forget(std::move(of), std::move(key), pass_on);
}

// -- Listings

Task<Result<ListPage>> Node::ListForPeer(Authenticated who, AttachmentId attachment,
                                         ListOptions options, Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_TRY(impl_->context.gate.CheckPeer(who));
  FB_CO_TRY(CheckPrefix(options.prefix));
  auto of = impl_->attachments.Find(attachment);
  if (of == nullptr || impl_->context.peers == nullptr) {
    co_return Fail(Code::kUnavailable,
                   fmt::format("attachment {} is not known here, or not any more", attachment));
  }
  co_return co_await impl_->listings.PageHere(std::move(of), std::move(options), operation.call(),
                                              nullptr);
}

Task<Result<void>> Node::ForgetPagesForPeer(Authenticated who, AttachmentId attachment,
                                            std::string key, size_t folder_bytes, Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(impl_->context.gate.CheckPeer(who));
  if (impl_->context.peers == nullptr) co_return Result<void>();
  co_return co_await impl_->cell_names.ForgetPages(attachment, std::move(key), folder_bytes);
}

Task<Result<Followed>> Node::FollowedForPeer(Authenticated who, uint64_t epoch, Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(impl_->context.gate.CheckPeer(who));
  if (impl_->context.peers == nullptr) co_return Followed();
  co_return impl_->context.peers->Cede(epoch);
}

}  // namespace forebay
