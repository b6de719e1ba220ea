// How the map follows those who come and go: what the one controller of a cell writes next.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/core/membership/cell_map.h"

namespace forebay {

/// Times are nanoseconds of the controller's own clock.
class Controller {
 public:
  static constexpr int64_t kEpochEvery = 1'000'000'000;
  /// A lost switch or a sick registry looks like many deaths at once. To believe it would move much
  /// of the cell and send the load of all that to the origin.
  static constexpr int64_t kFreezeWindow = 60'000'000'000;
  static constexpr uint32_t kFreezePercent = 10;
  static constexpr uint32_t kNeverFreezes = 2;  // so many deaths are believed in the smallest cell

  using Present = std::map<std::string, Member, std::less<>>;  // who has a lease, by name

  struct Step {
    std::vector<std::pair<std::string, MapNode>> nodes;  // to write first
    std::optional<Epoch> epoch;                          // then this
    uint32_t frozen = 0;  // dead who stay in the map until they return or somebody says they may go
    /// When to ask again though nothing was heard.
    std::optional<int64_t> again_at;
  };
  /// `accept_until`: the epoch up to which somebody said that what seems dead is dead.
  Step Decide(int64_t now, const CellMap& map, const Present& present, uint64_t accept_until);
  /// A step's epoch was written.
  void Wrote(int64_t now) {
    last_epoch_ = now;
    fenced_ = true;
  }

 private:
  void PlaceAll(const CellMap& map, const Present& present, Step* step);
  uint32_t Count(int64_t now, const CellMap& map, const Present& present);

  bool fenced_ = false;  // once an epoch of its own was written, an older controller writes no more
  std::optional<int64_t> last_epoch_;
  std::map<std::string, int64_t, std::less<>> missing_since_;  // of nodes that lived
};

}  // namespace forebay
