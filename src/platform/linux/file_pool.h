// A few threads for what has no other way of not blocking the loop.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "src/platform/linux/op.h"
#include "src/runtime/executor.h"

namespace forebay::platform {

/// At most `max_threads`, made when first needed; more only where all of them hang, because a file
/// server that is away must not keep anybody from other files. Operations begin in the order of
/// their arrival; the queue holds what the loop's callers hold, so its bound is theirs.
class FilePool {
 public:
  /// Waiters go on through `executor`, which must outlive the pool.
  FilePool(Executor& executor, int max_threads) : executor_(executor), max_threads_(max_threads) {}
  FilePool(const FilePool&) = delete;
  FilePool& operator=(const FilePool&) = delete;
  /// Finishes what was begun, and joins.
  ~FilePool();

  /// Loop thread only. `op` is a file operation or kCall, with a coroutine that waits.
  void Start(Op& op);

 private:
  void Work();
  void Watch();

  Executor& executor_;
  const int max_threads_;

  std::mutex mutex_;
  std::condition_variable has_work_;
  std::condition_variable crowded_;
  OpQueue queue_;                     // guarded by mutex_
  size_t queued_ = 0;                 // guarded by mutex_
  size_t idle_ = 0;                   // guarded by mutex_
  uint64_t begun_ = 0;                // guarded by mutex_
  bool stopping_ = false;             // guarded by mutex_
  std::vector<std::thread> threads_;  // guarded by mutex_
  std::thread watcher_;               // loop thread only; made when all threads are busy
};

}  // namespace forebay::platform
