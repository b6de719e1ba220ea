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
  object.version = MakeVersionId(read.attachment, read.key, read.etag);
  object.attachment = std::move(attachment);
  object.key = read.key;
  object.info = {std::string(read.etag), read.object_size, read.modified_ns};
  object.fresh_until = Instant::Never();
  return object;
}

namespace {

ByteRange RangeOf(const PeerRead& read) {
  const uint64_t begin = std::min(read.offset, read.object_size);
  return {begin, begin + std::min<uint64_t>(read.size, read.object_size - begin)};
}

}  // namespace

std::optional<Result<ReadResult>> Node::TryReadForPeer(const Authenticated& who,
                                                       const PeerRead& read) {
  if (!impl_->context.gate.CheckPeer(who) || read.size > kMaxReadBytes) return std::nullopt;
  const ByteRange range = RangeOf(read);
  const VersionId version = MakeVersionId(read.attachment, read.key, read.etag);
  std::optional<Result<ReadResult>> result(std::in_place);
  if (!impl_->Collect(version, read.object_size, range, &**result)) return std::nullopt;
  Counters& counters = impl_->context.counters;
  counters.peer.served_requests.Add();
  counters.peer.served_bytes.Add(range.size());
  return result;
}

/// In memory or on a disk, as far as one can tell without reading it.
bool Node::Impl::Holds(const ResolvedObject& object, ByteRange range) {
  for (uint64_t at = range.begin; at < range.end; at += kBlockBytes - at % kBlockBytes) {
    const auto presence = context.store->Probe(KeyOf(object, at / kBlockBytes));
    if (!presence || !(presence->complete || presence->on_disk)) return false;
  }
  return true;
}

Task<Result<ReadResult>> Node::ReadForPeer(Authenticated who, PeerRead read, Call call,
                                           Trace* trace) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_ASSIGN(ResolvedObject resolved, impl_->ObjectOfPeer(who, read));
  FB_CO_TRY(impl_->context.CheckRoomToWait());
  const ByteRange range = RangeOf(read);
  if (read.held_only && !impl_->Holds(resolved, range)) {
    co_return Fail(Code::kNotFound, "not held here");
  }
  const auto handle = impl_->handles.Make([&](ResolvedObject& to) { to = std::move(resolved); });
  const ResolvedObject& object = handle->object();
  const uint64_t chunk_bytes = object.attachment->config.chunk_bytes;
  const uint64_t chunk_end = RoundDown(range.begin, chunk_bytes) + chunk_bytes;
  const uint64_t until = std::min({std::max(read.until, range.end), chunk_end, read.object_size});
  if (until > range.end) impl_->flights.Ahead(object, {range.begin, until}, Flights::Way::kOrigin);

  ReadResult result;
  for (uint64_t at = range.begin; at < range.end;) {
    const uint64_t end = std::min(range.end, BlockEnd(at / kBlockBytes, object.info.size));
    FB_CO_TRY(co_await impl_->PinPiece(handle, {at, end}, {at, end}, &result.pieces[result.count],
                                       operation.call(), trace, Flights::Way::kOrigin));
    ++result.count;
    at = end;
  }
  result.size = range.size();
  impl_->context.counters.peer.served_requests.Add();
  impl_->context.counters.peer.served_bytes.Add(result.size);
  co_return result;
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

}  // namespace forebay
