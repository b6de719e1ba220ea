// Names and reading.
#include "src/node/node_impl.h"

namespace forebay {
namespace {

/// How often a read looks again while what it brought in is evicted before it gets there.
constexpr int kMaxRounds = 64;
/// After so many of them it lets others finish first, for 20 to 160 ms each time.
constexpr int kMaxRoundsInARow = 8;
constexpr int kLongestLate = 3;
/// How often a reader that finds no memory gives back what it holds and begins anew.
constexpr int kMaxLettingGo = 5;
/// Blocks that readers in order have coming up from disks.
constexpr size_t kMaxBringUpsAhead = 16;
/// Memory that is full of what is read or filled just now has room again soon: what comes up from a
/// disk looks for it again this often, for so long.
constexpr Duration kRoomPoll = std::chrono::milliseconds(5);
constexpr Duration kBringUpPatience = std::chrono::milliseconds(200);
/// Readers in order share this part of the memory for what they have not read yet.
constexpr uint64_t kReadaheadShare = 4;

}  // namespace

// -- Names

Task<Result<ResolvedObject>> Node::Stat(Authenticated who, std::string path, Call call,
                                        Trace* trace) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_ASSIGN(auto target, impl_->Admit(who, kRead, path));
  co_return co_await impl_->lookups.Resolve(std::move(target.attachment), std::move(target.key),
                                            Lookups::Purpose::kStat, operation.call(), trace);
}

Task<Result<std::shared_ptr<Handle>>> Node::Open(Authenticated who, std::string path,
                                                 OpenOptions options, Call call, Trace* trace) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  const Instant began = impl_->context.env.clock.Now();
  FB_CO_ASSIGN(auto target, impl_->Admit(who, kRead, path));
  auto object = co_await impl_->lookups.Resolve(target.attachment, target.key,
                                                Lookups::Purpose::kRead, operation.call(), trace);
  const bool other = object && !options.if_match.empty() && options.if_match != object->info.etag;
  if (other && began < object->fresh_until) {
    // The caller may know of something newer than what is fresh enough for others.
    impl_->context.names.ForgetVersion(target.attachment->config.id, target.key, object->version);
    object = co_await impl_->lookups.Resolve(target.attachment, target.key, Lookups::Purpose::kRead,
                                             operation.call(), trace);
  }
  if (!object) co_return Fail(object.error());
  impl_->NoteSlow("open", *object->attachment, object->key, began, call, trace);
  if (!options.if_match.empty() && options.if_match != object->info.etag) {
    co_return Fail(Code::kVersionChanged, fmt::format("{} is at version {} now, not {}", path,
                                                      object->info.etag, options.if_match));
  }
  co_return impl_->handles.Make([&](ResolvedObject& to) { to = std::move(*object); });
}

/// What a name means, by the metadata cache alone; `attachment` only if its answer is Ok.
std::optional<Result<void>> Node::Impl::TryResolve(const Authenticated& who, std::string_view path,
                                                   std::shared_ptr<const Attachment>* attachment,
                                                   std::string_view* key, KnownName* known) {
  const auto split = SplitPath(path);
  if (!split || context.closing) return std::nullopt;
  *key = split->second;
  *attachment = attachments.Find(split->first);
  if (*attachment == nullptr) return std::nullopt;
  const auto allowed = context.gate.Check(who, kRead, (*attachment)->guarded());
  if (!allowed) return Fail(allowed.error());
  if (!lookups.Known(**attachment, *key, context.env.clock.Now(), known)) return std::nullopt;
  if (!known->exists) {
    context.counters.metadata.negative_hits.Add();
    return Fail(Lookups::NotThere(**attachment, *key));
  }
  context.counters.metadata.hits.Add();
  return Result<void>();
}

