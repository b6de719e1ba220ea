// The door on one loop: its sessions from their coming to their end.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "src/front/native/door_state.h"
#include "src/runtime/task_group.h"

namespace forebay {

class Session;

class DoorLoop {
 public:
  DoorLoop(Env& env, DoorShared& shared);
  DoorLoop(const DoorLoop&) = delete;
  DoorLoop& operator=(const DoorLoop&) = delete;
  ~DoorLoop();

  // -- From the loop that accepts.

  Executor& executor() { return door_.env.executor; }
  const OneLoopFigure& queued_bytes() const { return door_.queued_bytes; }
  /// Promised to this loop, and not ended yet. Any thread.
  size_t connections() const { return connections_.load(std::memory_order_relaxed); }
  /// One of the next two follows.
  void Promise() { connections_.fetch_add(1, std::memory_order_relaxed); }

  // -- On the loop itself.

  void Take(std::unique_ptr<Stream> stream, bool is_unix);
  /// A connection that another loop has accepted.
  Task<void> TakeOver(std::unique_ptr<Descriptor> connection, std::string peer);
  /// Lets what is in progress end until then, ends the rest. Nobody is promised any more.
  Task<void> Stop(Instant until);

 private:
  Task<void> Serve(std::unique_ptr<Stream> stream, bool is_unix);
  Task<void> Watch();
  bool AllDrained() const;

  DoorState door_;
  std::atomic<size_t> connections_{0};
  std::map<uint64_t, Session*> sessions_;  // in the order of their coming
  TaskGroup group_;
  CancelSource stop_watching_;
  bool watching_ = false;
};

}  // namespace forebay
