#include "src/core/policy/vital_signs.h"

#include <algorithm>

namespace forebay {
namespace {

constexpr uint32_t kTicksPerCacheFull = 64;
constexpr uint32_t kWindowsPerCacheFull = 8;
constexpr uint32_t kFewestHitsInWindow = 64;
constexpr double kWaitsOfPatience = 16;
constexpr double kWaitMemory = 32;
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
  const double wait = static_cast<double>(accesses_ - last_hit_);
  usual_wait_ += usual_wait_ == 0 ? wait : (wait - usual_wait_) / kWaitMemory;
  last_hit_ = accesses_;
  refusals_ = 0;
  fruitless_ = 0;
  longest_now_ = std::max(longest_now_, Age(stamp));
  if (++window_hits_ >= std::max(entries / kWindowsPerCacheFull, kFewestHitsInWindow)) {
    CloseWindow();
  }
}

void VitalSigns::Miss(uint32_t entries, uint32_t patience) {
  const double least = static_cast<double>(entries) * patience;
  const double most = std::max(least, kWaitsOfPatience * usual_wait_);
  const double waited = static_cast<double>(++refusals_);
  if (waited > most * static_cast<double>(uint64_t{1} << fruitless_)) {
    Condemn(Verdict::kProvisional);
  }
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
  usual_wait_ = 0;
  last_hit_ = accesses_;
  refusals_ = 0;
  fruitless_ = std::min<uint8_t>(static_cast<uint8_t>(fruitless_ + 1), kMostDoublings);
}

}  // namespace forebay
