// How a coroutine of one loop has something done on another.
#pragma once

#include <optional>
#include <utility>

#include "src/runtime/executor.h"
#include "src/runtime/task.h"

namespace forebay {

namespace internal {

template <class T>
Task<T> RunThere(Executor& there, Executor& here, Task<T> task) {
  std::optional<T> result;
  co_await Yield(there);
  {
    Task<T> owned = std::move(task);
    result.emplace(co_await std::move(owned));
  }  // what the task owns ends on its loop
  co_await Yield(here);
  co_return std::move(*result);
}

inline Task<void> RunThere(Executor& there, Executor& here, Task<void> task) {
  co_await Yield(there);
  {
    Task<void> owned = std::move(task);
    co_await std::move(owned);
  }
  co_await Yield(here);
}

}  // namespace internal

/// Runs `task` on the loop `there` for a caller on the loop `here`, who goes on with its result.
/// The caller cannot be woken earlier: cancellation is a matter of `there`, so a token that the
/// task listens to must be of a source of that loop. What it is given by reference must not change
/// meanwhile. Both loops must run until it is done.
template <class T>
Task<T> RunOn(Executor& there, Executor& here, Task<T> task) {
  if (&there == &here) return task;
  return internal::RunThere(there, here, std::move(task));
}

}  // namespace forebay
