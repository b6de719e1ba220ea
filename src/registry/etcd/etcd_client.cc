#include "src/registry/etcd/etcd_client.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "src/base/units.h"

namespace forebay::etcd {
namespace {

using Next = Refusal::Next;

constexpr size_t kMaxAnswerBytes = 64 * kMiB;
constexpr size_t kMaxRefusalBytes = 16 * kKiB;
constexpr size_t kMaxCredentialBytes = 4 * kKiB;
/// A caller's own deadline says nothing of an endpoint, unless it was silent for so long.
constexpr Duration kSilence = std::chrono::seconds(1);
/// Of the time that a try may take, after as many rounds.
constexpr uint32_t kDoublings = 3;
constexpr Duration kLeastTry = std::chrono::milliseconds(200);
/// Of one question: the token may have been revoked just after it was given.
constexpr uint32_t kMaxAuthentications = 3;

std::unexpected<Refusal> Refuse(Error error, Next next) {
  return std::unexpected(Refusal{.error = std::move(error), .next = next});
}

bool EndsTheCall(const Error& error) {
  return error.code() == Code::kCancelled || error.code() == Code::kInvalidArgument;
}

/// Gives back what Acquire took.
class Turn {
 public:
  explicit Turn(Semaphore& semaphore) : semaphore_(semaphore) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() { semaphore_.Release(); }

