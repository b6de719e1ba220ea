#include "sim/sim_local.h"

#include "sim/node.h"
#include "sim/world.h"

namespace forebay::sim {

void SimExecutor::Post(std::coroutine_handle<> handle) {
  process_.world().Post(process_.node().id(), handle);
}

Instant SimClock::Now() {
  return process_.world().Now();
}

int64_t SimClock::WallNanos() {
  return process_.world().options().wall_start_ns + Now().ns + process_.node().wall_skew().count();
}

Task<Result<void>> SimClock::SleepUntil(Instant until, CancelToken cancel) {
  FB_CO_TRY(process_.CheckAlive());
  const Call call{.cancel = cancel};
  Wait wait(process_, "sleep", call, until);
  const WaitEnd end = co_await wait;
  if (end != WaitEnd::kTimer) co_return Fail(WaitError(end, "sleep"));
  co_return Result<void>();
}

SimRng::SimRng(Process& process)
    : prng_(process.world().SeedFor("rng", process.node().id(), process.incarnation())) {}

bool SimFaults::Fires(std::string_view point) {
  return !process_.dead() && process_.world().NamedFaultFires(point);
}

void SimLog::Write(LogLevel level, std::string_view part, std::string_view text,
                   std::span<const LogField> fields) {
  if (process_.dead()) return;
  std::string line(text);
  if (!fields.empty()) line += ": " + FieldsText(fields);
  process_.world().log().Add(level, process_.node().id(), process_.node().name(), part, line);
}

}  // namespace forebay::sim
