// Hashes whose values may be persisted, sent and simulated: stable across machines and releases,
// unlike the library's.
#pragma once

#include <cstdint>
#include <string>

#include "src/base/bytes.h"

namespace forebay {

/// 128 bits, compared and hashed as a whole.
struct Hash128 {
  uint64_t hi = 0;
  uint64_t lo = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
  friend auto operator<=>(const Hash128&, const Hash128&) = default;
};

/// A 128-bit hash of `bytes`, spread well enough that equal values mean equal bytes in any cell
/// that we will ever run, unless somebody searches for a collision on purpose: where names come
/// from people who do not trust each other, the seed separates them (it is the attachment's id).
Hash128 HashBytes(Bytes bytes, uint64_t seed);

/// 32 digits.
std::string HexText(const Hash128& hash);

}  // namespace forebay