 private:
  Semaphore& semaphore_;
};

}  // namespace

Task<Result<std::string>> ReadWhole(HttpResponse& response, size_t most, Call call) {
  constexpr size_t kPiece = 16 * kKiB;
  std::string body;
  for (;;) {
    const size_t had = body.size();
    body.resize(had + kPiece);
    const auto into = std::as_writable_bytes(std::span(body)).subspan(had);
    FB_CO_ASSIGN(const size_t got, co_await response.Read(into, call));
    body.resize(had + got);
    if (got == 0) co_return body;
    if (body.size() > most) {
      co_return Fail(Code::kCorrupt, fmt::format("an answer of more than {} bytes", most));
    }
  }
}

EtcdClient::EtcdClient(Env& env, EtcdUrl url, Variables variables, EtcdOptions options)
    : env_(env),
      url_(std::move(url)),
      variables_(std::move(variables)),
      options_(options),
      name_(fmt::format("registry of cell '{}'", url_.cell)),
      // Else all nodes of a cell would ask the first.
      current_(static_cast<size_t>(env.rng.Below(url_.endpoints.size()))),
      heard_(url_.endpoints.size()),
      silent_(url_.endpoints.size()),
      doubted_(url_.endpoints.size(), Instant{-1}),  // nothing, not even at the clock's beginning
      authenticating_(env.executor, 1) {}

void EtcdClient::MoveOn(size_t endpoint) {
  if (url_.endpoints.size() == 1) return;  // there is nowhere else, and its watches may be well
  if (current_ == endpoint) current_ = (current_ + 1) % url_.endpoints.size();
  Doubt(endpoint, env_.clock.Now());
}

void EtcdClient::Doubt(size_t endpoint, Instant until) {
  doubted_[endpoint] = std::max(doubted_[endpoint], until);
  // Cancelling only posts; the list does not change under us.
  for (const Listener& listener : listeners_) {
    if (listener.endpoint == endpoint && listener.opened <= until) listener.stop->Cancel();
  }
}

void EtcdClient::Answered(size_t endpoint) {
  const std::optional<Silence> silence = std::exchange(silent_[endpoint], std::nullopt);
  if (silence && silence->last - silence->since >= options_.long_silence) {
    Doubt(endpoint, silence->last);
  }
}

void EtcdClient::Unanswered(size_t endpoint, Instant asked) {
  std::optional<Silence>& silence = silent_[endpoint];
  if (!silence) silence = Silence{.since = asked, .last = asked};
  silence->last = env_.clock.Now();
}

void EtcdClient::Listen(size_t endpoint, Instant opened, CancelSource& stop) {
  listeners_.push_back({endpoint, opened, &stop});
}

void EtcdClient::Forget(CancelSource& stop) {
  std::erase_if(listeners_, [&](const Listener& listener) { return listener.stop == &stop; });
}

void EtcdClient::DropToken() {
  token_.clear();
}

Duration EtcdClient::Pause(uint32_t failures) {
  constexpr uint32_t kMostDoublings = 16;
  const Duration full = std::min(options_.longest_pause,
                                 options_.first_pause * (1 << std::min(failures, kMostDoublings)));
  const auto half = static_cast<uint64_t>(full.count()) / 2;
  return Duration(static_cast<int64_t>(half + env_.rng.Below(half + 1)));
}

Error EtcdClient::Told(size_t endpoint, const Error& error) const {
  return Error(error.code(), fmt::format("{} at {}: {}", name_, NameOf(endpoint), error.message()));
}

Error EtcdClient::CannotReach(Code code, const Error& last) const {
  return Error(code,
               fmt::format("{}: none of {} answers as it should; check that etcd runs there{}; the "
                           "last said: {}",
                           name_, fmt::join(url_.endpoints, ", "),
                           url_.tls == nullptr
                               ? " and can be reached without TLS"
                               : ", speaks TLS, and that ca= names who signed its certificate",
                           last.message()));
}

Instant EtcdClient::TryUntil(const Question& question, uint32_t rounds, Instant give_up) {
  const Instant now = env_.clock.Now();
  if (!question.repeatable) return std::min(give_up, now + options_.write_timeout);
  const Duration half = std::max(kLeastTry, (give_up - now) / 2);
  // Who hurries when all are slow only asks for more work.
  const Duration patience = options_.try_timeout * (1 << std::min(rounds, kDoublings));
  return std::min(give_up, now + std::min(patience, half));
}

Task<Result<void>> EtcdClient::Ask(Question question, Call call) {
  const Instant give_up = std::min(call.deadline, env_.clock.Now() + options_.patience);
  bool doubted = false;
  std::optional<Error> said;  // the last that was not silence
  uint32_t authentications = 0;
  if (!question.repeatable && env_.clock.Now() - heard_[current_] > options_.fresh_endpoint) {
    Revision ignored = 0;
    FB_CO_TRY(co_await AskRevision(&ignored, {give_up, call.cancel}));
  }
  for (uint32_t failures = 0;;) {
    if (call.cancel.cancelled()) co_return Fail(Code::kCancelled, name_ + ": given up");
    const auto rounds = static_cast<uint32_t>(failures / url_.endpoints.size());
    const size_t endpoint = current_;
    const Instant began = env_.clock.Now();
    const Instant until = TryUntil(question, rounds, give_up);
    const auto refusal =
        co_await TryOnce(question, endpoint, {.deadline = until, .cancel = call.cancel});
    if (!refusal || refusal->spoken) Answered(endpoint);
    if (!refusal) co_return Result<void>();
    const Error& error = refusal->error;
    const bool given_up = error.code() == Code::kCancelled;
    if (!refusal->spoken && !given_up) Unanswered(endpoint, began);
    const bool late = error.code() == Code::kDeadlineExceeded;
    if (refusal->next == Next::kGiveUp || given_up) {
      co_return Fail(Told(endpoint, error));
    }
    if (refusal->next == Next::kAuthenticate) {
      if (++authentications > kMaxAuthentications) co_return Fail(Told(endpoint, error));
      continue;
    }
    if (!late || until < give_up || env_.clock.Now() - began >= kSilence) MoveOn(endpoint);
    doubted = doubted || refusal->next == Next::kInDoubt;
    if (question.doubted != nullptr) *question.doubted = doubted;
    if (doubted && !question.repeatable) {
      if (late && until == call.deadline) co_return Fail(Told(endpoint, error));
      co_return Fail(Code::kUnavailable,
                     Told(endpoint, error).message() + "; it may have happened all the same");
    }
    ++failures;
    if (refusal->spoken) said = error;
    if (env_.clock.Now() >= give_up) {
      const bool asked_to = give_up == call.deadline;
      co_return Fail(CannotReach(asked_to ? Code::kDeadlineExceeded : Code::kUnavailable,
                                 said.value_or(error)));
    }
    if (failures % url_.endpoints.size() != 0) continue;
    const Instant next = std::min(give_up, env_.clock.Now() + Pause(rounds));
    FB_CO_TRY(co_await env_.clock.SleepUntil(next, call.cancel));
  }
}

Task<std::optional<Refusal>> EtcdClient::TryOnce(const Question& question, size_t endpoint,
                                                 Call call) {
  auto token = co_await Token(endpoint, call);
  if (!token) co_return std::move(token.error());
  auto response = co_await Send(
      endpoint,
      {.path = question.path, .body = question.body, .once = question.once, .token = *token}, call);
  if (!response) {
    // Whoever asked with another token than the one that is there now just asks again.
    if (response.error().next == Next::kAuthenticate && token_ == *token) DropToken();
    co_return std::move(response.error());
  }
  const auto body = co_await ReadWhole(**response, kMaxAnswerBytes, call);
  if (!body) co_return Refusal{.error = body.error(), .next = Next::kInDoubt};
  auto accepted = question.accept(*body);
  if (accepted) co_return std::nullopt;
  // Some proxy's page, or half an answer.
  co_return Refusal{.error = std::move(accepted.error()), .next = Next::kInDoubt};
}

Task<std::expected<OpenStream, NoStream>> EtcdClient::Stream(std::string_view path,
                                                             std::string body, Call call) {
  const size_t endpoint = current_;
  const auto none = [&](Refusal refusal) {
    refusal.error = Told(endpoint, refusal.error);
    return std::unexpected(NoStream{endpoint, std::move(refusal)});
  };
  auto token = co_await Token(endpoint, call);
  if (!token) co_return none(std::move(token.error()));
  auto response = co_await Send(endpoint, {.path = path, .body = body, .token = *token}, call);
  if (response) co_return OpenStream{endpoint, std::move(*response)};
  if (response.error().next == Next::kAuthenticate && token_ == *token) DropToken();
  co_return none(std::move(response.error()));
}

Task<Result<void>> EtcdClient::AskRevision(Revision* revision, Call call) {
  return Ask({.path = kRangePath,
              .body = GetBody(url_.Prefix()),
              .accept = [revision](std::string_view body) -> Result<void> {
                FB_ASSIGN(const RangeAnswer range, ReadRange(body));
                *revision = range.revision;
                return {};
              }},
             call);
}

Task<std::expected<std::unique_ptr<HttpResponse>, Refusal>> EtcdClient::Send(size_t endpoint,
                                                                             Exchange exchange,
                                                                             Call call) {
  bool left = false;
  HttpRequest request{.method = "POST",
                      .url = NameOf(endpoint) + std::string(exchange.path),
                      .headers = {{"Content-Type", "application/json"},
                                  // A member without a leader says so instead of waiting for one,
                                  // and ends its watches.
                                  {"Grpc-Metadata-hasleader", "true"}},
                      .body = {AsBytes(exchange.body)},
                      .tls = url_.tls,
                      .once = exchange.once,
                      .left = &left};
  if (!exchange.token.empty()) request.headers.push_back({"Authorization", exchange.token});
  auto sent = co_await env_.http.Send(std::move(request), call);
  if (!sent) {
    if (EndsTheCall(sent.error())) co_return Refuse(std::move(sent.error()), Next::kGiveUp);
    co_return Refuse(std::move(sent.error()), left ? Next::kInDoubt : Next::kElsewhere);
  }
  HttpResponse& response = **sent;
  heard_[endpoint] = env_.clock.Now();
  if (response.status() == 200) co_return std::move(*sent);
  // What cannot be read of it is told by its status alone.
  const auto body = co_await ReadWhole(response, kMaxRefusalBytes, call);
  Refusal refusal = ReadRefusal(response.status(), body ? std::string_view(*body) : "");
  if (refusal.next == Next::kAuthenticate && !authenticates()) refusal.next = Next::kGiveUp;
  if (refusal.next == Next::kAuthenticate) authentication_off_ = false;
  co_return std::unexpected(std::move(refusal));
}

Task<std::expected<std::string, Refusal>> EtcdClient::Token(size_t endpoint, Call call) {
  if (!authenticates() || authentication_off_) co_return "";
  if (!token_.empty()) co_return token_;
  co_await authenticating_.Acquire();
  const Turn turn(authenticating_);
  if (!token_.empty()) co_return token_;
  auto token = co_await Authenticate(endpoint, call);
  if (token) {
    token_ = *token;
    co_return token;
  }
  Refusal& refusal = token.error();
  if (refusal.error.code() == Code::kUnsupported) {
    env_.log.Warning("registry", fmt::format("{} at {}: {}; going on without", name_,
                                             NameOf(endpoint), refusal.error.message()));
    authentication_off_ = true;
    co_return "";
  }
  // Of the question itself nothing has left yet.
  if (refusal.next == Next::kInDoubt) refusal.next = Next::kElsewhere;
  co_return token;
}

Task<std::expected<std::string, Refusal>> EtcdClient::Authenticate(size_t endpoint, Call call) {
  const auto text = co_await ReadCredentials();
  if (!text) co_return Refuse(text.error(), Next::kGiveUp);
  const size_t colon = text->find(':');
  const std::string body = AuthenticateBody(text->substr(0, colon), text->substr(colon + 1));
  auto response = co_await Send(endpoint, {.path = kAuthenticatePath, .body = body}, call);
  if (!response) co_return std::unexpected(std::move(response.error()));
  const auto answer = co_await ReadWhole(**response, kMaxRefusalBytes, call);
  if (!answer) co_return Refuse(answer.error(), Next::kElsewhere);
  auto token = ReadAuthenticate(*answer);
  if (!token) co_return Refuse(token.error(), Next::kElsewhere);
  co_return std::move(*token);
}

Task<Result<std::string>> EtcdClient::ReadCredentials() {
  const std::string_view reference = url_.credentials;
  const std::string name(reference.substr(reference.find(':') + 1));
  std::string text;
  if (reference.starts_with("env:")) {
    const auto found = variables_.find(name);
    if (found != variables_.end()) text = found->second;
  } else {
    FB_CO_ASSIGN(const auto file, co_await env_.disk.Open(name, {}));
    text.resize(kMaxCredentialBytes);
    FB_CO_ASSIGN(const size_t size,
                 co_await env_.disk.Read(*file, 0, std::as_writable_bytes(std::span(text))));
    text.resize(size);
  }
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  const size_t colon = text.find(':');
  if (colon != text.npos && colon > 0 && text.find('\n') == text.npos) co_return text;
  co_return Fail(Code::kUnauthenticated, fmt::format("{} holds no line USER:PASSWORD", reference));
}

}  // namespace forebay::etcd
