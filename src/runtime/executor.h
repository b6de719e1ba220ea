// Where coroutines go on.
#pragma once

#include <coroutine>

namespace forebay {

/// One loop: everything posted to it runs on its one thread, in the order in which it was posted.
class Executor {
 public:
  virtual ~Executor() = default;

  /// Any thread. `handle` is resumed on the loop soon, never inside this call. It must still be
  /// suspended then, and the loop must outlive it.
  virtual void Post(std::coroutine_handle<> handle) = 0;

  /// True on the loop's own thread.
  virtual bool IsCurrent() const = 0;
};

/// co_await Yield(executor): lets everything else that is ready run first.
inline auto Yield(Executor& executor) {
  struct Await {
    Executor& executor;
    bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) { executor.Post(self); }
    void await_resume() noexcept {}
  };
  return Await{executor};
}

}  // namespace forebay
