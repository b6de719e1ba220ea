// The heart of a loop: what is ready to run, what waits for a time, what came from other threads,
// and the backend that waits for the kernel.
#pragma once

#include <atomic>
#include <coroutine>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "src/platform/linux/backend.h"
#include "src/platform/linux/timers.h"
#include "src/runtime/clock.h"
#include "src/runtime/executor.h"

namespace forebay::platform {

/// One turn: run what was ready when the turn began, hand the new operations to the kernel, take
/// its answers, fire the alarms. Used from its own thread, Post apart.
class Reactor final : public Executor {
 public:
  Reactor();
  ~Reactor() override;

  /// Before anything else; the backend completes into this reactor.
  void Use(std::unique_ptr<Backend> backend) { backend_ = std::move(backend); }
  Backend& backend() { return *backend_; }
  TimerHeap& timers() { return timers_; }

  void Post(std::coroutine_handle<> handle) override;
  bool IsCurrent() const override {
    return owner_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }

  /// Runs the loop on this thread until `*done`. The same thread every time.
  void DriveUntil(const bool* done);

  /// From the backend, while it harvests: `op` ended. Nothing runs inside this call but a callback.
  void Complete(Op& op, int32_t result) {
    op.result = result;
    op.done = true;
    if (op.waiter) {
      ready_.push_back(op.waiter);
    } else {
      op.on_done(op);
    }
  }
  /// Loop thread only: cheaper than Post.
  void Resume(std::coroutine_handle<> handle) { ready_.push_back(handle); }

  /// Loop thread only: whether something else runs before the backend waits.
  bool HasMoreToRun() const { return !ready_.empty() || next_running_ < running_.size(); }

  static Instant Now();

 private:
  void EnterThread();
  void TakePosted();
  void RunReady(const bool* done);
  /// How long the backend may wait: not at all where something is ready.
  Instant WaitUntil();

  std::unique_ptr<Backend> backend_;
  TimerHeap timers_;
  std::vector<std::coroutine_handle<>> ready_;
  std::vector<std::coroutine_handle<>> running_;
  size_t next_running_ = 0;

  std::atomic<std::thread::id> owner_{};

  std::mutex posted_mutex_;
  std::vector<std::coroutine_handle<>> posted_;  // guarded by posted_mutex_
  std::atomic<bool> has_posted_ = false;
  std::atomic<bool> asleep_ = false;  // or about to be: a Post must wake it
};

}  // namespace forebay::platform
