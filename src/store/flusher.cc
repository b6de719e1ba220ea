#include "src/store/flusher.h"

namespace forebay {

bool Store::Flusher::Enqueue(const BlockKey& key, uint32_t bytes) {
  if (pending_bytes() + bytes > options_.flush_backlog_bytes || disk_.dead()) {
    skipped_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  pending_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  {
    const std::scoped_lock lock(mutex_);
    queue_.push_back({key, bytes});
  }
  bell_.Ring();
  return true;
}

std::vector<BlockKey> Store::Flusher::TakeBatch(uint64_t* bytes) {
  std::vector<BlockKey> keys;
  *bytes = 0;
  const std::scoped_lock lock(mutex_);
  while (!queue_.empty() && *bytes < options_.flush_batch_bytes) {
    keys.push_back(queue_.front().key);
    *bytes += queue_.front().bytes;
    queue_.pop_front();
  }
  return keys;
}

Task<void> Store::Flusher::Run() {
  while (true) {
    if (pending_bytes() == 0) {
      if (stop_.cancelled()) co_return;
      co_await bell_.Wait();
    }
    if (pending_bytes() < options_.flush_batch_bytes) {
      // An early end of the wait is Stop's doing, or the end of the process: go on at once either
      // way.
      static_cast<void>(co_await env_.clock.Sleep(options_.flush_delay, stop_.token()));
    }
    uint64_t bytes;
    auto keys = TakeBatch(&bytes);
    if (!keys.empty()) static_cast<void>(co_await disk_.Flush(env_, std::move(keys)));
    pending_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    if (disk_.dead()) disk_.space().DropAll();
  }
}

void Store::Flusher::Stop() {
  stop_.Cancel();
  bell_.Ring();
}

}  // namespace forebay
