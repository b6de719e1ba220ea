// Structured concurrency: whoever starts something beside itself also waits for its end.
#pragma once

#include <coroutine>
#include <cstddef>

#include "src/base/assert.h"
#include "src/runtime/executor.h"
#include "src/runtime/frame_pool.h"
#include "src/runtime/task.h"

namespace forebay {

/// Runs tasks beside its owner and joins them. Used from one loop only. Join must be awaited before
/// the group dies, whatever else happened; then nothing that it started still runs.
class TaskGroup {
 public:
  explicit TaskGroup(Executor& executor) : executor_(executor) {}
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  ~TaskGroup() { FB_ASSERT(running_ == 0); }

  /// Starts `task` on the loop soon, not inside this call.
  void Spawn(Task<void> task) {
    ++running_;
    executor_.Post(Run(this, std::move(task)).handle);
  }

  /// Waits until nothing that was spawned still runs, things spawned meanwhile included. One waiter
  /// at a time.
  auto Join() {
    struct Await {
      TaskGroup& group;
      bool await_ready() noexcept { return group.running_ == 0; }
      void await_suspend(std::coroutine_handle<> self) noexcept {
        FB_ASSERT(group.joiner_ == nullptr);
        group.joiner_ = self;
      }
      void await_resume() noexcept {}
    };
    return Await{*this};
  }

  size_t running() const { return running_; }

 private:
  struct Runner {
    struct promise_type {
      Runner get_return_object() noexcept {
        return {std::coroutine_handle<promise_type>::from_promise(*this)};
      }
      std::suspend_always initial_suspend() noexcept { return {}; }
      std::suspend_never final_suspend() noexcept { return {}; }
      void return_void() noexcept {}
      [[noreturn]] void unhandled_exception() noexcept { std::abort(); }
      static void* operator new(size_t size) { return AllocateFrame(size); }
      static void operator delete(void* frame, size_t size) { FreeFrame(frame, size); }
    };
    std::coroutine_handle<> handle;
  };

  static Runner Run(TaskGroup* group, Task<void> task) {
    {
      Task<void> owned = std::move(task);
      co_await std::move(owned);
    }  // the task's frame is gone before its end is announced
    group->Finished();
  }

  void Finished() {
    if (--running_ > 0 || joiner_ == nullptr) return;
    executor_.Post(std::exchange(joiner_, nullptr));
  }

  Executor& executor_;
  size_t running_ = 0;
  std::coroutine_handle<> joiner_ = nullptr;
};

}  // namespace forebay