std::optional<Result<std::shared_ptr<Handle>>> Node::TryOpen(const Authenticated& who,
                                                             std::string_view path) {
  std::shared_ptr<const Attachment> attachment;
  std::string_view key;
  thread_local KnownName known;  // for the memory of its text
  const auto resolved = impl_->TryResolve(who, path, &attachment, &key, &known);
  if (!resolved) return std::nullopt;
  if (!*resolved) return Fail(resolved->error());
  return impl_->handles.Make([&](ResolvedObject& to) {
    to.attachment = std::move(attachment);
    to.key.assign(key);
    to.version = known.version;
    to.info.etag.assign(known.etag);
    to.info.size = known.size;
    to.info.modified_ns = known.modified_ns;
    to.fresh_until = {known.fresh_until_ns};
  });
}

/// Nobody reads on from here, so nothing is read ahead.
std::optional<Result<void>> Node::TryGet(const Authenticated& who, std::string_view path,
                                         uint64_t offset, uint32_t size, GetResult* got) {
  if (size > kMaxReadBytes) return std::nullopt;
  std::shared_ptr<const Attachment> attachment;
  std::string_view key;
  auto resolved = impl_->TryResolve(who, path, &attachment, &key, &got->object);
  if (!resolved || !*resolved) return resolved;
  got->attachment = attachment->config.id;
  const uint64_t begin = std::min(offset, got->object.size);
  const ByteRange range{begin, std::min(begin + size, got->object.size)};
  if (!impl_->Collect(got->object.version, got->object.size, range, &got->bytes)) {
    return std::nullopt;
  }
  Counters& counters = impl_->context.counters;
  counters.read.requests.Add();
  counters.read.hits.Add(got->bytes.count);
  counters.read.bytes.Add(range.size());
  return resolved;
}

Task<Result<ObjectAttributes>> Node::Attributes(Authenticated who, std::shared_ptr<Handle> handle,
                                                Call call) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  FB_CO_TRY(impl_->CheckHandle(who, *handle));
  const ResolvedObject& object = handle->object();
  if (!object.attachment->origin->capabilities().attributes) co_return ObjectAttributes{};
  FB_CO_ASSIGN(const Units request,
               co_await impl_->TakeRequest(*object.attachment, operation.call()));
  co_return co_await object.attachment->origin->Attributes(
      impl_->context.env, object.key, object.info.etag,
      WithPatience(impl_->context, operation.call()));
}

// -- Reading

ReadaheadLimits Node::Impl::Limits() const {
  const uint64_t readers = std::max(1u, handles.in_order_readers());
  const uint64_t share = context.options.store.dram.capacity_bytes / kReadaheadShare / readers;
  ReadaheadLimits limits{.random_bytes = context.options.random_fill_bytes};
  limits.max_window =
      std::clamp(RoundDown(share / 2, kPageBytes), limits.random_bytes, context.MaxRange());
  const uint64_t windows = share / limits.max_window;  // with the one that is read
  limits.max_windows =
      static_cast<uint32_t>(std::clamp<uint64_t>(windows, 2, limits.max_windows + 1)) - 1;
  limits.first_window = std::min(limits.first_window, limits.max_window);
  return limits;
}

Result<void> Node::Impl::CheckHandle(const Authenticated& who, const Handle& handle) const {
  const ResolvedObject& object = handle.object();
  FB_TRY(context.gate.Check(who, kRead, object.attachment->guarded()));
  if (object.attachment->detached) {
    return Fail(Code::kNotFound,
                fmt::format("/{} is not attached any more", object.attachment->config.name));
  }
  if (handle.ended()) {
    return Fail(Code::kVersionChanged,
                fmt::format("{} has changed since it was opened; open it again",
                            PathOf(*object.attachment, object.key)));
  }
  return {};
}

/// Pins all pieces of a range where they lie in memory. False where one is not there.
bool Node::Impl::Collect(const VersionId& version, uint64_t object_size, ByteRange range,
                         ReadResult* result) {
  result->Clear();
  for (uint64_t at = range.begin; at < range.end;) {
    const uint64_t number = at / kBlockBytes;
    const uint64_t end = std::min(range.end, BlockEnd(number, object_size));
    ReadResult::Piece& piece = result->pieces[result->count];
    piece.key = BlockKey::Of(version, static_cast<uint32_t>(number));
    piece.offset = static_cast<uint32_t>(at - BlockBegin(number));
    piece.view = context.store->Lookup(piece.key, piece.offset, static_cast<uint32_t>(end - at));
    if (!piece.view) {
      result->Clear();
      return false;
    }
    ++result->count;
    at = end;
  }
  result->size = range.size();
  return true;
}

