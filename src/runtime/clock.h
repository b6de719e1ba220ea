// Time comes through here and nowhere else.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

#include "src/base/hash.h"
#include "src/base/result.h"
#include "src/runtime/cancel.h"
#include "src/runtime/task.h"

namespace forebay {

using Duration = std::chrono::nanoseconds;

/// A moment of the monotonic clock, in nanoseconds since a start that means nothing elsewhere.
struct Instant {
  int64_t ns = 0;

  static constexpr Instant Never() { return {std::numeric_limits<int64_t>::max()}; }
  friend auto operator<=>(const Instant&, const Instant&) = default;
  friend constexpr Duration operator-(Instant a, Instant b) { return Duration(a.ns - b.ns); }
  friend constexpr Instant operator+(Instant a, Duration d) {
    if (d.count() > 0 && a.ns > Never().ns - d.count()) return Never();
    return {a.ns + d.count()};
  }
};

/// Until when, and unless told otherwise: what travels down with everything that may take long.
struct Call {
  Instant deadline = Instant::Never();
  CancelToken cancel;
  /// Names the request at a door that it is for, as far as the origin; zero: none.
  Hash128 trace{};
};

/// Used from its own loop only, Now apart: that is one clock for all loops, for any thread.
class Clock {
 public:
  virtual ~Clock() = default;

  virtual Instant Now() = 0;

  /// Nanoseconds since 1970, for what people and signatures need. It may jump; nothing is ordered
  /// by it.
  virtual int64_t WallNanos() = 0;

  /// Returns at `until`; kCancelled when `cancel` came first.
  virtual Task<Result<void>> SleepUntil(Instant until, CancelToken cancel) = 0;

  Task<Result<void>> Sleep(Duration time, CancelToken cancel = {}) {
    return SleepUntil(Now() + time, cancel);
  }
};

}  // namespace forebay
