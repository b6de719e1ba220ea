#include "src/store/flusher.h"

namespace forebay {

namespace {
/// While one batch ends with its records, the disk works on the next.
constexpr size_t kBatchesInFlight = 2;
}  // namespace

bool Store::Flusher::Enqueue(const BlockKey& key, uint32_t bytes) {
  if (pending_bytes() + bytes > options_.flush_backlog_bytes || disk_.dead()) {
    skipped_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  pending_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  {
    const std::scoped_lock lock(mutex_);
    queue_.push_back({key, bytes});
    queued_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }
  bell_.Ring();
  return true;
}

Store::Flusher::Batch Store::Flusher::TakeBatch() {
  Batch batch;
  const std::scoped_lock lock(mutex_);
  while (!queue_.empty() && batch.bytes < options_.flush_batch_bytes) {
    const Item& item = queue_.front();
    if (!in_flight_.insert(item.key).second) break;
    batch.keys.push_back(item.key);
    batch.bytes += item.bytes;
    queue_.pop_front();
  }
  queued_bytes_.fetch_sub(batch.bytes, std::memory_order_relaxed);
  return batch;
}

Task<void> Store::Flusher::FlushBatch(Batch batch, Semaphore& slots) {
  static_cast<void>(co_await disk_.Flush(env_, batch.keys));
  for (const BlockKey& key : batch.keys) in_flight_.erase(key);
  pending_bytes_.fetch_sub(batch.bytes, std::memory_order_relaxed);
  if (disk_.dead()) disk_.space().DropAll();
  slots.Release();
}

Task<void> Store::Flusher::Run() {
  TaskGroup batches(env_.executor);
  Semaphore slots(env_.executor, kBatchesInFlight);
  for (;;) {
    if (queued_bytes() == 0) {
      if (stop_.cancelled()) break;
      co_await bell_.Wait();
      continue;
    }
    if (queued_bytes() < options_.flush_batch_bytes) {
      // An early end of the wait is Stop's doing, or the end of the process: go on at once either
      // way.
      static_cast<void>(co_await env_.clock.Sleep(options_.flush_delay, stop_.token()));
    }
    co_await slots.Acquire();
    Batch batch = TakeBatch();
    if (batch.keys.empty()) {
      slots.Release();
      co_await batches.Join();  // the next block is in flight
    } else {
      batches.Spawn(FlushBatch(std::move(batch), slots));
    }
  }
  co_await batches.Join();
}

void Store::Flusher::Stop() {
  stop_.Cancel();
  bell_.Ring();
}

}  // namespace forebay
