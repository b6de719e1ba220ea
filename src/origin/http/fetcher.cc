#include "src/origin/http/fetcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "src/origin/http/fetch_body.h"
#include "src/runtime/task_group.h"

namespace forebay::http_origin {
namespace {

constexpr size_t kReadBytes = 64 << 10;
constexpr uint32_t kMostDoublings = 20;  // of a pause

/// A response that keeps its turn until it goes.
class HeldResponse final : public HttpResponse {
 public:
  HeldResponse(std::unique_ptr<HttpResponse> inner, Turn turn)
      : turn_(std::move(turn)), inner_(std::move(inner)) {}

  int status() const override { return inner_->status(); }
  std::string_view Header(std::string_view name) const override { return inner_->Header(name); }
  const std::vector<HttpHeader>& headers() const override { return inner_->headers(); }
  Task<Result<size_t>> Read(MutableBytes into, Call call) override {
    return inner_->Read(into, call);
  }

 private:
  Turn turn_;  // ends after the exchange
  std::unique_ptr<HttpResponse> inner_;
};

/// What people find it by in the logs of a store, and of gateways on the way to it.
void NameRequest(Rng& rng, std::string_view id_header, const Hash128& trace, HttpRequest* http) {
  const uint64_t number = rng.Next();
  const bool named = trace != Hash128{};
  if (named) {
    http->headers.push_back(
        {"traceparent", fmt::format("00-{}-{:016x}-00", HexText(trace), number)});
  }
  if (id_header.empty()) return;
  http->headers.push_back(
      {std::string(id_header), named ? fmt::format("forebay-{}-{:016x}", HexText(trace), number)
                                     : fmt::format("forebay-{:016x}", number)});
}

}  // namespace

std::string NameOf(const HttpRequest& request) {
  return fmt::format("{} {}", request.method, request.url.substr(0, request.url.find('?')));
}

Error ErrorOf(const HttpRequest& request, const Error& error) {
  const std::string name = NameOf(request);
  return error.message().starts_with(name) ? error : error.Within(name);
}

std::string_view Fetcher::Whole::Header(std::string_view name) const {
  for (const HttpHeader& header : headers) {
    if (SameHeaderName(header.name, name)) return header.value;
  }
  return {};
}

Fetcher::Fetcher(std::shared_ptr<Signer> signer, Explain explain, FetcherOptions options)
    : signer_(std::move(signer)),
      explain_(std::move(explain)),
      options_(std::move(options)),
      own_lane_({}, std::make_shared<FetchCounters>()) {}
Fetcher::~Fetcher() = default;

Task<Result<std::unique_ptr<HttpResponse>>> Fetcher::Send(Env& env, FetchRequest request,
                                                          Call call) {
  Outcome outcome = co_await Persist(env, std::move(request), call);
  if (!outcome.response) co_return Fail(outcome.error());
  co_return std::move(outcome.response);
}

Task<Result<Fetcher::Whole>> Fetcher::SendWhole(Env& env, FetchRequest request, uint64_t most,
                                                Call call) {
  const std::string name = NameOf(request.http);
  std::vector<std::byte> piece(kReadBytes);
  for (uint32_t failures = 0;;) {
    FB_CO_ASSIGN(const auto response, co_await Send(env, request, call));
    Whole whole{.status = response->status(), .headers = response->headers(), .body = {}};
    Result<size_t> came = size_t{0};
    do {
      const Instant until = std::min(call.deadline, env.clock.Now() + options_.try_timeout);
      came = co_await response->Read(piece, {until, call.cancel});
      if (came) whole.body += AsText(Bytes(piece).first(*came));
      if (whole.body.size() > most) {
        co_return Fail(Code::kCorrupt, fmt::format("{}: more than {} bytes", name, most));
      }
    } while (came && *came > 0);
    if (came) co_return whole;
    const bool silent =
        came.error().code() == Code::kDeadlineExceeded && env.clock.Now() < call.deadline;
    const Error error = silent
                            ? Error(Code::kUnavailable, name + ": the answer stopped in its middle")
                            : ErrorOf(request.http, came.error());
    if (!error.retryable() || !request.repeatable) co_return Fail(error);
    const auto pause = PauseToRepeat(env, LaneOf(request), ++failures, call);
    if (!pause) co_return Fail(error);
    FB_CO_TRY(co_await env.clock.Sleep(*pause, call.cancel));
  }
}

/// The one place where requests are tried again.
Task<Fetcher::Outcome> Fetcher::Persist(Env& env, FetchRequest request, Call call) {
  Lane& lane = LaneOf(request);
  lane.retries().OnRequest();
  lane.hedges().OnRequest();
  Tries tries;
  Outcome outcome;
  for (;;) {
    auto turn = co_await lane.Enter(env, request.object, call);
    if (!turn) {
      // What the store said tells more than that time was up.
      if (!outcome.refusal || call.cancel.cancelled()) {
        outcome.refusal = Refusal{.error = turn.error().Within(NameOf(request.http)), .wait = {}};
      }
      co_return outcome;
    }
    const bool hedge = request.hedged && lane.latencies().Late() && !lane.slowed(request.object);
    if (hedge) {
      outcome = co_await SendHedged(env, request, std::move(*turn), call);
    } else {
      outcome = co_await SendOnce(env, request, std::move(*turn), call);
    }
    if (outcome.response) co_return outcome;
    const auto pause = PauseBefore(env, request, outcome, &tries, call);
    if (!pause || env.clock.Now() + *pause >= call.deadline) co_return outcome;
    if (!co_await env.clock.Sleep(*pause, call.cancel)) co_return outcome;
  }
}

/// Nullopt: that was the last one.
std::optional<Duration> Fetcher::PauseBefore(Env& env, const FetchRequest& request,
                                             const Outcome& outcome, Tries* tries, Call call) {
  const Refusal& refusal = *outcome.refusal;
  if (refusal.slow_down) {
    // Its lane bounds what that costs the store.
    return std::max(Jittered(env, ++tries->slow_downs), refusal.wait.value_or(Duration(0)));
  }
  if (refusal.credentials && !tries->looked_again && signer_->Refused()) {
    tries->looked_again = true;
    return Duration(0);
  }
  // What may have happened must not happen twice.
  if (!refusal.error.retryable() || !request.repeatable) return std::nullopt;
  return PauseToRepeat(env, LaneOf(request), ++tries->failures, call);
}

std::optional<Duration> Fetcher::PauseToRepeat(Env& env, Lane& lane, uint32_t failures, Call call) {
  if (failures >= options_.max_tries) return std::nullopt;
  const Duration pause = Jittered(env, failures);
  if (env.clock.Now() + pause >= call.deadline || !lane.retries().TryRetry()) return std::nullopt;
  ++lane.counters().retries;
  return pause;
}

Duration Fetcher::Jittered(Env& env, uint32_t times) const {
  const Duration most = std::min(options_.longest_pause,
                                 options_.first_pause * (1 << std::min(times - 1, kMostDoublings)));
  return Duration(env.rng.Below(static_cast<uint64_t>(most.count()) + 1));
}

Task<Fetcher::Outcome> Fetcher::SendOnce(Env& env, const FetchRequest& request, Turn turn,
                                         Call call) {
  Lane& lane = LaneOf(request);
  HttpRequest http = request.http;
  NameRequest(env.rng, options_.id_header, call.trace, &http);
  Outcome outcome;
  if (const auto is_signed = co_await signer_->Sign(env, http, call); !is_signed) {
    outcome.refusal = Refusal{.error = is_signed.error(), .wait = {}};
    co_return outcome;
  }
  const Instant begin = env.clock.Now();
  const Instant given_up = begin + options_.try_timeout;
  const bool impatient = request.repeatable && http.body.empty() && given_up < call.deadline;
  ++lane.counters().requests;
  auto response =
      co_await env.http.Send(std::move(http), {impatient ? given_up : call.deadline, call.cancel});
  if (!response) {
    Error error = ErrorOf(request.http, response.error());
    if (impatient && error.code() == Code::kDeadlineExceeded) {
      error = Error(Code::kUnavailable, error.message());
    }
    outcome.refusal = Refusal{.error = std::move(error), .wait = {}};
    co_return outcome;
  }
  outcome.status = (*response)->status();
  if (outcome.status < 300) {
    // Of reads alone: what is written takes its own time, and a refusal comes soon.
    if (request.hedged) lane.latencies().Add((env.clock.Now() - begin).count());
    lane.Succeeded(turn);
    outcome.response = std::make_unique<HeldResponse>(std::move(*response), std::move(turn));
    co_return outcome;
  }
  co_return co_await Refused(env, request, std::move(turn), std::move(*response), call);
}

/// Reads why.
Task<Fetcher::Outcome> Fetcher::Refused(Env& env, const FetchRequest& request, Turn turn,
                                        std::unique_ptr<HttpResponse> response, Call call) {
  Outcome outcome{.status = response->status(), .content_range = {}};
  std::string body;
  std::array<std::byte, 4096> piece;
  // A body that breaks off, or stops, still says something.
  call.deadline = std::min(call.deadline, env.clock.Now() + options_.most_silence);
  while (body.size() < options_.max_error_body_bytes) {
    const auto came = co_await response->Read(piece, call);
    if (!came || *came == 0) break;
    body += AsText(Bytes(piece).first(*came));
  }
  outcome.refusal = explain_(outcome.status, *response, body);
  outcome.refusal->error = outcome.refusal->error.Within(NameOf(request.http));
  outcome.content_range = response->Header("Content-Range");
  if (outcome.refusal->slow_down) {
    LaneOf(request).Refused(env, turn, outcome.refusal->wait.value_or(Duration(0)));
  } else if (outcome.status < 500) {
    LaneOf(request).Succeeded(turn);  // it has time to refuse
  }
  co_return outcome;
}

// -- Hedges

struct Fetcher::Race {
  Outcome outcomes[2];
  bool ended[2] = {false, false};
  int begun = 1;
  Bell bell;
  CancelSource stop;  // for whoever is left

