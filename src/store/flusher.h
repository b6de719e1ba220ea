// The one who brings to a disk, soon and in large writes, what came into memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "src/runtime/doorbell.h"
#include "src/runtime/env.h"
#include "src/store/store.h"

namespace forebay {

/// One a disk. Enqueue is for any thread; the rest belongs to the loop of `env`.
class Store::Flusher {
 public:
  Flusher(Env& env, DiskTier& disk, const StoreOptions& options)
      : env_(env), disk_(disk), options_(options), bell_(env.executor) {}

  /// False: the disk is too far behind, the block stays in memory only.
  bool Enqueue(const BlockKey& key, uint32_t bytes);

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
  std::vector<BlockKey> TakeBatch(uint64_t* bytes);

  Env& env_;
  DiskTier& disk_;
  const StoreOptions& options_;
  Doorbell bell_;
  CancelSource stop_;
  std::mutex mutex_;
  std::deque<Item> queue_;
  std::atomic<uint64_t> pending_bytes_{0};
  std::atomic<uint64_t> skipped_{0};
};

}  // namespace forebay
