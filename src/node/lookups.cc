#include "src/node/lookups.h"

#include "src/base/units.h"

namespace forebay {
namespace {

/// What comes with the first question for a name: small objects whole, so that they are one
/// request.
constexpr uint64_t kFirstGetBytes = 256 * kKiB;

}  // namespace

Instant Lookups::KeepUntil(const Attachment& attachment, std::string_view key,
                           Instant asked) const {
  const Freshness& freshness = attachment.config.freshness;
  if (freshness.mode == Freshness::Mode::kImmutable) return Instant::Never();
  if (freshness.mode == Freshness::Mode::kAlways) return asked;
  if (context_.peers == nullptr) return asked + freshness.ttl;
  const bool owns = context_.peers->Owns(ChunkKey(NameHash(attachment.config.id, key), 0), asked);
  return owns ? asked + std::min(freshness.ttl, kNameLease) : asked;
}

Instant Lookups::KeepAbsentUntil(const Attachment& attachment, std::string_view key,
                                 Instant asked) const {
  const Instant until = asked + context_.options.negative_ttl;
  if (attachment.config.freshness.mode != Freshness::Mode::kImmutable) {
    return std::min(until, KeepUntil(attachment, key, asked));
  }
  if (context_.peers == nullptr) return until;
  const bool owns = context_.peers->Owns(ChunkKey(NameHash(attachment.config.id, key), 0), asked);
  return owns ? std::min(until, asked + kNameLease) : asked;
}

uint32_t Lookups::OwnerOf(const Attachment& attachment, std::string_view key) const {
  const bool always = attachment.config.freshness.mode == Freshness::Mode::kAlways;
  if (context_.peers == nullptr || always) return Peers::kNobody;
  return context_.peers->OwnerOf(ChunkKey(NameHash(attachment.config.id, key), 0));
}

KnownName Lookups::Describe(const Attachment& attachment, std::string_view key,
                            const ObjectInfo& info, Instant asked) const {
  return {.exists = true,
          .version = MakeVersionId(attachment.config.id, key, info.etag, info.size),
          .size = info.size,
          .modified_ns = info.modified_ns,
          .fresh_until_ns = KeepUntil(attachment, key, asked).ns,
          .etag = info.etag};
}

ResolvedObject Lookups::MakeObject(std::shared_ptr<const Attachment> attachment, std::string key,
                                   const KnownName& known) {
  return {.attachment = std::move(attachment),
          .key = std::move(key),
          .version = known.version,
          .info = {.etag = known.etag, .size = known.size, .modified_ns = known.modified_ns},
          .fresh_until = {known.fresh_until_ns}};
}

Error Lookups::NotThere(const Attachment& attachment, std::string_view key) {
  return Error(Code::kNotFound, fmt::format("{}: {} has no such object", PathOf(attachment, key),
                                            attachment.origin->url()));
}

bool Lookups::Known(const Attachment& attachment, std::string_view key, Instant now,
                    KnownName* known) const {
  if (attachment.config.freshness.mode == Freshness::Mode::kAlways) return false;
  return context_.names.Find(attachment.config.id, key, known) && now.ns < known->fresh_until_ns;
}

Task<Result<ResolvedObject>> Lookups::Resolve(std::shared_ptr<const Attachment> attachment,
                                              std::string key, Purpose purpose, Call call,
                                              Trace* trace) {
  FB_CO_ASSIGN(const KnownName known,
               co_await ResolveName(attachment, key, purpose, Way::kAny, call, trace));
  if (!known.exists) {
    context_.counters.metadata.negative_hits.Add();
    co_return Fail(NotThere(*attachment, key));
  }
  co_return MakeObject(std::move(attachment), std::move(key), known);
}

Task<Result<KnownName>> Lookups::ResolveName(std::shared_ptr<const Attachment> attachment,
                                             std::string key, Purpose purpose, Way way, Call call,
                                             Trace* trace) {
  KnownName known;
  if (Known(*attachment, key, context_.env.clock.Now(), &known)) {
    context_.counters.metadata.hits.Add();
  } else {
    context_.counters.metadata.misses.Add();
    FB_CO_TRY(context_.CheckRoomToWait());
    for (int attempt = 0;;) {
      auto answer = co_await Ask(attachment, key, purpose, way, call, trace);
      if (answer) {
        known = std::move(*answer);
        break;
      }
      const bool again = WorthARetry(answer.error()) && !RetriesItself(*attachment) &&
                         ++attempt < kMaxAttempts && context_.retries.TryRetry() &&
                         !context_.closing;
      if (context_.closing) co_return Fail(Code::kUnavailable, "the node is stopping");
      if (!again) co_return Fail(answer.error().Within(PathOf(*attachment, key)));
      context_.counters.origin.retries.Add();
      FB_CO_TRY(co_await BackOff(context_.env, attempt, call));
    }
  }
  co_return known;
}

/// Joins the question that is on its way, unless its answer may be older than what the asker may be
/// told: then it waits for the end of that one and asks anew.
Task<Result<KnownName>> Lookups::Ask(std::shared_ptr<const Attachment> attachment, std::string key,
                                     Purpose purpose, Way way, Call call, Trace* trace) {
  const uint64_t arrived = ++arrivals_;
  const Instant arrived_at = context_.env.clock.Now();
  const AttachmentId id = attachment->config.id;
  for (;;) {
    if (context_.closing) co_return Fail(Code::kUnavailable, "the node is stopping");
    auto& place = lookups_[Name(id, key, way)];
    if (place == nullptr) {
      place = std::make_shared<Lookup>();
      place->began = ++arrivals_;
      place->asked = context_.names.Ask();
      place->trace = call.trace;
      context_.tasks.Spawn(Run(attachment, key, purpose, way, place));
    } else {
      context_.counters.fill.shared.Add();
    }
    const std::shared_ptr<Lookup> lookup = place;
    const auto waited = co_await Await(attachment, lookup, call, trace);
    if (!waited) co_return Fail(waited.error());
    const bool current = lookup->began > arrived || lookup->IsForOthers(arrived_at);
    const bool outdated = !current || context_.names.Outdated(id, key, lookup->asked);
    if (!lookup->answer || !outdated) co_return lookup->answer;
    // A write went past it: what was written may be known now.
    KnownName known;
    if (Known(*attachment, key, context_.env.clock.Now(), &known)) co_return known;
  }
}

Task<Result<void>> Lookups::Await(std::shared_ptr<const Attachment> attachment,
                                  std::shared_ptr<Lookup> lookup, Call call, Trace* trace) {
  const Instant began = context_.env.clock.Now();
  ++context_.waiting;
  ++lookup->interested;
  auto waited = Result<void>();
  if (!lookup->done) waited = co_await lookup->waiters.Wait(context_.env, 0, call);
  --lookup->interested;
  --context_.waiting;
  if (trace != nullptr) {
    const Instant now = context_.env.clock.Now();
    const Instant sent = std::clamp(lookup->sent, began, now);
    const Instant origin_asked = std::clamp(lookup->origin_asked, sent, now);
    trace->queue += sent - began;
    trace->peer += origin_asked - sent;
    trace->origin += now - origin_asked;
  }
  if (!waited) co_return Fail(AsLate(waited.error(), *attachment, began, context_));
  co_return waited;
}

Task<void> Lookups::Run(std::shared_ptr<const Attachment> attachment, std::string key,
                        Purpose purpose, Way way, std::shared_ptr<Lookup> lookup) {
  const uint32_t owner = way == Way::kAny ? OwnerOf(*attachment, key) : Peers::kNobody;
  if (owner != Peers::kNobody) {
    lookup->answer = co_await AskOwner(owner, attachment, key, purpose, *lookup);
  }
  // An owner that cannot be asked is done without; what comes then is for this once.
  if (owner == Peers::kNobody || (!lookup->answer && !context_.stop.cancelled())) {
    lookup->answer = co_await AskOrigin(attachment, key, purpose, *lookup);
  }
  if (lookup->answer) {
    context_.names.Learn(attachment->config.id, key, *lookup->answer, lookup->asked);
  } else if (lookup->answer.error().code() != Code::kCancelled) {
    context_.counters.origin.errors.Add();
  }
  lookup->done = true;
  lookups_.erase(Name(attachment->config.id, key, way));
  lookup->waiters.WakeAll();
}

Task<Result<KnownName>> Lookups::AskOwner(uint32_t owner,
                                          std::shared_ptr<const Attachment> attachment,
                                          std::string key, Purpose purpose, Lookup& lookup) {
  const Instant asked = lookup.sent = context_.env.clock.Now();
  const wire::PeerResolveRequest request{.attachment_id = attachment->config.id,
                                         .to_read = purpose == Purpose::kRead,
                                         .asker = context_.peers->options().name,
                                         .key = key};
  FB_CO_ASSIGN(const auto answer, co_await context_.peers->Ask<wire::PeerResolveAnswer>(
                                      owner, request, WithPatience(context_, CallOf(lookup), 2)));
  const wire::Info& info = answer.value.info;
  const bool for_ever = info.fresh_for_ms == UINT32_MAX;
  const Instant until =
      for_ever ? Instant::Never() : asked + std::chrono::milliseconds(info.fresh_for_ms);
  if (!answer.value.exists) co_return KnownName{.exists = false, .fresh_until_ns = until.ns};
  co_return KnownName{.exists = true,
                      .version = MakeVersionId(attachment->config.id, key, info.etag, info.size),
                      .size = info.size,
                      .modified_ns = info.modified_ns,
                      .fresh_until_ns = until.ns,
                      .etag = std::string(info.etag)};
}

/// Where a Head costs as much as a Get, the first of an unknown name brings its first bytes, too.
Task<Result<KnownName>> Lookups::AskOrigin(std::shared_ptr<const Attachment> attachment,
                                           std::string key, Purpose purpose, Lookup& lookup) {
  Env& env = context_.env;
  FB_CO_TRY(co_await context_.origin_requests.Take(env, 1, CallOf(lookup)));
  Units request(context_.origin_requests, 1);
  Origin& origin = *attachment->origin;
  KnownName before;
  const bool seen = context_.names.Find(attachment->config.id, key, &before);
  if (seen) context_.counters.metadata.revalidations.Add();
  const bool get =
      purpose == Purpose::kRead && !origin.capabilities().cheap_head && !(seen && before.exists);
  const Instant asked = lookup.origin_asked = env.clock.Now();
  lookup.sent = std::min(lookup.sent, asked);
  const Call call = WithPatience(context_, CallOf(lookup));
  CountRequest(context_, *attachment);
  std::unique_ptr<OriginBody> body;
  Result<ObjectInfo> info = ObjectInfo();
  if (get) {
    const uint64_t size = std::max(context_.options.random_fill_bytes, kFirstGetBytes);
    auto got = co_await origin.Get(env, key, {.size = size, .judged = size <= kBlockBytes}, call);
    if (got) body = std::move(*got);
    info = body != nullptr ? Result<ObjectInfo>(body->info()) : Fail(got.error());
  } else {
    info = co_await origin.Head(env, key, call);
  }
  if (!info && info.error().code() == Code::kNotFound) {
    co_return KnownName{.exists = false,
                        .fresh_until_ns = KeepAbsentUntil(*attachment, key, asked).ns};
  }
  if (!info) co_return Fail(AsSilence(info.error(), *attachment, context_));
  if (info->size > kMaxObjectBytes) {
    co_return Fail(Code::kUnsupported,
                   fmt::format("it has {} bytes, and objects of more than {} are not read here",
                               info->size, FormatSize(kMaxObjectBytes)));
  }
  KnownName known = Describe(*attachment, key, *info, asked);
  if (body != nullptr) {
    flights_.Adopt(MakeObject(attachment, key, known), std::move(body), std::move(request),
                   lookup.trace);
  }
  co_return known;
}

}  // namespace forebay