bool Node::Impl::AllCached(const ResolvedObject& object, ByteRange range) {
  for (uint64_t at = range.begin; at < range.end; at += kBlockBytes) {
    const auto presence = context.store->Probe(KeyOf(object, at / kBlockBytes));
    if (!presence || !presence->complete || !presence->in_memory) return false;
  }
  return true;
}

std::optional<Result<ReadResult>> Node::TryRead(const Authenticated& who, Handle& handle,
                                                uint64_t offset, uint32_t size) {
  const auto allowed = impl_->CheckHandle(who, handle);
  if (!allowed) return Fail(allowed.error());
  if (size > kMaxReadBytes) {
    return Fail(Code::kInvalidArgument,
                fmt::format("a read of {} bytes; at most {} at a time", size, kMaxReadBytes));
  }
  const ResolvedObject& object = handle.object();
  const uint64_t begin = std::min(offset, object.info.size);
  const ByteRange range{begin, std::min(begin + size, object.info.size)};
  std::optional<Result<ReadResult>> result(std::in_place);
  if (range.empty()) return result;
  if (!impl_->Collect(object.version, object.info.size, range, &**result)) return std::nullopt;
  const auto decision = handle.Decide(range.begin, range.size(), impl_->Limits());
  const ByteRange ahead{std::max(decision.ahead.begin, range.end), decision.ahead.end};
  if (!ahead.empty() && !impl_->AllCached(object, ahead)) return std::nullopt;
  handle.Follow(decision);
  Counters& counters = impl_->context.counters;
  counters.read.requests.Add();
  counters.read.hits.Add((*result)->count);
  counters.read.bytes.Add(range.size());
  return result;
}

namespace {

/// A frame that holds the result and nothing else comes from the thread's own list.
Task<Result<ReadResult>> AtOnce(Result<ReadResult> result) {
  co_return std::move(result);
}

}  // namespace

// NOLINTNEXTLINE(performance-unnecessary-value-param): by value as in all calls, most of which wait
Task<Result<ReadResult>> Node::Read(Authenticated who, std::shared_ptr<Handle> handle,
                                    uint64_t offset, uint32_t size, Call call, Trace* trace) {
  auto at_once = TryRead(who, *handle, offset, size);
  if (at_once) return AtOnce(std::move(*at_once));
  return impl_->ReadWhenThere(std::move(handle), offset, size, call, trace);
}

Task<Result<ReadResult>> Node::Impl::ReadWhenThere(std::shared_ptr<Handle> handle, uint64_t offset,
                                                   uint32_t size, Call call, Trace* trace) {
  Operation operation(*this, call);
  FB_CO_TRY(operation.Check());
  const Instant began = context.env.clock.Now();
  const ResolvedObject& object = handle->object();
  const uint64_t end = std::min(offset + size, object.info.size);
  auto result = co_await ReadSlowly(handle, {offset, end}, operation.call(), trace);
  NoteSlow("read", *object.attachment, object.key, began, call, trace);
  context.counters.read.requests.Add();
  if (result) {
    context.counters.read.bytes.Add(result->size);
  } else {
    context.counters.read.errors.Add();
    if (result.error().code() == Code::kVersionChanged) handle->End();
  }
  co_return result;
}

