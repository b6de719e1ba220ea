// A set of byte ranges, kept as few disjoint intervals.
#pragma once

#include <cstdint>
#include <map>

namespace forebay::sim {

/// Half-open ranges [from, to). Memory grows with the number of gaps, not with the bytes covered.
class RangeSet {
 public:
  /// How many of these bytes are not covered yet.
  uint64_t MissingIn(uint64_t from, uint64_t to) const;
  void Add(uint64_t from, uint64_t to);
  void Remove(uint64_t from, uint64_t to);
  bool Overlaps(uint64_t from, uint64_t to) const {
    return from < to && MissingIn(from, to) < to - from;
  }

  uint64_t total_bytes() const { return total_bytes_; }

 private:
  std::map<uint64_t, uint64_t> ends_;  // by start
  uint64_t total_bytes_ = 0;
};

}  // namespace forebay::sim
