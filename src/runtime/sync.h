// Waiting for one another on one loop. None of these locks anything: they are used from one loop
// only, and a waiter goes on through the executor, never inside the call that released it.
#pragma once

#include <coroutine>
#include <cstddef>
#include <utility>

#include "src/base/assert.h"
#include "src/runtime/executor.h"

namespace forebay {

namespace internal {

/// A waiting coroutine, in its own frame, in the order of arrival.
struct Waiter {
  std::coroutine_handle<> handle;
  Waiter* next = nullptr;
};

class WaiterQueue {
 public:
  bool empty() const { return first_ == nullptr; }
  void Push(Waiter& waiter) {
    waiter.next = nullptr;
    (last_ != nullptr ? last_->next : first_) = &waiter;
    last_ = &waiter;
  }
  Waiter& Pop() {
    Waiter& waiter = *first_;
    first_ = waiter.next;
    if (first_ == nullptr) last_ = nullptr;
    return waiter;
  }

 private:
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
};

}  // namespace internal

/// Opens once and stays open.
class Event {
 public:
  explicit Event(Executor& executor) : executor_(executor) {}
  ~Event() { FB_ASSERT(waiters_.empty()); }

  bool is_set() const { return set_; }
  void Set() {
    set_ = true;
    while (!waiters_.empty()) executor_.Post(waiters_.Pop().handle);
  }

  auto Wait() {
    struct Await : internal::Waiter {
      explicit Await(Event& e) : event(e) {}
      Event& event;
      bool await_ready() noexcept { return event.set_; }
      void await_suspend(std::coroutine_handle<> self) {
        handle = self;
        event.waiters_.Push(*this);
      }
      void await_resume() noexcept {}
    };
    return Await(*this);
  }

 private:
  Executor& executor_;
  internal::WaiterQueue waiters_;
  bool set_ = false;
};

/// `units` that can be taken and given back, first come, first served.
class Semaphore {
 public:
  Semaphore(Executor& executor, size_t units) : executor_(executor), units_(units) {}
  ~Semaphore() { FB_ASSERT(waiters_.empty()); }

  size_t available() const { return units_; }

  auto Acquire() {
    struct Await : internal::Waiter {
      explicit Await(Semaphore& s) : semaphore(s) {}
      Semaphore& semaphore;
      bool await_ready() noexcept {
        if (semaphore.units_ == 0 || !semaphore.waiters_.empty()) return false;
        --semaphore.units_;
        return true;
      }
      void await_suspend(std::coroutine_handle<> self) {
        handle = self;
        semaphore.waiters_.Push(*this);
      }
      void await_resume() noexcept {}
    };
    return Await(*this);
  }

  /// Hands one unit to the first waiter, or keeps it.
  void Release() {
    if (waiters_.empty()) {
      ++units_;
    } else {
      executor_.Post(waiters_.Pop().handle);
    }
  }

 private:
  Executor& executor_;
  size_t units_;
  internal::WaiterQueue waiters_;
};

}  // namespace forebay