Task<Result<ReadResult>> Node::Impl::ReadSlowly(std::shared_ptr<Handle> handle, ByteRange range,
                                                Call call, Trace* trace) {
  FB_CO_TRY(context.CheckRoomToWait());
  const ResolvedObject& object = handle->object();
  const ReadaheadLimits limits = Limits();
  const auto decision = handle->Decide(range.begin, range.size(), limits);
  handle->Follow(decision);
  const bool asked_before = decision.ahead.empty() || decision.ahead.begin > range.begin;
  const auto in_block = static_cast<uint32_t>(range.begin % kBlockBytes);
  if (asked_before &&
      !context.store->Lookup(KeyOf(object, range.begin / kBlockBytes), in_block, 1)) {
    handle->Overtook(limits);
  }
  // First what the reader needs, so that it never waits for what it does not.
  if (decision.ahead.empty()) {
    flights.Demand(object, decision.demand, call.trace);
  } else {
    flights.Ahead(object, decision.ahead, call.trace);
    BringUpAhead(object, decision.ahead);
  }
  ReadResult result;
  int let_go = 0;
  for (uint64_t at = range.begin; at < range.end;) {
    const uint64_t end = std::min(range.end, BlockEnd(at / kBlockBytes, object.info.size));
    const Hands hands = result.count > 0 ? Hands::kFull : Hands::kEmpty;
    const auto pinned =
        co_await PinPiece(handle, {at, end}, decision.demand, &result.pieces[result.count], call,
                          trace, Flights::Way::kAny, hands);
    if (pinned) {
      ++result.count;
      at = end;
      continue;
    }
    const bool no_room = pinned.error().code() == Code::kOverloaded && hands == Hands::kFull;
    if (!no_room || ++let_go > kMaxLettingGo) co_return Fail(pinned.error());
    result.Clear();
    at = range.begin;
    FB_CO_TRY(co_await BackOff(context.env, let_go, call));
  }
  result.size = range.size();
  co_return result;
}

namespace {

/// Origins know their keys only.
Error Named(const ResolvedObject& object, const Error& error) {
  const std::string path = PathOf(*object.attachment, object.key);
  return error.message().find(path) != std::string::npos ? error : error.Within(path);
}

Error EvictedAgain(const ResolvedObject& object) {
  return Error(Code::kOverloaded,
               fmt::format("{} was evicted before it could be read, again and again: memory is too "
                           "small for so many readers; raise --dram",
                           PathOf(*object.attachment, object.key)));
}

}  // namespace

/// Looks, brings in what is missing, looks again.
Task<Result<void>> Node::Impl::PinPiece(std::shared_ptr<Handle> handle, ByteRange part,
                                        ByteRange demand, ReadResult::Piece* piece, Call call,
                                        Trace* trace, Flights::Way way, Hands hands) {
  const ResolvedObject& object = handle->object();
  const uint64_t number = part.begin / kBlockBytes;
  piece->key = KeyOf(object, number);
  piece->offset = static_cast<uint32_t>(part.begin - BlockBegin(number));
  const auto size = static_cast<uint32_t>(part.size());
  int attempt = 0;
  for (int round = 0; round < kMaxRounds; ++round) {
    piece->view = context.store->Lookup(piece->key, piece->offset, size);
    if (piece->view) {
      (round == 0 ? context.counters.read.hits : context.counters.read.misses).Add();
      co_return Result<void>();
    }
    if (context.closing) co_return Fail(Code::kUnavailable, "the node is stopping");
    const auto brought = co_await BringPiece(object, part, demand, call, trace, way);
    if (brought) {
      // Two that take each other's memory in turn would go on so for ever.
      const int late = round - kMaxRoundsInARow;
      if (late < 0) continue;
      if (hands == Hands::kFull) co_return Fail(EvictedAgain(object));
      const auto paused = co_await BackOff(context.env, late % kLongestLate + 1, call);
      if (!paused && call.cancel.cancelled()) co_return Fail(paused.error());
      continue;
    }
    // Readers who wait with full hands may wait for one another's memory: they let go first, while
    // those with empty hands still try.
    const bool no_room = brought.error().code() == Code::kOverloaded;
    if (no_room && hands == Hands::kFull) co_return Fail(brought.error());
    const auto again = co_await Again(*object.attachment, brought.error(), ++attempt, call);
    if (again) continue;
    co_return Fail(Named(object, again.error()));
  }
  co_return Fail(EvictedAgain(object));
}

