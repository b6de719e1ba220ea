// Retries stay a small part of all requests: when everything fails, trying everything again only
// makes it worse.
#pragma once

#include <algorithm>
#include <cstdint>

namespace forebay {

/// Used from one loop. Each request pays for a tenth of a retry.
class RetryBudget {
 public:
  static constexpr uint32_t kRequestsARetry = 10;
  static constexpr uint32_t kMostSaved = 64;  // retries
  static constexpr uint32_t kAtStart = 8;  // so that the first errors of a quiet node are retried

  void OnRequest() { saved_ = std::min(saved_ + 1, kMostSaved * kRequestsARetry); }
  bool CanRetry() const { return saved_ >= kRequestsARetry; }
  /// False: not now; the error goes to whoever asked.
  bool TryRetry() {
    if (saved_ < kRequestsARetry) return false;
    saved_ -= kRequestsARetry;
    return true;
  }

 private:
  uint32_t saved_ = kAtStart * kRequestsARetry;
};

}  // namespace forebay
