// Who owns a key: pure arithmetic over one map of the cell, so that every node finds the same owner
// without asking anybody.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "src/base/hash.h"
#include "src/base/prng.h"

namespace forebay {

/// Of an index that owns as much as a node can. Weights are on this scale, not on their sum: to
/// change one moves nothing between others.
inline constexpr uint16_t kFullWeight = UINT16_MAX;

/// What is known of one index. Equal ids mean the same domain.
struct NodePlace {
  uint16_t weight = 0;  // 0: owns nothing
  uint16_t zone = 0;
  uint16_t host = 0;
};

/// What is placed: a chunk of what has this name, whatever its version; its name with the first.
/// Spread well enough for Placement.
constexpr uint64_t ChunkKey(const Hash128& name, uint64_t chunk) {
  return Mix64(name.hi * 0xd1342543de82ef95u + Mix64(name.lo + chunk));
}

/// Any thread; does not change.
class Placement {
 public:
  static constexpr uint32_t kMaxIndices = 1u << 14;
  static constexpr uint32_t kNobody = UINT32_MAX;

  Placement() = default;
  explicit Placement(std::span<const NodePlace> places);  // by index, at most kMaxIndices

  /// Indices that own something.
  uint32_t live() const { return live_; }

  /// The first of the key's order; kNobody in an empty cell. `key` must be well spread.
  uint32_t Owner(uint64_t key) const {
    if (!sparse_) {
      const unsigned level = LevelOf(key);
      const uint64_t draw = Draw(key, level, 0);
      const uint32_t index = IndexOf(draw, level);
      if (Takes(draw, weights_[index])) [[likely]]
        return index;
    }
    return OwnerByThree(key);
  }
  /// The first different ones of the order: whoever follows where the owner is gone. How many there
  /// are.
  size_t InOrder(uint64_t key, std::span<uint32_t> into) const;
  /// Of the order, those to hold copies: no two in one zone while there is another, no two on one
  /// host while there is another. The first is the owner.
  size_t ForCopies(uint64_t key, std::span<uint32_t> into) const;

 private:
  class Walk;

  /// Levels are halves of powers of two: 0 has index 0, 1 has 1, 2 has 2 and 3, 3 has 4 to 7, and
  /// so on. Bit l - 1 of the coins says whether level l is drawn from, or one below it.
  unsigned LevelOf(uint64_t coins) const {
    return static_cast<unsigned>(std::bit_width(coins & mask_));
  }
  /// Of the second draw, whose coins are new from the level of the first one up.
  unsigned SecondLevel(uint64_t key, unsigned first) const {
    const uint64_t below = BitsBelow(first);
    return LevelOf((Coins(key, 1) & ~below) | (key & below));
  }
  /// A multiplication folded on itself: enough for a key that is spread already.
  static uint64_t Fold(uint64_t a, uint64_t b) {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }
  /// What levels that were passed or drawn from n times toss.
  static uint64_t Coins(uint64_t key, unsigned n) {
    return n == 0 ? key : Fold(key ^ (n * 0xd6e8feb86659fd93u), 0xa0761d6478bd642fu);
  }
  static uint64_t Draw(uint64_t key, unsigned level, unsigned n) {
    return Fold(key ^ ((uint64_t{n} << 8 | level) + 1) * 0xd1342543de82ef95u, 0xe7037ed1a0b428dbu);
  }
  static uint32_t BitsBelow(unsigned level) { return ((1u << level) - 1) >> 1; }
  static uint32_t IndexOf(uint64_t draw, unsigned level) {
    return ((1u << level) >> 1) | (static_cast<uint32_t>(draw) & BitsBelow(level));
  }
  /// Some other bits of a draw: whether an index of this weight takes it.
  static bool Takes(uint64_t draw, uint16_t weight) { return (draw >> 32 & 0xffff) < weight; }

  /// Where many draws hit nobody, whether one does is a guess that costs more than the draw: three
  /// are made at once, and the first that is taken is picked without a branch.
  uint32_t OwnerByThree(uint64_t key) const {
    const unsigned first = LevelOf(key), second = SecondLevel(key, first);
    const unsigned low = std::min(first, second), high = std::max(first, second);
    const uint64_t below_low = BitsBelow(low), below_high = BitsBelow(high);
    const unsigned third = LevelOf((Coins(key, 2) & ~below_high) |
                                   (Coins(key, 1) & below_high & ~below_low) | (key & below_low));
    const uint64_t draws[] = {Draw(key, first, 0), Draw(key, second, second >= first ? 1 : 0),
                              Draw(key, third, (third >= low ? 1 : 0) + (third >= high ? 1 : 0))};
    const uint32_t picks[] = {IndexOf(draws[0], first), IndexOf(draws[1], second),
                              IndexOf(draws[2], third)};
    uint32_t picked = kNobody;
    for (const int i : {2, 1, 0}) {
      const uint32_t taken = -static_cast<uint32_t>(Takes(draws[i], weights_[picks[i]]));
      picked = (picks[i] & taken) | (picked & ~taken);
    }
    if (picked != kNobody) [[likely]]
      return picked;
    return SearchOwner(key, first, second);
  }
  double ShareOfMisses() const;
  uint32_t SearchOwner(uint64_t key, unsigned first, unsigned second) const;
  template <class Wanted>
  size_t Collect(uint64_t key, std::span<uint32_t> into, size_t count, Wanted wanted) const;

  uint64_t mask_ = 0;  // of the power of two that holds every index
  unsigned levels_ = 0;
  bool sparse_ = false;  // many draws are of indices that are nobody's
  uint32_t live_ = 0;
  uint32_t zones_ = 0;  // that live
  uint32_t hosts_ = 0;
  std::vector<uint16_t> weights_ = {0};
  std::vector<NodePlace> places_;
};

}  // namespace forebay
