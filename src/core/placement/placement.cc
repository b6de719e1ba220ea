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
      while (level > 0 && !Coin(level, count_[level]++)) --level;
      const unsigned n = level > 0 ? count_[level] - 1 : count_[0]++;
      const uint64_t draw = Draw(key_, level, n);
      const uint32_t index = level > 0 ? IndexOf(draw, level) : 0;
      if (Takes(draw, placement_.weights_[index])) return index;
    }
    return NextInTurn();
  }

 private:
  bool Coin(unsigned level, unsigned n) const {
    const uint64_t coins = n == 0 ? key_ : Mix64(key_ ^ (n * 0xd6e8feb86659fd93u));
    return (coins >> (level - 1) & 1) != 0;
  }
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

Placement::Placement(std::span<const Place> places) : places_(places.begin(), places.end()) {
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
}

uint32_t Placement::SearchOwner(uint64_t key) const {
  return Walk(*this, key).Next();
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
                         another(&Place::zone, zones_));
  const size_t with_hosts = std::min<size_t>(into.size(), std::max(hosts_, zones_));
  count = Collect(key, into.first(with_hosts), count, another(&Place::host, hosts_));
  return Collect(key, into, count, [](auto, uint32_t) { return true; });
}

}  // namespace forebay
