// The same for many things, by several threads; the first error ends all.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "src/app/cli/interrupt.h"
#include "src/base/result.h"

namespace forebay::app {

inline constexpr unsigned kMaxJobs = 256;

/// `one` is given 0 to count - 1, each once, in this order, by `jobs` threads. kCancelled after
/// Ctrl-C.
inline Result<void> ForAll(size_t count, unsigned jobs,
                           const std::function<Result<void>(size_t)>& one) {
  std::atomic<size_t> next = 0;
  std::atomic<bool> failed = false;
  std::mutex mutex;
  std::optional<Error> first;
  const auto take = [&] {
    while (!Interrupted() && !failed) {
      const size_t number = next++;
      if (number >= count) return;
      const auto done = one(number);
      if (done) continue;
      const std::scoped_lock lock(mutex);
      if (!failed.exchange(true)) first = done.error();
    }
  };
  {
    std::vector<std::jthread> threads;
    threads.reserve(jobs);
    for (unsigned i = 0; i < jobs; ++i) threads.emplace_back(take);
  }
  if (first) return Fail(*first);
  if (Interrupted()) return Fail(Code::kCancelled, "interrupted");
  return {};
}

}  // namespace forebay::app
