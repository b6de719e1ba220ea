// Lets requests begin in the order of their coming, as many at a time as the store bears
// (core/pace).
#pragma once

#include <list>
#include <optional>

#include "src/core/pace/limiter.h"
#include "src/origin/http/bell.h"
#include "src/runtime/env.h"

namespace forebay::http_origin {

/// Used from the node's loop. Whoever has passed leaves again. The queue is as long as whoever
/// sends lets it be: a node has a limit of requests to origins.
class Turnstile {
 public:
  using Epoch = Limiter::Epoch;

  explicit Turnstile(LimiterOptions options) : limiter_(options) {}
  Turnstile(const Turnstile&) = delete;
  Turnstile& operator=(const Turnstile&) = delete;
  ~Turnstile() { FB_ASSERT(queue_.empty() && limiter_.in_flight() == 0); }

  /// Waits for its turn, for as long as the call goes.
  Task<Result<Epoch>> Pass(Env& env, Call call);
  /// Now or never.
  std::optional<Epoch> TryPass(Env& env);
  void Leave(Epoch passed);
  /// It has not closed since: whoever passed may still go.
  bool StillOpenTo(Epoch passed) const { return limiter_.IsCurrent(passed); }

  void Succeeded(Epoch passed);
  /// The store asks to slow down; `wait` as long as it says, or 0.
  void Refused(Env& env, Epoch passed, Duration wait);

  bool slowed() const { return limiter_.slowed(); }
  const Limiter& limiter() const { return limiter_; }

 private:
  void WakeFirst();

  Limiter limiter_;
  std::list<Bell> queue_;
};

}  // namespace forebay::http_origin
