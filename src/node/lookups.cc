#include "src/node/lookups.h"

#include "src/base/units.h"

namespace forebay {
namespace {

/// What comes with the first question for a name: small objects whole, so that they are one
/// request.
constexpr uint64_t kFirstGetBytes = 256 * kKiB;

}  // namespace

Instant Lookups::FreshUntil(const Attachment& attachment, Instant asked) {
  switch (attachment.config.freshness.mode) {
    case Freshness::Mode::kImmutable:
      return Instant::Never();
    case Freshness::Mode::kTtl:
      return asked + attachment.config.freshness.ttl;
    case Freshness::Mode::kAlways:
      break;
  }
  return asked;
}

KnownName Lookups::Describe(const Attachment& attachment, std::string_view key,
                            const ObjectInfo& info, Instant asked) {
  return {.exists = true,
          .version = MakeVersionId(attachment.config.id, key, info.etag),
          .size = info.size,
          .modified_ns = info.modified_ns,
          .fresh_until_ns = FreshUntil(attachment, asked).ns,
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
  KnownName known;
  if (Known(*attachment, key, context_.env.clock.Now(), &known)) {
    context_.counters.metadata.hits.Add();
  } else {
    context_.counters.metadata.misses.Add();
    FB_CO_TRY(context_.CheckRoomToWait());
    for (int attempt = 0;;) {
      auto answer = co_await Ask(attachment, key, purpose, call, trace);
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
  if (!known.exists) {
    context_.counters.metadata.negative_hits.Add();
    co_return Fail(NotThere(*attachment, key));
  }
  co_return MakeObject(std::move(attachment), std::move(key), known);
}

/// Joins the question that is on its way, unless its answer may be older than what the asker may be
/// told: then it waits for the end of that one and asks anew.
Task<Result<KnownName>> Lookups::Ask(std::shared_ptr<const Attachment> attachment, std::string key,
                                     Purpose purpose, Call call, Trace* trace) {
  const uint64_t arrived = ++arrivals_;
  const AttachmentId id = attachment->config.id;
  const bool always = attachment->config.freshness.mode == Freshness::Mode::kAlways;
  for (;;) {
    if (context_.closing) co_return Fail(Code::kUnavailable, "the node is stopping");
    auto& place = lookups_[Name(id, key)];
    if (place == nullptr) {
      place = std::make_shared<Lookup>();
      place->began = ++arrivals_;
      place->asked = context_.names.Ask();
      context_.tasks.Spawn(Run(attachment, key, purpose, place));
    } else {
      context_.counters.fill.shared.Add();
    }
    const std::shared_ptr<Lookup> lookup = place;
    const bool current = !always || lookup->began > arrived;
    const auto waited = co_await Await(attachment, lookup, call, trace);
    if (!waited) co_return Fail(waited.error());
    if (current && !context_.names.Outdated(id, key, lookup->asked)) co_return lookup->answer;
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
    trace->queue += sent - began;
    trace->origin += now - sent;
  }
  if (!waited) co_return Fail(AsLate(waited.error(), *attachment, began, context_));
  co_return waited;
}

Task<void> Lookups::Run(std::shared_ptr<const Attachment> attachment, std::string key,
                        Purpose purpose, std::shared_ptr<Lookup> lookup) {
  lookup->answer = co_await AskOrigin(attachment, key, purpose, *lookup);
  if (lookup->answer) {
    context_.names.Learn(attachment->config.id, key, *lookup->answer, lookup->asked);
  } else if (lookup->answer.error().code() != Code::kCancelled) {
    context_.counters.origin.errors.Add();
  }
  lookup->done = true;
  lookups_.erase(Name(attachment->config.id, key));
  lookup->waiters.WakeAll();
}

/// Where a Head costs as much as a Get, the first of an unknown name brings its first bytes, too.
Task<Result<KnownName>> Lookups::AskOrigin(std::shared_ptr<const Attachment> attachment,
                                           std::string key, Purpose purpose, Lookup& lookup) {
  Env& env = context_.env;
  FB_CO_TRY(co_await context_.origin_requests.Take(env, 1, {.cancel = context_.stop.token()}));
  Units request(context_.origin_requests, 1);
  Origin& origin = *attachment->origin;
  KnownName before;
  const bool seen = context_.names.Find(attachment->config.id, key, &before);
  if (seen) context_.counters.metadata.revalidations.Add();
  const bool get =
      purpose == Purpose::kRead && !origin.capabilities().cheap_head && !(seen && before.exists);
  const Instant asked = lookup.sent = env.clock.Now();
  const Call call = WithPatience(context_, {.cancel = context_.stop.token()});
  CountRequest(context_, *attachment);
  std::unique_ptr<OriginBody> body;
  Result<ObjectInfo> info = ObjectInfo();
  if (get) {
    const uint64_t size = std::max(context_.options.random_fill_bytes, kFirstGetBytes);
    auto got = co_await origin.Get(env, key, {.size = size}, call);
    if (got) body = std::move(*got);
    info = body != nullptr ? Result<ObjectInfo>(body->info()) : Fail(got.error());
  } else {
    info = co_await origin.Head(env, key, call);
  }
  if (!info && info.error().code() == Code::kNotFound) {
    const Instant until = asked + context_.options.negative_ttl;
    co_return KnownName{.exists = false,
                        .fresh_until_ns = std::min(until, FreshUntil(*attachment, asked)).ns};
  }
  if (!info) co_return Fail(AsSilence(info.error(), *attachment, context_));
  KnownName known = Describe(*attachment, key, *info, asked);
  if (body != nullptr) {
    flights_.Adopt(MakeObject(attachment, key, known), std::move(body), std::move(request));
  }
  co_return known;
}

}  // namespace forebay
