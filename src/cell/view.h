// One epoch of the cell as a node sees it: who is who, and who owns what. Does not change; a new
// epoch is a new one.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/core/membership/cell_map.h"

namespace forebay {

struct CellView {
  CellView(CellMap its_map, std::string_view own_name)
      : map(std::move(its_map)), placement(map.MakePlacement()) {
    for (const auto& [name, node] : map.nodes) {
      if (node.index >= by_index.size()) by_index.resize(node.index + 1);
      by_index[node.index] = {name, node.member.address};
      if (name == own_name) self = node.index;
    }
  }

  struct Named {
    std::string name;
    std::string address;
  };
  const CellMap map;
  const Placement placement;
  std::vector<Named> by_index;
  uint32_t self = Placement::kNobody;  // not in the map (yet)
};

/// The map by which a node goes, and how long ago owners moved for it last.
struct Followed {
  uint64_t epoch = 0;  // 0: by none yet
  uint64_t since_ms = 0;
};

}  // namespace forebay
