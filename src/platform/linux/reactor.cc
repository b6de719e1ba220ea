#include "src/platform/linux/reactor.h"

#include <time.h>

#include "src/base/assert.h"

namespace forebay::platform {

Reactor::Reactor() = default;
Reactor::~Reactor() = default;

Instant Reactor::Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return {now.tv_sec * 1'000'000'000 + now.tv_nsec};
}

void Reactor::Post(std::coroutine_handle<> handle) {
  if (IsCurrent()) {
    ready_.push_back(handle);
    return;
  }
  // To the end under the lock: what is posted may be the last that the loop runs before it is gone,
  // and it is taken under the same lock.
  const std::lock_guard lock(posted_mutex_);
  posted_.push_back(handle);
  has_posted_.store(true);
  // Only one of many posters pays for the wake-up, and none while the loop is busy.
  if (asleep_.exchange(false)) backend_->Wake();
}

void Reactor::TakePosted() {
  if (!has_posted_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(posted_mutex_);
  ready_.insert(ready_.end(), posted_.begin(), posted_.end());
  posted_.clear();
  has_posted_.store(false);
}

void Reactor::RunReady(const bool* done) {
  // What becomes ready meanwhile waits for the next turn, so that I/O is never starved.
  if (next_running_ == running_.size()) {
    running_.clear();
    next_running_ = 0;
    running_.swap(ready_);
  }
  while (next_running_ < running_.size() && !*done) running_[next_running_++].resume();
}

Instant Reactor::WaitUntil() {
  if (!ready_.empty() || next_running_ < running_.size()) return {0};
  asleep_.store(true);
  // A Post between the two sees asleep_ and wakes the backend; one before them is seen here.
  if (has_posted_.load()) {
    asleep_.store(false);
    return {0};
  }
  return timers_.next();
}

void Reactor::EnterThread() {
  const auto self = std::this_thread::get_id();
  if (owner_.load() == std::thread::id{}) {
    owner_.store(self);
    const Result<void> entered = backend_->Enter();
    FB_ASSERT(entered.has_value());
  }
  FB_ASSERT(owner_.load() == self);
}

void Reactor::DriveUntil(const bool* done) {
  EnterThread();
  for (;;) {
    TakePosted();
    RunReady(done);
    if (*done) return;
    const Instant until = WaitUntil();
    const bool timed = until != Instant::Never() && until.ns != 0;
    backend_->Wait(timed ? Now() : Instant{0}, until);
    asleep_.store(false, std::memory_order_relaxed);
    if (timers_.size() > 0) timers_.FireUntil(Now());
  }
}

}  // namespace forebay::platform
