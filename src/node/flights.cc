#include "src/node/flights.h"

#include <vector>

#include "src/node/peer_body.h"

namespace forebay {
namespace {

/// Readers who wait get the first bytes of a flight when so many are there.
constexpr uint64_t kCommitBytes = 256 * kKiB;
/// Of one flight by a peer: a reader in order has several under way.
constexpr uint64_t kMaxPeerRange = 4 * kMiB;
/// Nodes that are asked before the origin: the owner, and who follows it.
constexpr size_t kPeersAsked = 2;
/// Whoever was sent here and waits longer goes back. Memory and budgets of nodes that follow one
/// another could make a circle; this ends it.
constexpr Duration kFollowPatience = std::chrono::seconds(5);
/// A peer that has too much to do is passed over after so long. The origin is no way out: it would
/// get what was too much for the peer.
constexpr Duration kOverloadedPatience = std::chrono::seconds(5);
/// What it lacks, memory mostly, comes back within milliseconds: pauses that went on doubling would
/// be seconds in which neither does anything.
constexpr int kLongestPause = 3;

Error Changed(const ResolvedObject& object) {
  return Error(
      Code::kVersionChanged,
      fmt::format("{} has changed since it was opened; open it again to read what it is now",
                  PathOf(*object.attachment, object.key)));
}

}  // namespace

std::shared_ptr<Flight> Flights::Covering(const VersionId& version, uint64_t at) const {
  const auto of_version = flights_.find(version);
  if (of_version == flights_.end()) return nullptr;
  auto after = of_version->second.upper_bound(at);
  if (after == of_version->second.begin()) return nullptr;
  const auto& flight = std::prev(after)->second;
  return at < flight->range.end ? flight : nullptr;
}

/// The first run of pages within a part of one block that memory does not have. What only a disk
/// has is not missing: a reader brings it up first.
ByteRange Flights::MissingInBlock(const ResolvedObject& object, ByteRange range) const {
  const uint64_t number = range.begin / kBlockBytes;
  const BlockKey key = KeyOf(object, number);
  const auto presence = context_.store->Probe(key);
  if (!presence) return range;
  if (presence->complete || !presence->in_memory) return {};
  const uint64_t base = BlockBegin(number);
  const auto end_page = static_cast<uint32_t>(DivideRoundUp(range.end - base, kPageBytes));
  for (auto page = static_cast<uint32_t>((range.begin - base) / kPageBytes); page < end_page;) {
    const auto run = context_.store->RunAt(key, page, end_page);
    if (!run.filled) {
      const uint64_t end = base + uint64_t{page + run.pages} * kPageBytes;
      return {base + uint64_t{page} * kPageBytes, std::min(end, range.end)};
    }
    page += run.pages;
  }
  return {};
}

Flight::Source Flights::SourceOf(const ResolvedObject& object, uint64_t at, Way way) const {
  if (context_.peers == nullptr) return Flight::Source::kOrigin;
  const AttachmentConfig& config = object.attachment->config;
  const uint64_t key = ChunkKey(NameHash(config.id, object.key), at / config.chunk_bytes);
  if (context_.peers->OwnerOf(key) != Peers::kNobody) {
    return way == Way::kAny ? Flight::Source::kOwner : Flight::Source::kOrigin;
  }
  const bool moved = context_.peers->FormerOwnerOf(key) != Peers::kNobody;
  return moved ? Flight::Source::kFormerOwner : Flight::Source::kOrigin;
}

/// One flight has one source, so it ends where the chunk does.
uint64_t Flights::MostAt(const ResolvedObject& object, uint64_t at, Way way) const {
  if (context_.peers == nullptr) return context_.MaxRange();
  const uint64_t chunk_bytes = object.attachment->config.chunk_bytes;
  const uint64_t left = chunk_bytes - at % chunk_bytes;
  const bool from_owner = SourceOf(object, at, way) == Flight::Source::kOwner;
  const uint64_t most = std::min(context_.MaxRange(), from_owner ? kMaxPeerRange : UINT64_MAX);
  return std::min(most, left);
}

/// The first run that is neither in the store nor on its way, no longer than one request may be.
ByteRange Flights::NextMissing(const ResolvedObject& object, ByteRange range, Way way) const {
  uint64_t most = context_.MaxRange();
  const auto of_version = flights_.find(object.version);
  ByteRange missing;
  for (uint64_t at = range.begin; at < range.end && missing.size() < most;) {
    if (const auto flight = Covering(object.version, at)) {
      if (!missing.empty()) break;
      at = flight->range.end;
      continue;
    }
    uint64_t stop = std::min(range.end, BlockEnd(at / kBlockBytes, object.info.size));
    if (of_version != flights_.end()) {
      const auto next = of_version->second.upper_bound(at);
      if (next != of_version->second.end()) stop = std::min(stop, next->first);
    }
    const ByteRange part = MissingInBlock(object, {at, stop});
    if (!missing.empty() && (part.empty() || part.begin != missing.end)) break;
    at = part.empty() ? stop : part.end;
    if (part.empty()) continue;
    if (missing.empty()) most = MostAt(object, part.begin, way);
    missing = {missing.empty() ? part.begin : missing.begin, part.end};
    if (part.end < stop) break;
  }
  missing.end = std::min(missing.end, missing.begin + most);
  return missing;
}

std::shared_ptr<Flight> Flights::Register(const ResolvedObject& object, ByteRange range,
                                          const Hash128& trace, Way way) {
  auto flight = std::make_shared<Flight>();
  flight->object = object;
  flight->range = range;
  flight->reached = range.begin;
  flight->until = range.end;
  flight->trace = trace;
  flight->source = SourceOf(object, range.begin, way);
  flights_[object.version][range.begin] = flight;
  context_.counters.fill.fills.Add();
  return flight;
}

namespace {

ByteRange WholePages(ByteRange range, uint64_t size) {
  return {RoundDown(range.begin, kPageBytes), std::min(RoundUp(range.end, kPageBytes), size)};
}

}  // namespace

void Flights::Demand(const ResolvedObject& object, ByteRange range, const Hash128& trace, Way way) {
  range = WholePages(range, object.info.size);
  while (!context_.closing) {
    const ByteRange missing = NextMissing(object, range, way);
    if (missing.empty()) return;
    auto flight = Register(object, missing, trace, way);
    flight->until = range.end;
    context_.tasks.Spawn(Run(std::move(flight), nullptr, {}));
    range.begin = missing.end;
  }
}

uint64_t Flights::Ahead(const ResolvedObject& object, ByteRange range, const Hash128& trace,
                        Way way) {
  range = WholePages(range, object.info.size);
  while (!context_.closing) {
    const ByteRange missing = NextMissing(object, range, way);
    if (missing.empty()) return range.end;
    const bool by_origin = SourceOf(object, missing.begin, way) == Flight::Source::kOrigin;
    Budget& budget = by_origin ? context_.fill_bytes : context_.peer_bytes;
    if (!budget.TryTake(missing.size())) return missing.begin;
    auto flight = Register(object, missing, trace, way);
    flight->until = range.end;
    flight->bytes = Units(budget, missing.size());
    context_.tasks.Spawn(Run(std::move(flight), nullptr, {}));
    range.begin = missing.end;
  }
  return range.begin;
}

/// Only where all of it is missing: otherwise what is there would be fetched again.
void Flights::Adopt(const ResolvedObject& object, std::unique_ptr<OriginBody> body, Units request,
                    const Hash128& trace) {
  const ByteRange range{0, body->size()};
  const ByteRange missing = NextMissing(object, range, Way::kOrigin);
  if (range.empty() || missing.begin != range.begin || missing.end != range.end) return;
  if (context_.closing || !context_.fill_bytes.TryTake(range.size())) return;
  auto flight = Register(object, range, trace, Way::kOrigin);
  flight->bytes = Units(context_.fill_bytes, range.size());
  flight->sent = flight->origin_asked = context_.env.clock.Now();
  context_.tasks.Spawn(Run(std::move(flight), std::move(body), std::move(request)));
}

Task<void> Flights::Run(std::shared_ptr<Flight> flight, std::unique_ptr<OriginBody> body,
                        Units request) {
  auto result = co_await Fly(*flight, std::move(body), std::move(request));
  Land(*flight, std::move(result));
}

Task<Result<void>> Flights::Fly(Flight& flight, std::unique_ptr<OriginBody> body, Units request) {
  Env& env = context_.env;
  const Call call = CallOf(flight);
  if (flight.source != Flight::Source::kOrigin) {
    FB_CO_ASSIGN(const bool came, co_await FlyByPeers(flight));
    if (came) co_return Result<void>();
    flight.source = Flight::Source::kOrigin;
    flight.bytes = {};
  }
  FB_CO_TRY(co_await TakeBytes(flight, context_.fill_bytes));
  if (body == nullptr) {
    FB_CO_TRY(co_await context_.origin_requests.Take(env, 1, call));
    request = Units(context_.origin_requests, 1);
    if (flight.awaited && flight.interested == 0) {
      co_return Fail(Code::kCancelled, "nobody waits for it any more");
    }
    FB_CO_ASSIGN(body, co_await OpenBody(flight));
  }
  auto streamed = co_await Stream(flight, *body);
  const bool damaged = !streamed && streamed.error().code() == Code::kCorrupt;
  const bool wanted = !flight.awaited || flight.interested > 0;
  if (!damaged || !body->judged_at_end() || !wanted || !context_.retries.TryRetry()) {
    co_return streamed;
  }
  // Nothing of it was used: once more.
  context_.counters.origin.retries.Add();
  FB_CO_ASSIGN(body, co_await OpenBody(flight));
  co_return co_await Stream(flight, *body);
}

Task<Result<void>> Flights::TakeBytes(Flight& flight, Budget& budget) {
  if (flight.bytes.held() > 0) co_return Result<void>();
  const uint64_t left = flight.range.end - flight.reached;
  FB_CO_TRY(co_await budget.Take(context_.env, left, CallOf(flight)));
  flight.bytes = Units(budget, left);
  co_return Result<void>();
}

/// What is left of a flight, from the nodes before this one in the chunk's order, or from the one
/// that owned the chunk before this one did. False: they do not have it to give, and the origin
/// must.
Task<Result<bool>> Flights::FlyByPeers(Flight& flight) {
  const Call call = CallOf(flight);
  FB_CO_TRY(co_await TakeBytes(flight, context_.peer_bytes));
  const ResolvedObject& object = flight.object;
  const uint64_t chunk_bytes = object.attachment->config.chunk_bytes;
  const uint64_t chunk = flight.range.begin / chunk_bytes;
  const uint64_t until = std::min(flight.until, (chunk + 1) * chunk_bytes);
  std::array<uint32_t, kPeersAsked> nodes{};
  const uint64_t key = ChunkKey(NameHash(object.attachment->config.id, object.key), chunk);
  const bool held_only = flight.source == Flight::Source::kFormerOwner;
  size_t count = held_only ? 1 : context_.peers->Before(key, nodes);
  if (held_only) nodes[0] = context_.peers->FormerOwnerOf(key);
  if (nodes[0] == Peers::kNobody) count = 0;
  flight.sent = context_.env.clock.Now();
  const Instant overloaded_until = flight.sent + kOverloadedPatience;
  int attempt = 0;
  for (size_t i = 0; i < count;) {
    PeerBody body(*context_.peers, flight, nodes[i], until, held_only);
    context_.counters.peer.requests.Add();
    const auto streamed = co_await Stream(flight, body);
    if (streamed) co_return true;
    const Code code = streamed.error().code();
    if (code == Code::kVersionChanged || code == Code::kCancelled) co_return Fail(streamed.error());
    if (code == Code::kOverloaded && context_.env.clock.Now() < overloaded_until) {
      attempt = std::min(attempt + 1, kLongestPause);
      FB_CO_TRY(co_await BackOff(context_.env, attempt, call));
      continue;
    }
    if (!held_only) context_.counters.peer.fallbacks.Add();
    ++i;
  }
  co_return false;
}

Task<Result<std::unique_ptr<OriginBody>>> Flights::OpenBody(Flight& flight) {
  const ResolvedObject& object = flight.object;
  const Attachment& attachment = *object.attachment;
  const uint64_t size = flight.range.end - flight.reached;
  flight.origin_asked = context_.env.clock.Now();
  flight.sent = std::min(flight.sent, flight.origin_asked);
  CountRequest(context_, attachment);
  auto body = co_await attachment.origin->Get(
      context_.env, object.key,
      {.offset = flight.reached,
       .size = size,
       .if_match = object.info.etag,
       // What lies in several blocks is used block by block.
       .judged = flight.reached / kBlockBytes == (flight.range.end - 1) / kBlockBytes},
      WithPatience(context_, CallOf(flight)));
  if (!body) co_return Fail(AsSilence(body.error(), attachment, context_));
  const ObjectInfo& info = (*body)->info();
  if (info.etag != object.info.etag) co_return Fail(Changed(object));
  if (info.size != object.info.size || (*body)->size() != size) {
    co_return Fail(
        Code::kUnavailable,
        fmt::format("origin {} gave {} bytes of {} from {} on, not {}", attachment.origin->url(),
                    (*body)->size(), object.key, flight.reached, size));
  }
  co_return std::move(*body);
}

Task<Result<void>> Flights::Stream(Flight& flight, OriginBody& body) {
  while (flight.reached < flight.range.end) {
    const uint64_t block_end = BlockEnd(flight.reached / kBlockBytes, flight.object.info.size);
    FB_CO_TRY(co_await StreamBlock(flight, body, std::min(block_end, flight.range.end)));
  }
  co_return Result<void>();
}

/// Straight into the store's memory, up to `end` within one block.
Task<Result<void>> Flights::StreamBlock(Flight& flight, OriginBody& body, uint64_t end) {
  const uint64_t number = flight.reached / kBlockBytes;
  const uint64_t base = BlockBegin(number);
  FB_CO_ASSIGN(const std::shared_ptr<Fill> fill,
               co_await fills_.Begin(flight.object, number, CallOf(flight)));
  for (uint64_t at = flight.reached; at < end; at += kPageBytes) {
    const auto size = static_cast<uint32_t>(std::min<uint64_t>(kPageBytes, end - at));
    if (!fill->Filled(static_cast<uint32_t>(at - base), size)) continue;
    co_return co_await StreamAround(flight, body, *fill, end);
  }
  for (uint64_t at = flight.reached; at < end;) {
    FB_CO_ASSIGN(const size_t came,
                 co_await Receive(flight, body, fill->buffer().subspan(at - base, end - at)));
    const bool all_of_it = at == flight.reached;
    at += came;
    const uint64_t whole = at == end ? at : RoundDown(at, kPageBytes);
    if (at < end && (body.judged_at_end() || whole - flight.reached < kCommitBytes)) continue;
    fill->Commit(static_cast<uint32_t>(flight.reached - base),
                 static_cast<uint32_t>(whole - flight.reached),
                 all_of_it ? body.crcs() : std::span<const uint32_t>());
    Reach(flight, whole);
  }
  co_return Result<void>();
}

/// Where the block came up from a disk with some of the pages since the flight was planned.
Task<Result<void>> Flights::StreamAround(Flight& flight, OriginBody& body, Fill& fill,
                                         uint64_t end) {
  const uint64_t base = RoundDown(flight.reached, kBlockBytes);
  std::vector<std::byte> bytes(end - flight.reached);
  for (size_t at = 0; at < bytes.size();) {
    FB_CO_ASSIGN(const size_t came,
                 co_await Receive(flight, body, MutableBytes(bytes).subspan(at)));
    at += came;
  }
  for (uint64_t at = flight.reached; at < end; at += kPageBytes) {
    const auto offset = static_cast<uint32_t>(at - base);
    const auto size = static_cast<uint32_t>(std::min<uint64_t>(kPageBytes, end - at));
    if (fill.Filled(offset, size)) continue;
    std::memcpy(fill.buffer().data() + offset, bytes.data() + (at - flight.reached), size);
    fill.Commit(offset, size);
  }
  Reach(flight, end);
  co_return Result<void>();
}

Task<Result<size_t>> Flights::Receive(Flight& flight, OriginBody& body, MutableBytes into) {
  const Attachment& attachment = *flight.object.attachment;
  const auto came = co_await body.Read(into, WithPatience(context_, CallOf(flight)));
  if (flight.source != Flight::Source::kOrigin) {
    if (came) context_.counters.peer.bytes.Add(*came);
    co_return came;
  }
  if (!came) co_return Fail(AsSilence(came.error(), attachment, context_));
  if (*came == 0) {
    co_return Fail(Code::kUnavailable, fmt::format("origin {} ended {} early",
                                                   attachment.origin->url(), flight.object.key));
  }
  context_.counters.origin.bytes.Add(*came);
  co_return *came;
}

void Flights::Reach(Flight& flight, uint64_t at) {
  flight.bytes.Give(at - flight.reached);
  flight.reached = at;
  flight.waiters.Wake(at);
  flight.followers.Wake(at);
}

void Flights::Land(Flight& flight, Result<void> result) {
  flight.done = true;
  if (!result) {
    context_.counters.fill.failed.Add();
    if (result.error().code() != Code::kCancelled) context_.counters.origin.errors.Add();
    if (result.error().code() == Code::kVersionChanged) {
      Retract(flight);
      result = Fail(Changed(flight.object));
    }
    flight.error = result.error();
  }
  const auto of_version = flights_.find(flight.object.version);
  const auto self = of_version->second.extract(flight.range.begin);  // keeps it until the end
  if (of_version->second.empty()) flights_.erase(of_version);
  flight.bytes = {};
  flight.waiters.WakeAll();
  flight.followers.WakeAll();
}

/// The object changed under the read: the driver does not vouch for what it gave before.
void Flights::Retract(const Flight& flight) {
  const ResolvedObject& object = flight.object;
  context_.names.ForgetVersion(object.attachment->config.id, object.key, object.version);
  for (uint64_t at = flight.range.begin; at < flight.reached; at += kBlockBytes) {
    context_.store->Erase(KeyOf(object, at / kBlockBytes));
  }
  if (flight.reached > flight.range.begin) {
    context_.store->Erase(KeyOf(object, (flight.reached - 1) / kBlockBytes));
  }
}

Task<Result<void>> Flights::Await(std::shared_ptr<Flight> flight, uint64_t until, Call call,
                                  Trace* trace) {
  const Instant began = context_.env.clock.Now();
  ++context_.waiting;
  ++flight->interested;
  flight->awaited = true;
  auto waited = Result<void>();
  if (!flight->done && flight->reached < until) {
    waited = co_await flight->waiters.Wait(context_.env, until, call);
  }
  --flight->interested;
  --context_.waiting;
  if (trace != nullptr) {
    const Instant now = context_.env.clock.Now();
    const Instant sent = std::clamp(flight->sent, began, now);
    const Instant origin_asked = std::clamp(flight->origin_asked, sent, now);
    trace->queue += sent - began;
    trace->peer += origin_asked - sent;
    trace->origin += now - origin_asked;
  }
  if (waited && flight->error && flight->reached < until) co_return Fail(*flight->error);
  if (!waited) {
    const ResolvedObject& object = flight->object;
    co_return Fail(AsLate(waited.error(), *object.attachment, began, context_)
                       .Within(PathOf(*object.attachment, object.key)));
  }
  co_return waited;
}

/// One that waits for its turn here is not on its way yet: whom it waits for may wait for us.
Task<Result<void>> Flights::Follow(std::shared_ptr<Flight> flight, uint64_t until, Call call) {
  const Instant patience = context_.env.clock.Now() + kFollowPatience;
  call.deadline = std::min(call.deadline, patience);
  const auto coming = [&] {
    return !flight->done && !flight->sent_elsewhere && flight->sent != Instant::Never();
  };
  ++context_.waiting;
  ++flight->interested;
  auto waited = Result<void>();
  while (waited && coming() && flight->reached < until) {
    waited = co_await flight->followers.Wait(context_.env, until, call);
  }
  --flight->interested;
  --context_.waiting;
  if (flight->reached >= until) co_return Result<void>();
  if (!waited && waited.error().code() == Code::kCancelled) co_return waited;
  co_return Fail(Code::kNotFound, "not on its way here any more");
}

}  // namespace forebay
