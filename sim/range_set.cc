#include "sim/range_set.h"

#include <algorithm>
#include <iterator>

namespace forebay::sim {

uint64_t RangeSet::MissingIn(uint64_t from, uint64_t to) const {
  if (from >= to) return 0;
  uint64_t covered = 0;
  auto it = ends_.upper_bound(from);
  if (it != ends_.begin()) --it;
  for (; it != ends_.end() && it->first < to; ++it) {
    const uint64_t begin = std::max(from, it->first), end = std::min(to, it->second);
    if (begin < end) covered += end - begin;
  }
  return to - from - covered;
}

void RangeSet::Add(uint64_t from, uint64_t to) {
  if (from >= to) return;
  auto it = ends_.upper_bound(from);
  if (it != ends_.begin() && std::prev(it)->second >= from) --it;
  while (it != ends_.end() && it->first <= to) {
    from = std::min(from, it->first);
    to = std::max(to, it->second);
    total_bytes_ -= it->second - it->first;
    it = ends_.erase(it);
  }
  ends_.emplace(from, to);
  total_bytes_ += to - from;
}

void RangeSet::Remove(uint64_t from, uint64_t to) {
  if (from >= to) return;
  auto it = ends_.upper_bound(from);
  if (it != ends_.begin()) --it;
  while (it != ends_.end() && it->first < to) {
    const auto [start, end] = *it;
    if (end <= from) {
      ++it;
      continue;
    }
    total_bytes_ -= end - start;
    it = ends_.erase(it);
    if (start < from) {
      ends_.emplace(start, from);
      total_bytes_ += from - start;
    }
    if (end > to) {
      ends_.emplace(to, end);
      total_bytes_ += end - to;
    }
  }
}

}  // namespace forebay::sim
