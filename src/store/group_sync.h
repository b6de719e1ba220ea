// One sync of a disk at a time, for everyone who waits for one.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "src/runtime/env.h"

namespace forebay {

class TierFiles;

/// Whoever asks while a sync runs shares the next one. Why never two at once: the kernel reports a
/// failed sync to one caller only, so a second one could be told that all is well about pages that
/// the first one's failure has lost.
///
/// Any thread, through its own Env.
class GroupSync {
 public:
  explicit GroupSync(TierFiles& files) : files_(files) {}

  /// Taken before writing what is to be synced.
  uint64_t Mark();

  /// Everything written since `mark` was taken is durable. Fails if any sync has failed since then,
  /// because that failure may have lost it.
  Task<Result<void>> Sync(Env& env, uint64_t mark);

 private:
  struct Waiter {
    Executor* executor = nullptr;
    std::coroutine_handle<> handle;
    std::vector<Waiter*> followers;  // of the one who leads the next round
    bool leads = false;
    Result<void> result;
  };
  struct Join;
  Task<Result<void>> Lead(Env& env, std::vector<Waiter*> followers);

  TierFiles& files_;
  std::mutex mutex_;
  bool running_ = false;
  std::vector<Waiter*> waiting_;
  uint64_t failures_ = 0;
};

}  // namespace forebay
