// Turns at a store. A lane is what the store limits as one: an account, a bucket's prefix. Requests
// take turns in it, in the order of their coming, under a limit that follows what the store bears
// (core/pace).
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "src/core/budget/retry_budget.h"
#include "src/core/pace/hedge_budget.h"
#include "src/core/pace/latencies.h"
#include "src/core/pace/limiter.h"
#include "src/origin/http/bell.h"
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
  Turn(Lane& lane, Limiter::Epoch began) : lane_(&lane), began_(began) {}
  Turn(Turn&& other) noexcept : lane_(std::exchange(other.lane_, nullptr)), began_(other.began_) {}
  Turn& operator=(Turn&& other) noexcept {
    End();
    lane_ = std::exchange(other.lane_, nullptr);
    began_ = other.began_;
    return *this;
  }
  ~Turn() { End(); }
  void End();
  Limiter::Epoch began() const { return began_; }

 private:
  Lane* lane_ = nullptr;
  Limiter::Epoch began_ = 0;
};

/// Used from the node's loop. Must outlive its turns. The queue is as long as whoever sends lets it
/// be: a node has a limit of requests to origins.
class Lane {
 public:
  Lane(LaneOptions options, std::shared_ptr<FetchCounters> counters)
      : counters_(std::move(counters)), limiter_(options) {}
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane() { FB_ASSERT(queue_.empty() && limiter_.in_flight() == 0); }

  /// Waits for a turn, for as long as the call goes.
  Task<Result<Turn>> Enter(Env& env, Call call);
  /// Now or never: for hedges.
  bool TryEnter(Env& env, Turn* turn);

  void Succeeded(const Turn& turn) {
    limiter_.Succeeded(turn.began());
    WakeFirst();
  }
  void Refused(Env& env, const Turn& turn, Duration wait);

  bool slowed() const { return limiter_.slowed(); }
  FetchCounters& counters() { return *counters_; }
  RetryBudget& retries() { return retries_; }
  HedgeBudget& hedges() { return hedges_; }
  Latencies& latencies() { return latencies_; }
  const Limiter& limiter() const { return limiter_; }

 private:
  friend class Turn;
  void Leave(Limiter::Epoch began);
  void WakeFirst();

  const std::shared_ptr<FetchCounters> counters_;
  Limiter limiter_;
  RetryBudget retries_;
  HedgeBudget hedges_;
  Latencies latencies_;
  std::list<Bell> queue_;
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
