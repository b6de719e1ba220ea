// The Linux platform: one loop per thread, and the Env that product code gets from it. The only way
// in; whatever else lies in this folder is private to it.
#pragma once

#include <coroutine>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "src/base/result.h"
#include "src/runtime/env.h"
#include "src/runtime/task.h"

namespace forebay {

enum class IoBackend : unsigned char { kUring, kEpoll };

std::string_view IoBackendName(IoBackend io);

/// Lets this process open as many files as its hard limit allows; returns how many. For programs of
/// our own: others may use select(), which breaks past 1,024.
uint64_t RaiseDescriptorLimit();

/// From now on this process keeps little memory that it has freed. The C library would let what one
/// bad minute took (a parted network, an origin that hangs) stay for good: it learns from what is
/// freed to keep more.
void KeepLittleFreedMemory();

struct LoopOptions {
  /// nullopt: io_uring, or epoll where the kernel or the container refuses it.
  std::optional<IoBackend> io;
  /// The core that the running thread is pinned to; -1 leaves it to the kernel.
  int cpu = -1;
  /// Threads for file operations that would block, made when first needed. 0: 16 with epoll, where
  /// all file operations go there; 4 with io_uring, where only those on names do.
  int file_threads = 0;
  /// Sends of at least this many bytes to another machine go without a copy, with io_uring; a peer
  /// for which the kernel copies nevertheless is not asked again. 0: never.
  uint64_t zero_copy_bytes = uint64_t{64} * 1024;
  /// HTTP: connections at most, and how many are kept at most: so many for plain GETs, and as many
  /// for all else. What answers for long (a registry's watch) holds one.
  int http_connections = 256;
  int http_kept_connections = 64;
  /// Must outlive the loop. Null: warnings and errors on standard error.
  Log* log = nullptr;
};

/// One thread's loop. May be made on any thread; the first Run decides whose it is, and everything
/// that its Env gives is used from there, but for what says otherwise. Streams, listeners, files
/// and responses must be gone before it is.
class Loop {
 public:
  /// kUnsupported where `options.io` names a backend that this machine refuses.
  static Result<std::unique_ptr<Loop>> Create(LoopOptions options);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  Env& env();
  IoBackend io() const;

  /// Runs `main` and whatever else is ready until `main` is done. May be called again.
  template <class T>
  T Run(Task<T> main) {
    bool done = false;
    std::optional<T> value;
    Root root = Start(std::move(main), &value, &done);
    Drive(root.handle, &done);
    return std::move(*value);
  }
  void Run(Task<void> main) {
    bool done = false;
    Root root = Start(std::move(main), &done);
    Drive(root.handle, &done);
  }

 private:
  class Impl;

  /// What stands at the bottom of a task's chain of awaiters; frees itself at its end.
  struct Root {
    struct promise_type {
      Root get_return_object() noexcept {
        return {std::coroutine_handle<promise_type>::from_promise(*this)};
      }
      std::suspend_always initial_suspend() noexcept { return {}; }
      std::suspend_never final_suspend() noexcept { return {}; }
      void return_void() noexcept {}
      [[noreturn]] void unhandled_exception() noexcept { std::abort(); }
    };
    std::coroutine_handle<> handle;
  };

  template <class T>
  static Root Start(Task<T> main, std::optional<T>* value, bool* done) {
    {
      Task<T> owned = std::move(main);
      value->emplace(co_await std::move(owned));
    }  // the task's frame is gone before its end is announced
    *done = true;
  }
  static Root Start(Task<void> main, bool* done) {
    {
      Task<void> owned = std::move(main);
      co_await std::move(owned);
    }
    *done = true;
  }

  explicit Loop(std::unique_ptr<Impl> impl);
  void Drive(std::coroutine_handle<> root, const bool* done);

  std::unique_ptr<Impl> impl_;
};

}  // namespace forebay
