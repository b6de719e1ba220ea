// One life of a simulated node: from its start to its crash.
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <string>

#include "src/runtime/clock.h"
#include "src/runtime/env.h"

#include "sim/event_queue.h"
#include "sim/happening.h"

namespace forebay::sim {

class Node;
class World;
class Process;

enum class WaitEnd : uint8_t { kPending, kWoken, kTimer, kDeadline, kCancelled };

/// What a seam's coroutine waits for; lives in its frame. The first of these ends it: Wake, the
/// timer, the call's deadline, the call's cancellation, the death of the process.
class Wait {
 public:
  /// `what` is a literal, for the report of a deadlock.
  Wait(Process& process, const char* what, const Call& call = {}, Instant timer = Instant::Never());
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;
  ~Wait() { Leave(); }

  void Wake() { End(WaitEnd::kWoken); }
  const char* what() const { return what_; }

  bool await_ready() const { return end_ != WaitEnd::kPending; }
  void await_suspend(std::coroutine_handle<> handle) { handle_ = handle; }
  WaitEnd await_resume() const { return end_; }

 private:
  friend class Process;
  void End(WaitEnd end);
  void Leave();
  void StartTimer(Instant at, WaitEnd end);

  Process& process_;
  const char* what_;
  std::coroutine_handle<> handle_;
  CancelListener listener_;
  EventId timer_ = 0;
  Wait* previous_ = nullptr;
  Wait* next_ = nullptr;
  WaitEnd end_ = WaitEnd::kPending;
};

/// The Error that an ended wait stands for; `what` names the thing. Not for kWoken and kTimer.
Error WaitError(WaitEnd end, std::string_view what);

/// A process owns the seams that its code uses. Once it is dead, everything that waits in it ends
/// with kCancelled, and whatever is asked of a seam fails with kCancelled at once and touches
/// nothing: so its coroutines unwind through their ordinary error paths while the world goes on. It
/// stays, dead, until the World ends.
class Process {
 public:
  Process(World& world, Node& node, uint32_t incarnation);
  ~Process();

  Env& env();
  World& world() { return world_; }
  Node& node() { return node_; }
  uint32_t incarnation() const { return incarnation_; }
  bool dead() const { return dead_; }
  void Die();

  /// What every seam asks first: kCancelled from a dead process. A zombie that will not take that
  /// for an answer ends the run with a report, because it would go on for ever.
  Result<void> CheckAlive();

  void Note(Happening kind, uint64_t value);

  /// Waits until `until`. Fails if the process died or the call ended first.
  Task<Result<void>> Until(Instant until, const char* what, Call call = {});

  /// "sleep x2, recv x1": what its coroutines wait for, without an end in sight.
  std::string DescribeWaits() const;
  bool has_waits() const { return first_wait_ != nullptr; }

 private:
  friend class Wait;
  struct Seams;

  World& world_;
  Node& node_;
  const uint32_t incarnation_;
  bool dead_ = false;
  uint64_t asked_when_dead_ = 0;
  Wait* first_wait_ = nullptr;
  std::unique_ptr<Seams> seams_;
};

}  // namespace forebay::sim
