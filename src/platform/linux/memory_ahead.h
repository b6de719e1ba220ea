// Makes memory ready before its first use, in a thread of its own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>

#include "src/base/bytes.h"

namespace forebay::platform {

/// The first use of a page costs whoever uses it ten times a copy of it. Asked for ahead, memory
/// comes as huge pages (MADV_COLLAPSE, also where shared memory gets none by default), otherwise as
/// ordinary ones. What is used before its turn stays as it is until nothing more is asked for; then
/// it is made huge where it lies, a little at a time: each new client maps it, and small pages cost
/// every one of them. Before Linux 5.14, which has neither call, nothing happens. Any thread.
class MemoryAhead {
 public:
  MemoryAhead() = default;
  MemoryAhead(const MemoryAhead&) = delete;
  MemoryAhead& operator=(const MemoryAhead&) = delete;
  ~MemoryAhead();

  /// Returns at once. `range` is part of a shared mapping and stays mapped until Forget.
  void Ask(MutableBytes range);

  /// When it returns nobody touches anything within `mapping` here. Waits for a step at most,
  /// some 10 ms.
  void Forget(MutableBytes mapping);

 private:
  /// Memory of which somebody used a part before it was ready.
  struct Used {
    MutableBytes step;
    int failures;
  };

  void Work();
  bool Do(std::unique_lock<std::mutex>& lock, MutableBytes step, bool (*make)(MutableBytes));
  void DoAsked(std::unique_lock<std::mutex>& lock);
  void DoUsed(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<MutableBytes> asked_;  // guarded by mutex_
  std::deque<Used> used_;           // guarded by mutex_
  MutableBytes step_;               // that is being made ready; guarded by mutex_
  bool forgotten_ = false;          // the range that `step_` is part of; guarded by mutex_
  bool stopping_ = false;           // guarded by mutex_
  bool has_no_thread_ = false;      // the machine gives none; guarded by mutex_
  std::thread thread_;              // made when first needed; guarded by mutex_
};

}  // namespace forebay::platform