/// One step towards having the part in memory.
Task<Result<void>> Node::Impl::BringPiece(const ResolvedObject& object, ByteRange part,
                                          ByteRange demand, Call call, Trace* trace,
                                          Flights::Way way) {
  const uint64_t number = part.begin / kBlockBytes;
  const auto presence = context.store->Probe(KeyOf(object, number));
  if (presence && presence->on_disk && !presence->in_memory) {
    FB_CO_ASSIGN(const bool up, co_await BringUp(object, number, call, trace));
    if (up) co_return Result<void>();
  }
  std::shared_ptr<Flight> flight;
  const uint64_t begin = RoundDown(part.begin, kPageBytes);
  for (uint64_t at = begin; at < part.end && flight == nullptr; at += kPageBytes) {
    flight = flights.Covering(object.version, at);
    if (flight != nullptr && flight->reached >= std::min(part.end, flight->range.end)) {
      flight = nullptr;  // has given what it has for us
    }
  }
  if (flight == nullptr) {
    flights.Demand(object, demand.begin <= begin && part.end <= demand.end ? demand : part,
                   call.trace, way);
    for (uint64_t at = begin; at < part.end && flight == nullptr; at += kPageBytes) {
      flight = flights.Covering(object.version, at);
    }
  } else {
    context.counters.fill.shared.Add();
  }
  if (flight != nullptr && flight->source == Flight::Source::kOwner &&
      way == Flights::Way::kOrigin) {
    // Two nodes with different maps would wait for each other.
    co_return Fail(Code::kUnavailable, "this node asks another for it just now");
  }
  if (flight == nullptr) co_return Result<void>();  // it is there now
  uint64_t until = std::min(part.end, flight->range.end);
  if (flight->reached >= until) until = UINT64_MAX;  // evicted already: let that flight end first
  co_return co_await flights.Await(std::move(flight), until, call, trace);
}

/// Ok: try again now.
Task<Result<void>> Node::Impl::Again(const Attachment& attachment, Error error, int attempt,
                                     Call call) {
  // A flight that ended because nobody waited for it before we came is no failure of ours.
  const bool dropped = error.code() == Code::kCancelled && !call.cancel.cancelled();
  if (dropped && !context.closing && attempt < kMaxRounds) {
    co_return co_await context.env.clock.Sleep(Duration(0), call.cancel);  // not if this is the end
  }
  if (context.closing) co_return Fail(Code::kUnavailable, "the node is stopping");
  if (!WorthARetry(error) || RetriesItself(attachment) || attempt >= kMaxAttempts ||
      !context.retries.TryRetry()) {
    co_return Fail(std::move(error));
  }
  context.counters.origin.retries.Add();
  co_return co_await BackOff(context.env, attempt, call);
}

std::shared_ptr<Node::Impl::BringingUp> Node::Impl::StartBringUp(const BlockKey& key) {
  auto& place = bringing_up[key];
  if (place == nullptr) {
    place = std::make_shared<BringingUp>();
    context.tasks.Spawn(RunBringUp(key));
  }
  return place;
}

/// What a reader in order will want of what only a disk has: a few blocks at a time.
void Node::Impl::BringUpAhead(const ResolvedObject& object, ByteRange range) {
  for (uint64_t at = range.begin; at < range.end; at += kBlockBytes) {
    if (context.closing || bringing_up.size() >= kMaxBringUpsAhead) return;
    const BlockKey key = KeyOf(object, at / kBlockBytes);
    const auto presence = context.store->Probe(key);
    if (presence && presence->on_disk && !presence->in_memory) StartBringUp(key);
  }
}

/// Takes a block up that only a disk has, once for all who wait. False: there was nothing right.
Task<Result<bool>> Node::Impl::BringUp(const ResolvedObject& object, uint64_t number, Call call,
                                       Trace* trace) {
  const BlockKey key = KeyOf(object, number);
  const Instant began = context.env.clock.Now();
  const std::shared_ptr<BringingUp> bringing = StartBringUp(key);
  if (!bringing->done) FB_CO_TRY(co_await bringing->waiters.Wait(context.env, 0, call));
  if (trace != nullptr) trace->disk += context.env.clock.Now() - began;
  if (bringing->result) {
    const auto presence = context.store->Probe(key);
    co_return presence && presence->in_memory;
  }
  const Code code = bringing->result.error().code();
  if (code == Code::kCancelled || code == Code::kOverloaded || code == Code::kNoSpace) {
    co_return Fail(bringing->result.error());
  }
  co_return false;  // a disk that cannot be read is a miss
}

