#include "src/core/readahead/readahead.h"

#include <algorithm>

#include "src/base/checksum.h"
#include "src/base/units.h"

namespace forebay {
namespace {

/// A reader may skip so much and still be in order.
constexpr uint64_t kSlack = 128 * kKiB;
/// Windows end where blocks do, once they are as large.
constexpr uint64_t kGrain = kMiB;

}  // namespace

/// Requests of one reader may overtake each other within what was asked for.
bool Readahead::InOrder(uint64_t offset) const {
  if (window_ == 0) return offset == 0 || (offset >= next_ && offset <= next_ + kSlack);
  return offset <= std::max(asked_, next_) && offset + window_ >= next_;
}

Readahead::Decision Readahead::Decide(uint64_t offset, uint64_t size, uint64_t object_bytes,
                                      const ReadaheadLimits& limits) const {
  const uint64_t end = std::min(offset + size, object_bytes);
  const uint64_t grain = limits.random_bytes;
  Decision decision{
      .demand = {RoundDown(offset, grain), std::min(RoundUp(end, grain), object_bytes)},
      .ahead = {},
      .next = end};
  if (!InOrder(offset)) {
    decision.asked = decision.mark = end;
    return decision;
  }
  const bool begins = window_ == 0;
  // A large read says as much as many small ones that came before it.
  const uint64_t wanted = begins ? limits.first_window : std::max(window_, RoundDown(size, kGrain));
  const uint64_t window = std::min(wanted, limits.max_window);
  decision.next = std::max(begins ? 0 : next_, end);
  decision.asked = begins ? offset : asked_;
  decision.mark = begins ? offset : mark_;
  decision.window = window;
  if (decision.next <= decision.mark || decision.asked >= object_bytes) return decision;
  const uint64_t from = std::max(decision.asked, RoundDown(offset, kPageBytes));
  // Whole windows: each is a request.
  const uint64_t runway = window * (begins ? 1 : std::min(windows_, limits.max_windows));
  const uint64_t start = std::max(from, end);
  const uint64_t more = decision.next + runway - std::min(decision.next + runway, start);
  const uint64_t windows = std::max<uint64_t>(1, more / window);
  const uint64_t to = RoundUp(start + windows * window, std::min(window, kGrain));
  decision.ahead = {from, std::min(to, object_bytes)};
  decision.asked = decision.ahead.end;
  decision.mark = begins ? from + window / 2 : to - std::min(to, runway);
  decision.window = std::min(window * 2, limits.max_window);
  return decision;
}

void Readahead::Follow(const Decision& decision) {
  next_ = decision.next;
  asked_ = decision.asked;
  mark_ = decision.mark;
  window_ = decision.window;
  if (!in_order()) {
    windows_ = 1;
    enough_till_ = 0;
  }
}

void Readahead::Overtook(const ReadaheadLimits& limits) {
  const bool grown = asked_ >= mark_ + limits.max_window;
  if (!in_order() || !grown || next_ < enough_till_) return;
  windows_ = std::min(windows_ * 2, limits.max_windows);
  enough_till_ = asked_;
  mark_ = asked_ - std::min(asked_, windows_ * window_);
}

}  // namespace forebay
