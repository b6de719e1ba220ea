#include "src/origin/http/lanes.h"

#include <algorithm>
#include <utility>

namespace forebay::http_origin {

void Turn::End() {
  if (const auto object = std::exchange(object_, nullptr)) object->Leave(in_object_);
  if (Lane* lane = std::exchange(lane_, nullptr)) lane->all_.Leave(in_lane_);
}

std::shared_ptr<Turnstile> Lane::Of(std::string_view object) {
  if (object.empty()) return nullptr;
  if (const auto known = objects_.find(object); known != objects_.end()) return known->second;
  if (objects_.size() >= sweep_at_) {
    std::erase_if(objects_, [](const auto& one) { return one.second.use_count() == 1; });
    sweep_at_ = std::max(kObjectsKept, objects_.size() * 2);
  }
  return objects_[std::string(object)] = std::make_shared<Turnstile>(options_);
}

bool Lane::TryEnter(Env& env, std::string_view object, Turn* turn) {
  Turn made;
  if (auto turnstile = Of(object)) {
    const auto passed = turnstile->TryPass(env);
    if (!passed) return false;
    made.object_ = std::move(turnstile);
    made.in_object_ = *passed;
  }
  const auto passed = all_.TryPass(env);
  if (!passed) return false;
  made.lane_ = this;
  made.in_lane_ = *passed;
  *turn = std::move(made);
  return true;
}

/// By the object's first: who waits there is in nobody's way here. Whose object is closed while he
/// waits here goes back to it.
Task<Result<Turn>> Lane::Enter(Env& env, std::string object, Call call) {
  for (;;) {
    Turn turn;
    if (auto turnstile = Of(object)) {
      FB_CO_ASSIGN(turn.in_object_, co_await turnstile->Pass(env, call));
      turn.object_ = std::move(turnstile);
    }
    FB_CO_ASSIGN(turn.in_lane_, co_await all_.Pass(env, call));
    turn.lane_ = this;
    if (turn.object_ == nullptr || turn.object_->StillOpenTo(turn.in_object_)) co_return turn;
  }
}

bool Lane::slowed(std::string_view object) const {
  if (all_.slowed()) return true;
  const auto known = objects_.find(object);
  return known != objects_.end() && known->second->slowed();
}

void Lane::Succeeded(const Turn& turn) {
  if (turn.object_ != nullptr) turn.object_->Succeeded(turn.in_object_);
  all_.Succeeded(turn.in_lane_);
}

void Lane::Refused(Env& env, const Turn& turn, Duration wait) {
  ++counters_->slow_downs;
  const Instant now = env.clock.Now();
  const bool others =
      refused_last_ != nullptr && refused_last_ != turn.object_ && now < refused_at_ + kSameTrouble;
  if (turn.object_ != nullptr) turn.object_->Refused(env, turn.in_object_, wait);
  if (turn.object_ == nullptr || others || all_.slowed()) all_.Refused(env, turn.in_lane_, wait);
  refused_last_ = turn.object_;
  refused_at_ = now;
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
