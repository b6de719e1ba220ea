#include "src/core/placement/placement.h"

#include <algorithm>
#include <set>
#include <utility>

#include "src/base/assert.h"

namespace forebay {
namespace {

/// After so many draws for each index there is, a walk goes through all in turn: an order must end,
/// however little the weights take.
constexpr uint64_t kDrawsPerIndex = 256;
constexpr unsigned kQuickDraws = 8;
/// Up to here the processor guesses well that a draw is taken.
constexpr double kMostMisses = 0.1;

}  // namespace

/// The order of one key. A level's draws are of the upper half of its power of two, or fall through
/// to the level below, by coins of its own. So the order of a large cell, with the upper half left
/// out, is the order of the small one: a cell that grows moves nothing between old nodes.
class Placement::Walk {
 public:
  Walk(const Placement& placement, uint64_t key) : placement_(placement), key_(key) {}

  /// An index that takes the draw; the same one may come again.
  uint32_t Next() {
    const uint64_t most = kDrawsPerIndex * placement_.weights_.size();
    while (drawn_ < most) {
      ++drawn_;
      unsigned level = placement_.levels_;
      while (level > 0 && !Heads(level, count_[level])) ++count_[level--];
      const uint64_t draw = Draw(key_, level, count_[level]++);
      const uint32_t index = IndexOf(draw, level);
      if (Takes(draw, placement_.weights_[index])) return index;
    }
    return NextInTurn();
  }

 private:
  bool Heads(unsigned level, unsigned n) const { return (Coins(key_, n) >> (level - 1) & 1) != 0; }
  uint32_t NextInTurn() {
    const auto size = static_cast<uint32_t>(placement_.weights_.size());
    for (uint32_t i = 0; i < size; ++i) {
      const auto index = static_cast<uint32_t>((key_ + drawn_++) % size);
      if (placement_.weights_[index] > 0) return index;
    }
    return kNobody;
  }

  const Placement& placement_;
  const uint64_t key_;
  uint64_t drawn_ = 0;
  std::array<uint32_t, std::bit_width(kMaxIndices)> count_{};  // draws of each level so far
};

Placement::Placement(std::span<const NodePlace> places) : places_(places.begin(), places.end()) {
  FB_ASSERT(places.size() <= kMaxIndices);
  std::set<uint16_t> zones;
  std::set<uint16_t> hosts;
  size_t end = 0;
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i].weight == 0) continue;
    end = i + 1;
    ++live_;
    zones.insert(places[i].zone);
    hosts.insert(places[i].host);
  }
  zones_ = static_cast<uint32_t>(zones.size());
  hosts_ = static_cast<uint32_t>(hosts.size());
  const size_t size = std::bit_ceil(std::max<size_t>(end, 1));
  mask_ = size - 1;
  levels_ = static_cast<unsigned>(std::bit_width(mask_));
  weights_.assign(size, 0);
  for (size_t i = 0; i < end; ++i) weights_[i] = places[i].weight;
  sparse_ = ShareOfMisses() > kMostMisses;
}

/// Of first draws. Half of those that come to a level are of it, of level 0 all.
double Placement::ShareOfMisses() const {
  double misses = 0, come = 1;
  for (unsigned level = levels_; come > 0; --level) {
    const double stay = level > 0 ? come / 2 : come;
    const size_t begin = (size_t{1} << level) >> 1, end = size_t{1} << level;
    double taken = 0;
    for (size_t i = begin; i < end; ++i) taken += weights_[i] / (kFullWeight + 0.0);
    misses += stay * (1 - taken / static_cast<double>(end - begin));
    come -= stay;
  }
  return misses;
}

/// After two draws, of these levels, were not taken: the next few of the same walk without its loop
/// over levels. A draw adds one to the count of its level and of all above, so levels of equal
/// counts lie side by side, and their coins are put together by masks.
uint32_t Placement::SearchOwner(uint64_t key, unsigned first, unsigned second) const {
  std::array<unsigned, kQuickDraws> drawn;  // the levels of the draws so far, ascending
  std::array<uint64_t, kQuickDraws> coins;  // of levels that were counted so often
  std::tie(drawn[0], drawn[1]) = std::minmax(first, second);
  coins[0] = key;
  coins[1] = Coins(key, 1);
  for (unsigned count = 2; count < kQuickDraws; ++count) {
    uint64_t tossed = coins[count] = Coins(key, count);
    for (unsigned i = count; i-- > 0;) {
      const uint64_t below = BitsBelow(drawn[i]);
      tossed = (tossed & ~below) | (coins[i] & below);
    }
    const unsigned level = LevelOf(tossed);
    unsigned n = 0;
    for (unsigned i = 0; i < count; ++i) n += drawn[i] <= level ? 1 : 0;
    const uint64_t draw = Draw(key, level, n);
    const uint32_t index = IndexOf(draw, level);
    if (Takes(draw, weights_[index])) return index;
    for (unsigned i = count; i > n; --i) drawn[i] = drawn[i - 1];
    drawn[n] = level;
  }
  return live_ == 0 ? kNobody : Walk(*this, key).Next();
}

/// The rest of the order into `into`, from `count` on: each once, those that are wanted.
template <class Wanted>
size_t Placement::Collect(uint64_t key, std::span<uint32_t> into, size_t count,
                          Wanted wanted) const {
  Walk walk(*this, key);
  std::vector<bool> seen(weights_.size());
  for (uint32_t different = 0; different < live_ && count < into.size();) {
    const uint32_t index = walk.Next();
    if (index == kNobody) break;
    if (seen[index]) continue;
    seen[index] = true;
    ++different;
    const auto so_far = into.first(count);
    if (std::ranges::find(so_far, index) == so_far.end() && wanted(so_far, index)) {
      into[count++] = index;
    }
  }
  return count;
}

size_t Placement::InOrder(uint64_t key, std::span<uint32_t> into) const {
  Walk walk(*this, key);
  const size_t most = std::min<size_t>(into.size(), live_);
  size_t count = 0;
  while (count < most) {
    const uint32_t index = walk.Next();
    if (index == kNobody) break;
    const auto so_far = into.first(count);
    if (std::ranges::find(so_far, index) == so_far.end()) into[count++] = index;
  }
  return count;
}

size_t Placement::ForCopies(uint64_t key, std::span<uint32_t> into) const {
  const auto another = [this](auto domain, size_t domains) {
    return [this, domain, domains](std::span<const uint32_t> so_far, uint32_t index) {
      const auto same = [&](uint32_t other) {
        return places_[other].*domain == places_[index].*domain;
      };
      return so_far.size() < domains && std::ranges::none_of(so_far, same);
    };
  };
  size_t count = Collect(key, into.first(std::min<size_t>(into.size(), zones_)), 0,
                         another(&NodePlace::zone, zones_));
  const size_t with_hosts = std::min<size_t>(into.size(), std::max(hosts_, zones_));
  count = Collect(key, into.first(with_hosts), count, another(&NodePlace::host, hosts_));
  return Collect(key, into, count, [](auto, uint32_t) { return true; });
}

}  // namespace forebay
