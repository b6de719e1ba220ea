// Task<T>: a lazy coroutine. It starts when it is awaited, runs on the loop of whoever awaits it,
// and gives its result to that one awaiter. It is never detached: a TaskGroup joins what runs
// beside its maker.
//
// House rules (tools/tidy and the reviewer hold them): parameters by value or references that
// outlive the task; no capturing coroutine lambdas; no lock held across co_await; after every
// co_await, state that others can change is looked at again.
#pragma once

#include <coroutine>
#include <cstdlib>
#include <optional>
#include <utility>

#include "src/base/assert.h"
#include "src/runtime/frame_pool.h"

namespace forebay {

template <class T = void>
class Task;

namespace internal {

struct PromiseBase {
  std::coroutine_handle<> awaiter = std::noop_coroutine();

  struct FinalAwait {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) noexcept {
      return done.promise().awaiter;
    }
    void await_resume() noexcept {}
  };

  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalAwait final_suspend() noexcept { return {}; }
  // Errors are values here; an exception that reaches this point is a defect.
  [[noreturn]] void unhandled_exception() noexcept { std::abort(); }

  static void* operator new(size_t size) { return AllocateFrame(size); }
  static void operator delete(void* frame, size_t size) { FreeFrame(frame, size); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& from) {
    value.emplace(std::forward<U>(from));
  }
  T Take() { return std::move(*value); }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() noexcept {}
  void Take() noexcept {}
};

}  // namespace internal

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) noexcept : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      Destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~Task() { Destroy(); }

  auto operator co_await() && noexcept {
    struct Await {
      Handle handle;
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) noexcept {
        handle.promise().awaiter = awaiter;
        return handle;
      }
      T await_resume() { return handle.promise().Take(); }
    };
    FB_ASSERT(handle_);
    return Await{handle_};
  }

 private:
  void Destroy() {
    if (handle_) handle_.destroy();
  }

  Handle handle_;
};

namespace internal {
template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}
}  // namespace internal

}  // namespace forebay
