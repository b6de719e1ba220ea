// The one who brings to a disk, soon and in large writes, what came into memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <set>
#include <vector>

#include "src/runtime/doorbell.h"
#include "src/runtime/env.h"
#include "src/runtime/sync.h"
#include "src/runtime/task_group.h"
#include "src/store/store.h"

namespace forebay {

/// One a disk. Enqueue is for any thread; the rest belongs to the loop of `env`.
class Store::Flusher {
 public:
  Flusher(Env& env, DiskTier& disk, const StoreOptions& options)
      : env_(env), disk_(disk), options_(options), bell_(env.executor) {}

  /// False: the disk is too far behind, the block stays in memory only.
  bool Enqueue(const BlockKey& key, uint32_t bytes);

  /// Any thread. Somebody waits for what is queued now: it does not wait for company any longer.
  void Hurry();

  /// Runs until Stop, then brings down what still waits.
  Task<void> Run();
  void Stop();

  uint64_t pending_bytes() const { return pending_bytes_.load(std::memory_order_relaxed); }
  uint64_t skipped() const { return skipped_.load(std::memory_order_relaxed); }

 private:
  struct Item {
    BlockKey key;
    uint32_t bytes;
  };
  struct Batch {
    std::vector<BlockKey> keys;
    uint64_t bytes = 0;
  };
  Task<void> Gather();
  Task<void> RingLater(CancelToken enough, bool* late);
  Batch TakeBatch();
  Task<void> FlushBatch(Batch batch, Semaphore& slots);
  uint64_t queued_bytes() const { return queued_bytes_.load(std::memory_order_relaxed); }

  Env& env_;
  DiskTier& disk_;
  const StoreOptions& options_;
  Doorbell bell_;
  CancelSource stop_;
  std::atomic<bool> hurried_{false};
  std::mutex mutex_;
  std::deque<Item> queue_;  // guarded by mutex_
  // Being flushed. What came to such a block meanwhile waits for the end, because a block can be
  // claimed only once.
  std::set<BlockKey> in_flight_;
  std::atomic<uint64_t> queued_bytes_{0};
  std::atomic<uint64_t> pending_bytes_{0};  // queued or in flight
  std::atomic<uint64_t> skipped_{0};
};

}  // namespace forebay
