// What lies between simulated nodes: who listens, who can reach whom, how long a segment takes.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "sim/fault_report.h"
#include "sim/node.h"
#include "src/base/prng.h"

namespace forebay::sim {

class Connection;

/// One who listens, and those who have connected and were not accepted yet.
struct ListenPoint {
  std::string address;
  std::deque<std::shared_ptr<Connection>> backlog;
  Wait* acceptor = nullptr;
};

/// State grows with connections and with links that a test meddles with, never with pairs of nodes.
class Network {
 public:
  explicit Network(World& world);

  // ---- For tests.

  /// Nothing gets from one to the other until healed; `both`: nor back.
  void Partition(const Node& from, const Node& to, bool both = true);
  /// Nothing gets in or out.
  void Isolate(const Node& node);
  void Heal(const Node& from, const Node& to);
  void HealAll();
  /// Adds to the latency of one direction.
  void Delay(const Node& from, const Node& to, Duration extra);
  /// Breaks every connection between the two.
  void ResetAll(const Node& a, const Node& b);
  size_t connections() const;

  // ---- For connections, the seam and the world.

  /// The end of the world: lets go of what was never accepted.
  void Close();

  struct Counts {
    explicit Counts(FaultReport& report);
    FaultCount &loss, &reset, &refuse, &blackhole, &half_open, &partition, &backpressure;
  };

  World& world() { return world_; }
  Counts& counts() { return counts_; }
  Prng& prng() { return prng_; }
  const NetOptions& options() const { return options_; }

  bool Isolated(const Node& node) const { return isolated_.contains(node.id()); }
  bool Blocked(const Node& from, const Node& to) const;
  Duration Latency(const Node& from, const Node& to);
  /// When a segment given to the card of `from` now is at `to`.
  Instant Arrival(Node& from, Node& to, uint64_t size_bytes);

  /// Ports of one node: "7400" or "unix:/run/x". Null where somebody listens there already.
  std::shared_ptr<ListenPoint> Listen(const Node& node, const std::string& port);
  std::shared_ptr<ListenPoint> FindListener(const Node& node, const std::string& port) const;
  void StopListening(const Node& node, const std::string& port, const ListenPoint& point);
  std::string FreePort(const Node& node);

  uint64_t NextConnectionId() { return ++last_connection_; }
  void Register(const std::shared_ptr<Connection>& connection);
  void Forget(uint64_t id, const Node& a, const Node& b);
  void NodeCrashed(Node& node, CrashKind kind);

 private:
  using Link = std::pair<uint32_t, uint32_t>;
  using Port = std::pair<uint32_t, std::string>;

  World& world_;
  const NetOptions& options_;
  Counts counts_;
  Prng prng_;
  std::set<Link> blocked_;
  std::set<uint32_t> isolated_;
  std::map<Link, Duration> extra_;
  std::map<Port, std::shared_ptr<ListenPoint>> listeners_;
  std::map<uint32_t, uint32_t> next_port_;
  std::map<uint32_t, std::map<uint64_t, std::weak_ptr<Connection>>> by_node_;
  uint64_t last_connection_ = 0;
};

}  // namespace forebay::sim
