// What the nodes of a cell agree on: who has which index, and who of them lives. In the registry a
// node's record changes when it comes, the epoch's when anybody comes or goes, so that news of a
// death is a few hundred bytes for each of 5,000 nodes.
//
//   members/NAME    what a node says of itself, under its lease
//   map/nodes/NAME  the same with its index, by the controller; stays when the node goes
//   map/epoch       the epoch and who lives, by the controller
//   map/controller  who that is, under its lease
//   map/accept      the epoch up to which somebody said that what seems dead is dead
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/hash.h"
#include "src/base/result.h"
#include "src/core/placement/placement.h"

namespace forebay {

inline constexpr std::string_view kMembersPrefix = "members/";
inline constexpr std::string_view kMapPrefix = "map/";
inline constexpr std::string_view kMapNodesPrefix = "map/nodes/";
inline constexpr std::string_view kMapEpochKey = "map/epoch";
inline constexpr std::string_view kControllerKey = "map/controller";
inline constexpr std::string_view kAcceptKey = "map/accept";

/// What a node says of itself.
struct Member {
  std::string address;  // where its peers reach it
  std::string region;
  std::string zone;
  std::string host;
  uint16_t weight = kFullWeight;
  Hash128 incarnation;   // of what it holds: an emptied disk is another
  bool leaving = false;  // takes part, owns nothing

  /// kInvalidArgument names the field.
  Result<void> Validate() const;
  friend bool operator==(const Member&, const Member&) = default;
};

/// 1 to 63 of a-z, A-Z, 0-9, '-', '_' and '.', beginning with a letter or digit.
Result<void> CheckNodeName(std::string_view name);

struct MapNode {
  uint32_t index = 0;
  Member member;
  friend bool operator==(const MapNode&, const MapNode&) = default;
};

struct Epoch {
  uint64_t number = 0;
  std::vector<bool> live;  // by index
  friend bool operator==(const Epoch&, const Epoch&) = default;
};

// Lines "NAME VALUE". Names that are not known are of a later version and are passed over; what is
// missing or wrong is kCorrupt and named.
std::string Serialize(const Member& member);
std::string Serialize(const MapNode& node);
std::string Serialize(const Epoch& epoch);
Result<Member> ParseMember(std::string_view text);
Result<MapNode> ParseMapNode(std::string_view text);
Result<Epoch> ParseEpoch(std::string_view text);

struct CellMap {
  Epoch epoch;
  std::map<std::string, MapNode, std::less<>> nodes;  // by name

  bool Lives(uint32_t index) const { return index < epoch.live.size() && epoch.live[index]; }
  Placement MakePlacement() const;
};

}  // namespace forebay
