// Turns at a store. A lane is what the store limits as one: an account, a bucket's prefix; within
// it some limit each object by itself, too. Requests pass the turnstiles of both.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "src/core/budget/retry_budget.h"
#include "src/core/pace/hedge_budget.h"
#include "src/core/pace/latencies.h"
#include "src/origin/http/turnstile.h"
#include "src/runtime/env.h"

namespace forebay::http_origin {

using LaneOptions = LimiterOptions;

/// What all requests of a node to its stores came to. Any thread reads.
struct FetchCounters {
  std::atomic<uint64_t> requests{0};  // sent, all tries and hedges together
  std::atomic<uint64_t> retries{0};
  std::atomic<uint64_t> hedges{0};
  std::atomic<uint64_t> hedges_won{0};
  std::atomic<uint64_t> slow_downs{0};  // answers that asked for it
};

class Lane;

/// One request's place in its lane, from its sending to the end of its answer.
class Turn {
 public:
  Turn() = default;
  Turn(Turn&& other) noexcept
      : lane_(std::exchange(other.lane_, nullptr)),
        in_lane_(other.in_lane_),
        object_(std::move(other.object_)),
        in_object_(other.in_object_) {}
  Turn& operator=(Turn&& other) noexcept {
    End();
    lane_ = std::exchange(other.lane_, nullptr);
    in_lane_ = other.in_lane_;
    object_ = std::move(other.object_);
    in_object_ = other.in_object_;
    return *this;
  }
  ~Turn() { End(); }
  void End();

 private:
  friend class Lane;
  Lane* lane_ = nullptr;
  Turnstile::Epoch in_lane_ = 0;
  std::shared_ptr<Turnstile> object_;  // null: of no object
  Turnstile::Epoch in_object_ = 0;
};

/// Used from the node's loop. Must outlive its turns.
class Lane {
 public:
  Lane(LaneOptions options, std::shared_ptr<FetchCounters> counters)
      : counters_(std::move(counters)), options_(options), all_(options) {}
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// Waits for a turn, for as long as the call goes. `object`: what the store limits by itself
  /// within the lane, too; "" where it does not.
  Task<Result<Turn>> Enter(Env& env, std::string object, Call call);
  /// Now or never: for hedges.
  bool TryEnter(Env& env, std::string_view object, Turn* turn);

  void Succeeded(const Turn& turn);
  /// One object that is refused alone is left alone. Once another one is, too, all are slowed.
  void Refused(Env& env, const Turn& turn, Duration wait);

  /// The store asks for less than we could send: of all, or of `object`.
  bool slowed(std::string_view object = {}) const;
  FetchCounters& counters() { return *counters_; }
  RetryBudget& retries() { return retries_; }
  HedgeBudget& hedges() { return hedges_; }
  Latencies& latencies() { return latencies_; }
  const Limiter& limiter() const { return all_.limiter(); }
  size_t objects() const { return objects_.size(); }

  /// Refusals of two objects within so long are news of the lane.
  static constexpr Duration kSameTrouble = std::chrono::seconds(3);
  /// What was learnt of objects that nobody asks for now is kept for so many.
  static constexpr size_t kObjectsKept = 1024;

 private:
  friend class Turn;
  std::shared_ptr<Turnstile> Of(std::string_view object);

  const std::shared_ptr<FetchCounters> counters_;
  const LaneOptions options_;
  Turnstile all_;
  std::map<std::string, std::shared_ptr<Turnstile>, std::less<>> objects_;
  size_t sweep_at_ = kObjectsKept;
  std::shared_ptr<const Turnstile> refused_last_;
  Instant refused_at_;
  RetryBudget retries_;
  HedgeBudget hedges_;
  Latencies latencies_;
};

/// All lanes of a node, by name: attachments of one account share theirs. Lanes that nobody holds
/// are forgotten.
class Lanes {
 public:
  std::shared_ptr<Lane> Of(std::string_view name, LaneOptions options = {});
  const FetchCounters& counters() const { return *counters_; }

 private:
  const std::shared_ptr<FetchCounters> counters_ = std::make_shared<FetchCounters>();
  std::map<std::string, std::weak_ptr<Lane>, std::less<>> lanes_;
};

}  // namespace forebay::http_origin
