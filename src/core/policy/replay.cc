#include "src/core/policy/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <queue>
#include <utility>

#include "src/base/assert.h"
#include "src/base/units.h"
#include "src/core/policy/cache_model.h"
#include "src/core/policy/factory.h"

namespace forebay {
namespace {

constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

/// For every read, when its block is read next.
std::vector<uint64_t> NextReads(const Trace& trace) {
  std::vector<uint64_t> next(trace.size());
  std::vector<uint64_t> seen(trace.distinct(), kNever);
  for (size_t i = trace.size(); i-- > 0;) {
    next[i] = std::exchange(seen[trace.block(i)], i);
  }
  return next;
}

/// The cached blocks by their next read, latest first.
class FarthestFirst {
 public:
  explicit FarthestFirst(uint32_t blocks) : next_of_(blocks, kAbsent) {}

  bool Holds(uint32_t block) const { return next_of_[block] != kAbsent; }
  uint64_t size() const { return size_; }

  void Put(uint32_t block, uint64_t next) {
    size_ += Holds(block) ? 0 : 1;
    next_of_[block] = next;
    heap_.emplace(next, block);
  }

  uint64_t FarthestRead() {
    DropStale();
    return heap_.top().first;
  }

  void DropFarthest() {
    DropStale();
    next_of_[heap_.top().second] = kAbsent;
    heap_.pop();
    --size_;
  }

 private:
  static constexpr uint64_t kAbsent = kNever - 1;

  /// A hit leaves the block's earlier entry in the heap.
  void DropStale() {
    while (next_of_[heap_.top().second] != heap_.top().first) heap_.pop();
  }

  std::vector<uint64_t> next_of_;
  std::priority_queue<std::pair<uint64_t, uint32_t>> heap_;
  uint64_t size_ = 0;
};

}  // namespace

Result<ReplayCount> Replay(const Trace& trace, std::string_view policy, uint64_t capacity) {
  // No block weighs less than 1, and no slot is used before all freed ones are.
  const uint64_t slots = std::min<uint64_t>(capacity, trace.distinct());
  const PolicyOptions options = {.max_slots = static_cast<uint32_t>(slots) + 1,
                                 .capacity = capacity};
  FB_ASSIGN(auto made, MakePolicy(policy, options));
  CacheModel model(std::move(made), capacity);
  ReplayCount count;
  for (size_t i = 0; i < trace.size(); ++i) {
    const bool hit = model.Read(trace.ref(i));
    if (i < trace.count_from) continue;
    ++count.reads;
    count.hits += hit ? 1 : 0;
  }
  return count;
}

ReplayCount ReplayOptimum(const Trace& trace, uint64_t capacity) {
  FB_ASSERT(trace.unit_weights());
  const std::vector<uint64_t> next = NextReads(trace);
  FarthestFirst cached(trace.distinct());
  ReplayCount count;
  for (size_t i = 0; i < trace.size(); ++i) {
    const uint32_t block = trace.block(i);
    const bool hit = cached.Holds(block);
    if (i >= trace.count_from) {
      ++count.reads;
      count.hits += hit ? 1 : 0;
    }
    if (!hit && next[i] == kNever) continue;
    if (!hit && cached.size() >= capacity) {
      if (capacity == 0 || cached.FarthestRead() <= next[i]) continue;
      cached.DropFarthest();
    }
    cached.Put(block, next[i]);
  }
  return count;
}

Result<uint64_t> ParseCapacity(std::string_view text, uint64_t footprint) {
  uint64_t capacity = 0;
  if (text.ends_with('%')) {
    double percent = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size() - 1, percent);
    if (ec != std::errc() || end != text.data() + text.size() - 1 || !(percent >= 0)) {
      return Fail(Code::kInvalidArgument, fmt::format("cache size '{}': not a percentage", text));
    }
    const double share = static_cast<double>(footprint) * std::min(percent, 100.0) / 100;
    capacity = static_cast<uint64_t>(share);
  } else {
    FB_ASSIGN(capacity, ParseSize(text));
  }
  if (capacity == 0) {
    return Fail(Code::kInvalidArgument,
                fmt::format("cache size '{}' of a footprint of {} is 0", text, footprint));
  }
  return capacity;
}

}  // namespace forebay
