// Which of two nodes that have the same bytes is asked for them.
#pragma once

#include <cstdint>

namespace forebay {

/// What a node that may ask another knows of the other's queue. Times are nanoseconds of one clock.
struct QueueSeen {
  uint16_t depth = 0;      // as its last answer said
  int64_t heard_at = 0;    // when that was
  uint64_t in_flight = 0;  // what this node has asked it for and not got yet
  bool reachable = true;   // it is left alone just now where not
};

/// What an answer said so long ago says nothing any more.
inline constexpr int64_t kDepthLasts = 500'000'000;

inline uint64_t Busy(const QueueSeen& seen, int64_t now) {
  return (now - seen.heard_at < kDepthLasts ? seen.depth : 0) + seen.in_flight;
}

/// Whoever has named the two has put them into an order that spreads their askers: ties keep to it.
inline bool SecondIsLessBusy(const QueueSeen& first, const QueueSeen& second, int64_t now) {
  if (!first.reachable || !second.reachable) return second.reachable;
  return Busy(second, now) < Busy(first, now);
}

}  // namespace forebay
