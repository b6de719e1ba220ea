#include "src/core/policy/vital_signs.h"

#include <algorithm>

namespace forebay {
namespace {

constexpr uint32_t kTicksPerCacheFull = 64;
constexpr uint32_t kWindowsPerCacheFull = 8;
constexpr uint32_t kFewestHitsInWindow = 64;
constexpr uint8_t kMostDoublings = 20;

}  // namespace

void VitalSigns::Tick(uint32_t entries) {
  ++accesses_;
  if (until_tick_-- > 0) return;
  until_tick_ = entries / kTicksPerCacheFull;
  ++ticks_;
  // Whatever was condemned this long ago is gone or has been used since.
  if (condemned_ && Age(condemned_at_) >= kOldest) condemned_ = false;
}

void VitalSigns::Hit(AgeStamp stamp, uint32_t entries) {
  if (Condemned(stamp) && verdict_ == Verdict::kProvisional) condemned_ = false;
  CountWait(entries);
  refusals_ = 0;
  fruitless_ = 0;
  longest_now_ = std::max(longest_now_, Age(stamp));
  if (++window_hits_ >= std::max(entries / kWindowsPerCacheFull, kFewestHitsInWindow)) {
    CloseWindow();
  }
}

void VitalSigns::Miss(uint32_t entries, uint32_t patience) {
  const uint64_t longest_wait = std::max(longest_wait_now_, longest_wait_before_);
  const uint64_t bearable = std::max(uint64_t{entries} * patience, 2 * longest_wait);
  if (++refusals_ > bearable << fruitless_) Condemn(Verdict::kProvisional);
}

/// Each generation of hits is one for every entry: about an epoch.
void VitalSigns::CountWait(uint32_t entries) {
  longest_wait_now_ = std::max(longest_wait_now_, accesses_ - last_hit_);
  last_hit_ = accesses_;
  if (++generation_hits_ < std::max(entries, kFewestHitsInWindow)) return;
  generation_hits_ = 0;
  longest_wait_before_ = longest_wait_now_;
  longest_wait_now_ = 0;
}

/// At the point p of an epoch of n reads, those who still wait have waited for p to n + p, and so
/// had those who were hit just now: what is idle for much longer than they were waits for nothing.
/// (The time since the window closed is added by Dead, as all who wait have aged by it.)
void VitalSigns::CloseWindow() {
  const int longest = std::max(longest_now_, longest_before_);
  const int horizon = longest + longest / 4 + 2;
  horizon_ = first_window_ ? kOldest : static_cast<AgeStamp>(std::min<int>(horizon, kOldest));
  first_window_ = false;
  longest_before_ = longest_now_;
  longest_now_ = 0;
  window_began_ = ticks_;
  window_hits_ = 0;
}

void VitalSigns::Condemn(Verdict verdict) {
  condemned_ = true;
  verdict_ = verdict;
  condemned_at_ = Now();
  ++ticks_;
  // What an epoch takes now is not known yet: no entry is too old until it is.
  horizon_ = kOldest;
  longest_now_ = longest_before_ = 0;
  first_window_ = true;
  window_began_ = ticks_;
  window_hits_ = 0;
  refusals_ = 0;
  fruitless_ = std::min<uint8_t>(static_cast<uint8_t>(fruitless_ + 1), kMostDoublings);
}

}  // namespace forebay
