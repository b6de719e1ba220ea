#include "src/store/flusher.h"

namespace forebay {

namespace {
/// While one batch ends with its records, the disk works on the next.
constexpr size_t kBatchesInFlight = 4;
}  // namespace

bool Store::Flusher::Enqueue(const BlockKey& key, uint32_t bytes) {
  if (pending_bytes() + bytes > options_.flush_backlog_bytes || disk_.dead()) {
    skipped_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  pending_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  uint64_t before = 0;
  {
    const std::scoped_lock lock(mutex_);
    queue_.push_back({key, bytes});
    before = queued_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }
  const bool full = before + bytes >= options_.flush_batch_bytes;
  if (before == 0 || (full && before < options_.flush_batch_bytes)) bell_.Ring();
  return true;
}

void Store::Flusher::Hurry() {
  hurried_.store(true, std::memory_order_relaxed);
  bell_.Ring();
}

Task<void> Store::Flusher::RingLater(CancelToken enough, bool* late) {
  // An early end of the wait means that a batch came together, or that the process ends: the bell
  // is rung either way.
  static_cast<void>(co_await env_.clock.Sleep(options_.flush_delay, enough));
  *late = true;
  bell_.Ring();
}

/// Returns when a batch has come together, or its first block has waited long enough.
Task<void> Store::Flusher::Gather() {
  const auto enough = [&] {
    return queued_bytes() >= options_.flush_batch_bytes || stop_.cancelled() ||
           hurried_.load(std::memory_order_relaxed);
  };
  if (enough()) co_return;
  bool late = false;
  CancelSource alarm;
  TaskGroup alarms(env_.executor);
  alarms.Spawn(RingLater(alarm.token(), &late));
  while (!late && !enough()) co_await bell_.Wait();
  alarm.Cancel();
  co_await alarms.Join();
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
      hurried_.store(false, std::memory_order_relaxed);
      if (stop_.cancelled()) break;
      co_await bell_.Wait();
      continue;
    }
    co_await Gather();
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
