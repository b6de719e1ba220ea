// What a node counts: the figures behind `forebay status --json` and the metrics, in their words.
#pragma once

#include <atomic>
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

struct Counters {
  struct {
    Counter requests, bytes, errors, retries;
  } origin;
  struct {
    Counter requests, bytes, hits, misses, errors, slow;  // hits and misses count blocks
    Counter local_bytes, local_hits;                      // read by processes through shared memory
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
