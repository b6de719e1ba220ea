// One writer of a key at a time, whichever loops they run on.
#pragma once

#include <coroutine>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "src/runtime/executor.h"

namespace forebay::file_origin {

/// Any loop. Waiters go on in the order of their arrival, each on its own loop. What is held is a
/// name and no mutex, so that its holder may wait for the disk. A key never begins with '/': names
/// that do are free for other things.
class KeyLocks {
 public:
  class Held {
   public:
    Held(KeyLocks& locks, std::string name) : locks_(&locks), name_(std::move(name)) {}
    Held(Held&& other) noexcept
        : locks_(std::exchange(other.locks_, nullptr)), name_(std::move(other.name_)) {}
    Held& operator=(Held&&) = delete;
    ~Held() {
      if (locks_ != nullptr) locks_->Release(name_);
    }

   private:
    KeyLocks* locks_;
    std::string name_;
  };

  /// co_await locks.Hold(env.executor, key): the lock, until the result is gone.
  auto Hold(Executor& executor, std::string name) {
    struct Await {
      KeyLocks& locks;
      Executor& executor;
      std::string name;
      bool await_ready() noexcept { return false; }
      bool await_suspend(std::coroutine_handle<> self) {
        return !locks.TakeOrWait(name, {&executor, self});
      }
      Held await_resume() { return Held(locks, std::move(name)); }
    };
    return Await{*this, executor, std::move(name)};
  }

 private:
  struct Waiter {
    Executor* executor;
    std::coroutine_handle<> handle;
  };
  bool TakeOrWait(const std::string& name, Waiter waiter);
  void Release(const std::string& name);

  std::mutex mutex_;
  std::map<std::string, std::deque<Waiter>> held_;  // guarded by mutex_
};

}  // namespace forebay::file_origin
