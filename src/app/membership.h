// What makes a node one of a cell: its registry, its peers, its place in the map. Without a cell it
// has the registry of one machine and stands alone.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "src/app/config/node_config.h"
#include "src/cell/cell.h"
#include "src/cell/peers.h"
#include "src/front/observe/figures.h"
#include "src/origin/surroundings.h"
#include "src/registry/registry.h"
#include "src/wire/admin_messages.h"

namespace forebay::app {

/// Used from the node's loop. Open, Join, Leave, Close, in this order; what was not begun need not
/// be ended.
class Membership {
 public:
  /// `further`: loops for what comes from peers (peers.h).
  Membership(const NodeConfig& config, Env& env, std::vector<Env*> further)
      : config_(config), env_(env), further_(std::move(further)) {}

  /// `data` is the node's own directory.
  Task<Result<void>> Open(std::string data, const Surroundings& surroundings);
  Registry& registry() { return *registry_; }
  /// Null where there is no cell.
  Peers* peers() { return peers_.get(); }
  const Cell* cell() const { return cell_.get(); }
  /// Empty where there is no cell.
  const std::string& secret() const { return secret_; }
  /// Of this node, the machine's where nobody gave another.
  std::string name() const;

  /// Once the door at `bound` is open. Returns when the node stands in the map.
  Task<Result<void>> Join(Hash128 node_id, std::string bound);
  Task<void> Leave();
  observe::CellFigures Figures() const;
  /// For people: what stands in the map once the action is done.
  Task<Result<std::string>> Act(wire::CellAction action);
  /// When nobody asks peers or registry any more.
  Task<void> Close();

 private:
  Result<void> CheckMayLeave() const;
  std::string Describe() const;
  Result<std::string> Advertised(const std::string& bound) const;

  const NodeConfig& config_;
  Env& env_;
  const std::vector<Env*> further_;
  std::string secret_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Peers> peers_;
  std::unique_ptr<Cell> cell_;
};

}  // namespace forebay::app
