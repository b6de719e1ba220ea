// At most one request in twenty is asked for twice.
#pragma once

#include <algorithm>
#include <cstdint>

namespace forebay {

/// Used from one loop. Each request pays for a twentieth of a hedge.
class HedgeBudget {
 public:
  static constexpr uint32_t kRequestsAHedge = 20;
  static constexpr uint32_t kMostSaved = 16;  // hedges

  void OnRequest() { saved_ = std::min(saved_ + 1, kMostSaved * kRequestsAHedge); }
  bool TryHedge() {
    if (saved_ < kRequestsAHedge) return false;
    saved_ -= kRequestsAHedge;
    return true;
  }

 private:
  uint32_t saved_ = 0;
};

}  // namespace forebay
