#include "src/core/membership/controller.h"

#include <algorithm>
#include <set>

namespace forebay {

/// An index for everybody: for the new ones the lowest that are free, so that the map stays small.
void Controller::PlaceAll(const CellMap& map, const Present& present, Step* step) {
  std::set<uint32_t> taken;
  for (const auto& [name, node] : map.nodes) taken.insert(node.index);
  uint32_t next = 0;
  for (const auto& [name, member] : present) {
    const auto known = map.nodes.find(name);
    if (known != map.nodes.end()) {
      if (known->second.member == member) continue;
      step->nodes.emplace_back(name, MapNode{known->second.index, member});
      continue;
    }
    while (taken.contains(next)) ++next;
    if (next >= Placement::kMaxIndices) return;  // the cell is full
    taken.insert(next);
    step->nodes.emplace_back(name, MapNode{next, member});
  }
}

/// Who lived and is missing, of the last minute.
uint32_t Controller::Count(int64_t now, const CellMap& map, const Present& present) {
  for (const auto& [name, node] : map.nodes) {
    if (present.contains(name)) {
      missing_since_.erase(name);
    } else if (map.Lives(node.index)) {
      missing_since_.try_emplace(name, now);
    }
  }
  return static_cast<uint32_t>(std::ranges::count_if(missing_since_, [&](const auto& missing) {
    const auto node = map.nodes.find(missing.first);
    const bool in_map = node != map.nodes.end() && map.Lives(node->second.index);
    return in_map || now - missing.second < kFreezeWindow;
  }));
}

Controller::Step Controller::Decide(int64_t now, const CellMap& map, const Present& present,
                                    uint64_t accept_until) {
  Step step;
  PlaceAll(map, present, &step);

  const uint32_t missing = Count(now, map, present);
  const auto live = static_cast<uint32_t>(std::ranges::count(map.epoch.live, true));
  const uint32_t believed = std::max(kNeverFreezes, live * kFreezePercent / 100);
  const bool frozen = missing > believed && accept_until < map.epoch.number;

  Epoch epoch{.number = map.epoch.number + 1, .live = {}};
  const auto live_on = [&epoch](uint32_t index) {
    if (epoch.live.size() <= index) epoch.live.resize(index + 1);
    epoch.live[index] = true;
  };
  for (const auto& [name, node] : map.nodes) {
    const bool gone = !present.contains(name);
    if (gone && map.Lives(node.index) && frozen) ++step.frozen;
    if (!gone || (frozen && map.Lives(node.index))) live_on(node.index);
  }
  for (const auto& [name, node] : step.nodes) live_on(node.index);
  if (epoch.live == map.epoch.live && step.nodes.empty() && fenced_) return step;  // all is said
  if (last_epoch_ && now < *last_epoch_ + kEpochEvery) {
    step.nodes.clear();  // with the next epoch
    step.again_at = *last_epoch_ + kEpochEvery;
    return step;
  }
  step.epoch = std::move(epoch);
  return step;
}

}  // namespace forebay