  bool won(int index) const { return ended[index] && outcomes[index].response != nullptr; }
  bool over() const { return won(0) || won(1) || (ended[0] && (begun == 1 || ended[1])); }
};

Task<void> Fetcher::RunIn(Env& env, const FetchRequest& request, Turn turn, Call call, Race* race,
                          int index) {
  race->outcomes[index] = co_await SendOnce(env, request, std::move(turn), call);
  race->ended[index] = true;
  race->bell.Ring();
}

/// A second request where the first is later than nearly all others were.
Task<Fetcher::Outcome> Fetcher::SendHedged(Env& env, const FetchRequest& request, Turn turn,
                                           Call call) {
  Lane& lane = LaneOf(request);
  const Duration delay = std::max(options_.least_hedge_delay, Duration(*lane.latencies().Late()));
  Race race;
  CancelListener listener;
  const auto stop = [](void* source) { static_cast<CancelSource*>(source)->Cancel(); };
  if (!call.cancel.Listen(listener, stop, &race.stop)) race.stop.Cancel();
  const Call linked{call.deadline, race.stop.token(), call.trace};
  TaskGroup group(env.executor);
  group.Spawn(RunIn(env, request, std::move(turn), linked, &race, 0));
  static_cast<void>(co_await race.bell.Wait(env, {env.clock.Now() + delay, race.stop.token()}));
  Turn second;
  const bool may_hedge = !race.over() && !race.stop.cancelled() && !lane.slowed(request.object);
  if (may_hedge && lane.TryEnter(env, request.object, &second)) {
    if (lane.hedges().TryHedge()) {
      ++lane.counters().hedges;
      race.begun = 2;
      group.Spawn(RunIn(env, request, std::move(second), linked, &race, 1));
    } else {
      second.End();
    }
  }
  // Each of them ends by itself at the latest when the call does.
  while (!race.over()) static_cast<void>(co_await race.bell.Wait(env, {}));
  const int winner = race.won(1) ? 1 : 0;
  if (winner == 1) ++lane.counters().hedges_won;
  race.stop.Cancel();
  co_await group.Join();
  co_return std::move(race.outcomes[winner]);
}

Task<Result<std::unique_ptr<OriginBody>>> Fetcher::Get(Env& env, std::string name, MakeGet make,
                                                       GetOptions options, Call call) {
  auto body = std::make_unique<FetchBody>(*this, env, std::move(name), std::move(make));
  FB_CO_TRY(co_await body->Open(std::move(options), call));
  co_return std::move(body);
}

}  // namespace forebay::http_origin
