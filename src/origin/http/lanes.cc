#include "src/origin/http/lanes.h"

#include <fmt/format.h>

namespace forebay::http_origin {
namespace {

std::string ClosedUntil(Duration opens_in) {
  return fmt::format(
      "the store has asked for fewer requests, and none is sent for {:.1f} s more, which is past "
      "the deadline",
      std::chrono::duration<double>(opens_in).count());
}

}  // namespace

void Turn::End() {
  if (lane_ != nullptr) std::exchange(lane_, nullptr)->Leave(began_);
}

bool Lane::TryEnter(Env& env, Turn* turn) {
  if (!queue_.empty() || !limiter_.MayStart(env.clock.Now().ns)) return false;
  *turn = Turn(*this, limiter_.Start());
  return true;
}

Task<Result<Turn>> Lane::Enter(Env& env, Call call) {
  Turn turn;
  if (TryEnter(env, &turn)) co_return turn;
  const auto place = queue_.emplace(queue_.end());
  Result<void> waited;
  for (;;) {
    const Instant now = env.clock.Now();
    if (place == queue_.begin() && limiter_.MayStart(now.ns)) break;
    // Only the first waits for the lane to open again; he wakes the next.
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
  if (mine) turn = Turn(*this, limiter_.Start());
  WakeFirst();
  if (!mine) co_return Fail(waited.error());
  co_return turn;
}

void Lane::Leave(Limiter::Epoch began) {
  limiter_.Ended(began);
  WakeFirst();
}

void Lane::WakeFirst() {
  if (!queue_.empty()) queue_.front().Ring();
}

void Lane::Refused(Env& env, const Turn& turn, Duration wait) {
  constexpr uint64_t kSteps = 1024;
  ++counters_->slow_downs;
  limiter_.Refused(turn.began(), env.clock.Now().ns, wait.count(),
                   static_cast<double>(env.rng.Below(kSteps)) / kSteps);
}

std::shared_ptr<Lane> Lanes::Of(std::string_view name, LaneOptions options) {
  std::erase_if(lanes_, [](const auto& lane) { return lane.second.expired(); });
  auto& known = lanes_[std::string(name)];
  auto lane = known.lock();
  if (lane == nullptr) {
    lane = std::make_shared<Lane>(options, counters_);
    known = lane;
  }
  return lane;
}

}  // namespace forebay::http_origin
