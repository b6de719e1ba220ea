// How often each kind of fault could have struck, and how often it did.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "src/base/prng.h"

namespace forebay::sim {

struct FaultCount {
  uint64_t possible = 0;
  uint64_t fired = 0;

  /// Counts one opportunity and decides it. Draws nothing where the rate is zero, so that switching
  /// one kind off leaves the others' chances as they were.
  bool Chance(Prng& prng, double rate) {
    ++possible;
    if (rate <= 0 || prng.Unit() >= rate) return false;
    ++fired;
    return true;
  }
  /// Counts one that was asked for by name.
  void Fire() {
    ++possible;
    ++fired;
  }
};

/// Kinds are named by part and effect: "disk.torn_write", "net.partition". Counts stay where they
/// are for the report's life, so that a part looks its own up once.
class FaultReport {
 public:
  FaultCount& Of(std::string_view kind);
  /// Zeros for a kind that was never heard of.
  FaultCount Get(std::string_view kind) const;
  uint64_t fired(std::string_view kind) const { return Get(kind).fired; }

  const std::map<std::string, FaultCount, std::less<>>& counts() const { return counts_; }

 private:
  std::map<std::string, FaultCount, std::less<>> counts_;
};

}  // namespace forebay::sim
