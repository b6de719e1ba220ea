#include "src/origin/http/turnstile.h"

#include <fmt/format.h>

#include <algorithm>

namespace forebay::http_origin {
namespace {

std::string ClosedUntil(Duration opens_in) {
  return fmt::format(
      "the store has asked for fewer requests, and none is sent for {:.1f} s more, which is past "
      "the deadline",
      std::chrono::duration<double>(opens_in).count());
}

}  // namespace

std::optional<Turnstile::Epoch> Turnstile::TryPass(Env& env) {
  if (!queue_.empty() || !limiter_.MayStart(env.clock.Now().ns)) return std::nullopt;
  return limiter_.Start();
}

Task<Result<Turnstile::Epoch>> Turnstile::Pass(Env& env, Call call) {
  if (const auto passed = TryPass(env)) co_return *passed;
  const auto place = queue_.emplace(queue_.end());
  Result<void> waited;
  for (;;) {
    const Instant now = env.clock.Now();
    if (place == queue_.begin() && limiter_.MayStart(now.ns)) break;
    // Only the first waits for it to open again; he wakes the next.
    Call wait = call;
    const Instant opens{limiter_.opens_at()};
    const bool closed = place == queue_.begin() && opens > now;
    if (closed && opens >= call.deadline) {
      // It says so at once: nothing is won by waiting.
      waited = Fail(Code::kOverloaded, ClosedUntil(opens - now));
      break;
    }
    if (closed) wait.deadline = std::min(wait.deadline, opens);
    waited = co_await place->Wait(env, wait);
    const bool opened = closed && !waited && waited.error().code() == Code::kDeadlineExceeded &&
                        env.clock.Now() < call.deadline;
    if (!waited && !opened) break;
  }
  const bool mine = place == queue_.begin() && limiter_.MayStart(env.clock.Now().ns);
  queue_.erase(place);
  Epoch passed = 0;
  if (mine) passed = limiter_.Start();
  WakeFirst();
  if (!mine) co_return Fail(waited.error());
  co_return passed;
}

void Turnstile::Leave(Epoch passed) {
  limiter_.Ended(passed);
  WakeFirst();
}

void Turnstile::Succeeded(Epoch passed) {
  limiter_.Succeeded(passed);
  WakeFirst();
}

void Turnstile::Refused(Env& env, Epoch passed, Duration wait) {
  constexpr uint64_t kSteps = 1024;
  limiter_.Refused(passed, env.clock.Now().ns, wait.count(),
                   static_cast<double>(env.rng.Below(kSteps)) / kSteps);
}

void Turnstile::WakeFirst() {
  if (!queue_.empty()) queue_.front().Ring();
}

}  // namespace forebay::http_origin
