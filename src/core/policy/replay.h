// Runs a trace through policies and counts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "src/base/result.h"
#include "src/core/policy/trace.h"

namespace forebay {

struct ReplayCount {
  uint64_t reads = 0;  // from trace.count_from on
  uint64_t hits = 0;
  double ratio() const {
    return reads == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(reads);
  }
};

/// `capacity` in the unit of the trace's weights; fails for an unknown policy.
Result<ReplayCount> Replay(const Trace& trace, std::string_view policy, uint64_t capacity);

/// The most hits that any policy can get, knowing the future: what is read again latest leaves, or
/// is not admitted (Belady's MIN with bypass). Only for traces with unit weights.
ReplayCount ReplayOptimum(const Trace& trace, uint64_t capacity);

/// A size as people write it against a footprint: "10%" of it, or an amount.
Result<uint64_t> ParseCapacity(std::string_view text, uint64_t footprint);

}  // namespace forebay
