// The seams that need no device: executor, clock, chance, named faults, log.
#pragma once

#include "src/base/prng.h"
#include "src/runtime/env.h"

#include "sim/process.h"

namespace forebay::sim {

class SimExecutor final : public Executor {
 public:
  explicit SimExecutor(Process& process) : process_(process) {}
  void Post(std::coroutine_handle<> handle) override;
  /// The world is one thread, and that is every node's own.
  bool IsCurrent() const override { return true; }

 private:
  Process& process_;
};

/// Virtual time. The wall clock has the node's skew.
class SimClock final : public Clock {
 public:
  explicit SimClock(Process& process) : process_(process) {}
  Instant Now() override;
  int64_t WallNanos() override;
  Task<Result<void>> SleepUntil(Instant until, CancelToken cancel) override;

 private:
  Process& process_;
};

/// Every life of every node draws from a sequence of its own.
class SimRng final : public Rng {
 public:
  explicit SimRng(Process& process);
  uint64_t Next() override { return prng_.Next(); }

 private:
  Prng prng_;
};

/// Each seed switches on a random part of the names that product code asks for, each at a rate of
/// its own.
class SimFaults final : public Faults {
 public:
  explicit SimFaults(Process& process) : process_(process) {}
  bool Fires(std::string_view point) override;

 private:
  Process& process_;
};

/// Lines go to the world, with the time and the node's name; they are part of the digest.
class SimLog final : public Log {
 public:
  explicit SimLog(Process& process) : process_(process) {}
  void Write(LogLevel level, std::string_view part, std::string_view text,
             std::span<const LogField> fields) override;

 private:
  Process& process_;
};

}  // namespace forebay::sim
