// Who owns a key: pure arithmetic over one map of the cell, so that every node finds the same owner
// without asking anybody.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "src/base/block_key.h"
#include "src/base/prng.h"

namespace forebay {

/// Of an index that owns as much as a node can. Weights are on this scale, not on their sum: to
/// change one moves nothing between others.
inline constexpr uint16_t kFullWeight = UINT16_MAX;

/// What is known of one index. Equal ids mean the same domain.
struct Place {
  uint16_t weight = 0;  // 0: owns nothing
  uint16_t zone = 0;
  uint16_t host = 0;
};

/// What is placed: a chunk of a version. Spread well enough for Placement.
constexpr uint64_t ChunkKey(const VersionId& version, uint64_t chunk) {
  return Mix64(version.hash.lo ^ Mix64(version.hash.hi + chunk));
}

/// Any thread; does not change.
class Placement {
 public:
  static constexpr uint32_t kMaxIndices = 1u << 14;
  static constexpr uint32_t kNobody = UINT32_MAX;

  Placement() = default;
  explicit Placement(std::span<const Place> places);  // by index, at most kMaxIndices

  /// Indices that own something.
  uint32_t live() const { return live_; }

  /// The first of the key's order; kNobody in an empty cell. `key` must be well spread.
  uint32_t Owner(uint64_t key) const {
    const uint64_t first = key & mask_;
    if (first != 0) [[likely]] {
      const auto level = static_cast<unsigned>(std::bit_width(first));
      const uint64_t draw = Draw(key, level, 0);
      const uint32_t index = IndexOf(draw, level);
      if (Takes(draw, weights_[index])) return index;
    }
    return live_ == 0 ? kNobody : SearchOwner(key);
  }
  /// The first different ones of the order: whoever follows where the owner is gone. How many there
  /// are.
  size_t InOrder(uint64_t key, std::span<uint32_t> into) const;
  /// Of the order, those to hold copies: no two in one zone while there is another, no two on one
  /// host while there is another. The first is the owner.
  size_t ForCopies(uint64_t key, std::span<uint32_t> into) const;

 private:
  class Walk;

  /// The n-th draw of a level: 1 has index 1 alone, 2 has 2 and 3, 3 has 4 to 7, and so on.
  static uint64_t Draw(uint64_t key, unsigned level, unsigned n) {
    return Mix64(key + (uint64_t{n} << 8 | level) * 0xd1342543de82ef95u);
  }
  static uint32_t IndexOf(uint64_t draw, unsigned level) {
    const uint32_t half = 1u << (level - 1);
    return half | (static_cast<uint32_t>(draw) & (half - 1));
  }
  /// Some other bits of a draw: whether an index of this weight takes it.
  static bool Takes(uint64_t draw, uint16_t weight) { return (draw >> 32 & 0xffff) < weight; }

  uint32_t SearchOwner(uint64_t key) const;
  template <class Wanted>
  size_t Collect(uint64_t key, std::span<uint32_t> into, size_t count, Wanted wanted) const;

  uint64_t mask_ = 0;  // of the power of two that holds every index
  unsigned levels_ = 0;
  uint32_t live_ = 0;
  uint32_t zones_ = 0;  // that live
  uint32_t hosts_ = 0;
  std::vector<uint16_t> weights_ = {0};
  std::vector<Place> places_;
};

}  // namespace forebay
