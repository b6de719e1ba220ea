// What a node counts: the figures behind `forebay status --json` and the metrics, in their words.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace forebay {

/// Any thread; a figure alone is exact, two of them are not of one moment.
class Counter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/// How long things took, in buckets that a dashboard can add up. Any thread.
class LatencyHistogram {
 public:
  /// Upper bounds in nanoseconds; what is longer is in the last bucket.
  static constexpr std::array<int64_t, 14> kBoundsNs = {
      10'000,        30'000,        100'000,        300'000,       1'000'000,
      3'000'000,     10'000'000,    30'000'000,     100'000'000,   300'000'000,
      1'000'000'000, 3'000'000'000, 10'000'000'000, 30'000'000'000};
  static constexpr size_t kBuckets = kBoundsNs.size() + 1;

  /// `times`: so many took so long.
  void Add(std::chrono::nanoseconds took, uint64_t times = 1) {
    size_t bucket = 0;
    while (bucket < kBoundsNs.size() && took.count() > kBoundsNs[bucket]) ++bucket;
    counts_[bucket].Add(times);
    sum_ns_.Add(static_cast<uint64_t>(took.count()) * times);
  }
  uint64_t count(size_t bucket) const { return counts_[bucket].value(); }
  uint64_t sum_ns() const { return sum_ns_.value(); }

 private:
  std::array<Counter, kBuckets> counts_;
  Counter sum_ns_;
};

struct Counters {
  struct {
    Counter requests, bytes, errors, retries;
  } origin;
  struct {
    Counter requests, bytes, fallbacks;     // asked of other nodes; whom one had to do without
    Counter served_requests, served_bytes;  // asked by them
    Counter sent_elsewhere;                 // of those, to another who has it
  } peer;
  struct {
    Counter requests, bytes, hits, misses, errors, slow;  // hits and misses count blocks
    Counter local_bytes, local_hits;                      // read by processes through shared memory
    LatencyHistogram latency;                             // of requests, from arrival to answer
  } read;
  struct {
    Counter requests, bytes, errors;
  } write;
  struct {
    Counter hits, misses, negative_hits, revalidations;
  } metadata;
  struct {
    Counter shared;  // waited for somebody else's flight
    Counter fills, failed;
  } fill;
  struct {
    Counter connections, refused, requests, protocol_errors;
  } door;
};

}  // namespace forebay
