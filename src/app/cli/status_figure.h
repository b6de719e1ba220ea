// A figure out of a node's status.
#pragma once

#include <cstdint>
#include <string_view>

namespace forebay::app {

/// "origin", "requests" of the JSON that a node of ours writes (docs/STATUS_JSON.md); 0 where it is
/// not there, as with an older node.
uint64_t StatusFigure(std::string_view json, std::string_view group, std::string_view name);

/// The sum over all disk tiers.
uint64_t DisksFigure(std::string_view json, std::string_view name);

}  // namespace forebay::app
