// The machine's clocks, and sleeping on the loop's alarms.
#pragma once

#include "src/platform/linux/reactor.h"
#include "src/runtime/clock.h"

namespace forebay::platform {

class LinuxClock final : public Clock {
 public:
  explicit LinuxClock(Reactor& reactor) : reactor_(reactor) {}
  Instant Now() override { return Reactor::Now(); }
  int64_t WallNanos() override;
  Task<Result<void>> SleepUntil(Instant until, CancelToken cancel) override;

 private:
  Reactor& reactor_;
};

}  // namespace forebay::platform
