// Chance comes through here and nowhere else.
#pragma once

#include <cstdint>

namespace forebay {

/// Used from its own loop only. Not for secrets.
class Rng {
 public:
  virtual ~Rng() = default;
  virtual uint64_t Next() = 0;

  /// Uniform in [0, n); n must not be 0.
  uint64_t Below(uint64_t n) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * n) >> 64);
  }
};

}  // namespace forebay