Task<void> Node::Impl::RunBringUp(BlockKey key) {
  const auto bringing = bringing_up[key];
  const Instant until = context.env.clock.Now() + kBringUpPatience;
  for (;;) {
    const auto view = co_await context.store->Acquire(context.env, key, 0, 0);
    bringing->result = view ? Result<void>() : Fail(view.error());
    const bool no_room = !view && view.error().code() == Code::kOverloaded;
    if (!no_room || context.closing || context.env.clock.Now() >= until) break;
    if (!co_await context.env.clock.Sleep(kRoomPoll, context.stop.token())) break;
  }
  bringing->done = true;
  bringing_up.erase(key);
  bringing->waiters.WakeAll();
}

Task<Result<uint64_t>> Node::Fetch(Authenticated who, std::shared_ptr<Handle> handle,
                                   uint64_t offset, uint64_t size, Call call, Trace* trace) {
  Operation operation(*impl_, call);
  FB_CO_TRY(operation.Check());
  const uint64_t all = handle->object().info.size;
  if (offset >= all || size == 0) co_return uint64_t{0};
  const uint64_t begin = RoundDown(offset, kPageBytes);
  const uint64_t end = size < all - offset ? offset + size : all;
  const uint64_t step = impl_->context.MaxRange();
  if (begin < end && end - begin <= kBlockBytes) {
    // A reader who finds it in shared memory afterwards: that counts as a hit, this as a miss.
    if (!impl_->AllCached(handle->object(), {begin, end}))
      impl_->context.counters.read.misses.Add();
    impl_->ReadAhead(*handle, {begin, end}, call.trace);
  }
  for (uint64_t at = begin; at < end; at += step) {
    FB_CO_TRY(impl_->CheckHandle(who, *handle));
    if (at + step < end) {  // the next one is on its way while we wait for this
      impl_->flights.Ahead(handle->object(), {at, std::min(end, at + 2 * step)}, call.trace);
    }
    const auto fetched =
        co_await impl_->FetchPart(handle, {at, std::min(end, at + step)}, operation.call(), trace);
    if (fetched) continue;
    if (fetched.error().code() == Code::kVersionChanged) handle->End();
    co_return Fail(fetched.error());
  }
  co_return end - begin;
}

/// Whoever wants blocks one after the other, to look at them, is a reader in order, too.
void Node::Impl::ReadAhead(Handle& handle, ByteRange range, const Hash128& trace) {
  const auto decision = handle.Decide(range.begin, range.size(), Limits());
  handle.Follow(decision);
  if (decision.ahead.empty()) return;
  flights.Ahead(handle.object(), decision.ahead, trace);
  BringUpAhead(handle.object(), decision.ahead);
}

/// Returns when each byte of the part was there.
Task<Result<void>> Node::Impl::FetchPart(std::shared_ptr<Handle> handle, ByteRange part, Call call,
                                         Trace* trace, Flights::Way way) {
  const ResolvedObject& object = handle->object();
  FB_CO_TRY(context.CheckRoomToWait());
  int attempt = 0;
  flights.Demand(object, part, call.trace, way);
  for (uint64_t at = part.begin; at < part.end;) {
    const auto flight = flights.Covering(object.version, at);
    if (flight == nullptr) {
      at = std::min(part.end, RoundDown(at, kPageBytes) + kPageBytes);
      continue;
    }
    const uint64_t until = std::min(part.end, flight->range.end);
    const auto there = co_await flights.Await(flight, until, call, trace);
    if (there) {
      at = until;
      continue;
    }
    const auto again = co_await Again(*object.attachment, there.error(), ++attempt, call);
    if (!again) co_return Fail(Named(object, again.error()));
    flights.Demand(object, {at, part.end}, call.trace, way);
  }
  co_return Result<void>();
}

}  // namespace forebay
