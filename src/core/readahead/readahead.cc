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
  const uint64_t window = std::min(begins ? limits.first_window : window_, limits.max_window);
  decision.next = std::max(begins ? 0 : next_, end);
  decision.asked = begins ? offset : asked_;
  decision.mark = begins ? offset : mark_;
  decision.window = window;
  if (decision.next <= decision.mark || decision.asked >= object_bytes) return decision;
  const uint64_t from = std::max(decision.asked, RoundDown(offset, kPageBytes));
  const uint64_t to = RoundUp(std::max(from, end) + window, std::min(window, kGrain));
  decision.ahead = {from, std::min(to, object_bytes)};
  decision.asked = decision.ahead.end;
  decision.mark = begins ? from + window / 2 : from;
  decision.window = std::min(window * 2, limits.max_window);
  return decision;
}

void Readahead::Follow(const Decision& decision) {
  next_ = decision.next;
  asked_ = decision.asked;
  mark_ = decision.mark;
  window_ = decision.window;
}

}  // namespace forebay
