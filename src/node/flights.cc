#include "src/node/flights.h"

#include <vector>

namespace forebay {
namespace {

/// Readers who wait get the first bytes of a flight when so many are there.
constexpr uint64_t kCommitBytes = 256 * kKiB;

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

/// The first run that is neither in the store nor on its way, no longer than one request may be.
ByteRange Flights::NextMissing(const ResolvedObject& object, ByteRange range) const {
  const uint64_t most = context_.MaxRange();
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
    missing = {missing.empty() ? part.begin : missing.begin, part.end};
    if (part.end < stop) break;
  }
  missing.end = std::min(missing.end, missing.begin + most);
  return missing;
}

std::shared_ptr<Flight> Flights::Register(const ResolvedObject& object, ByteRange range) {
  auto flight = std::make_shared<Flight>();
  flight->object = object;
  flight->range = range;
  flight->reached = range.begin;
  flights_[object.version][range.begin] = flight;
  context_.counters.fill.fills.Add();
  return flight;
}

namespace {

ByteRange WholePages(ByteRange range, uint64_t size) {
  return {RoundDown(range.begin, kPageBytes), std::min(RoundUp(range.end, kPageBytes), size)};
}

}  // namespace

void Flights::Demand(const ResolvedObject& object, ByteRange range) {
  range = WholePages(range, object.info.size);
  while (!context_.closing) {
    const ByteRange missing = NextMissing(object, range);
    if (missing.empty()) return;
    auto flight = Register(object, missing);
    context_.tasks.Spawn(Run(std::move(flight), nullptr, {}));
    range.begin = missing.end;
  }
}

uint64_t Flights::Ahead(const ResolvedObject& object, ByteRange range) {
  range = WholePages(range, object.info.size);
  while (!context_.closing) {
    const ByteRange missing = NextMissing(object, range);
    if (missing.empty()) return range.end;
    if (!context_.fill_bytes.TryTake(missing.size())) return missing.begin;
    auto flight = Register(object, missing);
    flight->bytes = Units(context_.fill_bytes, missing.size());
    context_.tasks.Spawn(Run(std::move(flight), nullptr, {}));
    range.begin = missing.end;
  }
  return range.begin;
}

/// Only where all of it is missing: otherwise what is there would be fetched again.
void Flights::Adopt(const ResolvedObject& object, std::unique_ptr<OriginBody> body, Units request) {
  const ByteRange range{0, body->size()};
  const ByteRange missing = NextMissing(object, range);
  if (range.empty() || missing.begin != range.begin || missing.end != range.end) return;
  if (context_.closing || !context_.fill_bytes.TryTake(range.size())) return;
  auto flight = Register(object, range);
  flight->bytes = Units(context_.fill_bytes, range.size());
  flight->sent = context_.env.clock.Now();
  context_.tasks.Spawn(Run(std::move(flight), std::move(body), std::move(request)));
}

Task<void> Flights::Run(std::shared_ptr<Flight> flight, std::unique_ptr<OriginBody> body,
                        Units request) {
  auto result = co_await Fly(*flight, std::move(body), std::move(request));
  Land(*flight, std::move(result));
}

Task<Result<void>> Flights::Fly(Flight& flight, std::unique_ptr<OriginBody> body, Units request) {
  Env& env = context_.env;
  const Call call{.cancel = context_.stop.token()};
  if (flight.bytes.held() == 0) {
    FB_CO_TRY(co_await context_.fill_bytes.Take(env, flight.range.size(), call));
    flight.bytes = Units(context_.fill_bytes, flight.range.size());
  }
  if (body == nullptr) {
    FB_CO_TRY(co_await context_.origin_requests.Take(env, 1, call));
    request = Units(context_.origin_requests, 1);
    if (flight.awaited && flight.interested == 0) {
      co_return Fail(Code::kCancelled, "nobody waits for it any more");
    }
    FB_CO_ASSIGN(body, co_await OpenBody(flight));
  }
  co_return co_await Stream(flight, *body);
}

Task<Result<std::unique_ptr<OriginBody>>> Flights::OpenBody(Flight& flight) {
  const ResolvedObject& object = flight.object;
  const Attachment& attachment = *object.attachment;
  flight.sent = context_.env.clock.Now();
  CountRequest(context_, attachment);
  auto body = co_await attachment.origin->Get(
      context_.env, object.key,
      {.offset = flight.range.begin, .size = flight.range.size(), .if_match = object.info.etag},
      WithPatience(context_, {.cancel = context_.stop.token()}));
  if (!body) co_return Fail(AsSilence(body.error(), attachment, context_));
  const ObjectInfo& info = (*body)->info();
  if (info.etag != object.info.etag) co_return Fail(Changed(object));
  if (info.size != object.info.size || (*body)->size() != flight.range.size()) {
    co_return Fail(
        Code::kUnavailable,
        fmt::format("origin {} gave {} bytes of {} from {} on, not {}", attachment.origin->url(),
                    (*body)->size(), object.key, flight.range.begin, flight.range.size()));
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
               co_await fills_.Begin(flight.object, number, {.cancel = context_.stop.token()}));
  for (uint64_t at = flight.reached; at < end; at += kPageBytes) {
    const auto size = static_cast<uint32_t>(std::min<uint64_t>(kPageBytes, end - at));
    if (!fill->Filled(static_cast<uint32_t>(at - base), size)) continue;
    co_return co_await StreamAround(flight, body, *fill, end);
  }
  for (uint64_t at = flight.reached; at < end;) {
    FB_CO_ASSIGN(const size_t came,
                 co_await Receive(flight, body, fill->buffer().subspan(at - base, end - at)));
    at += came;
    const uint64_t whole = at == end ? at : RoundDown(at, kPageBytes);
    if (at < end && whole - flight.reached < kCommitBytes) continue;
    fill->Commit(static_cast<uint32_t>(flight.reached - base),
                 static_cast<uint32_t>(whole - flight.reached));
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
  const auto came =
      co_await body.Read(into, WithPatience(context_, {.cancel = context_.stop.token()}));
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
    trace->queue += sent - began;
    trace->origin += now - sent;
  }
  if (waited && flight->error && flight->reached < until) co_return Fail(*flight->error);
  if (!waited) {
    const ResolvedObject& object = flight->object;
    co_return Fail(AsLate(waited.error(), *object.attachment, began, context_)
                       .Within(PathOf(*object.attachment, object.key)));
  }
  co_return waited;
}

}  // namespace forebay
