// OpenSSL's random numbers from a seed, for tests whose runs must repeat. No secret made meanwhile
// is one.
#pragma once

#include <cstdint>

namespace forebay::tls {

/// All of the process, while it lives; one at a time.
class SeededRandom {
 public:
  explicit SeededRandom(uint64_t seed);
  SeededRandom(const SeededRandom&) = delete;
  SeededRandom& operator=(const SeededRandom&) = delete;
  ~SeededRandom();
};

}  // namespace forebay::tls
