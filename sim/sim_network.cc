#include "sim/sim_network.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "sim/connection.h"
#include "sim/world.h"

namespace forebay::sim {
namespace {

constexpr Duration kLoopback = microseconds(5);
constexpr uint32_t kFirstFreePort = 40000;
/// Between regions a stream gets this part of the card's bandwidth.
constexpr uint64_t kFarSlowdown = 10;

}  // namespace

Network::Counts::Counts(FaultReport& report)
    : loss(report.Of("net.loss")),
      reset(report.Of("net.reset")),
      refuse(report.Of("net.refuse")),
      blackhole(report.Of("net.blackhole")),
      half_open(report.Of("net.half_open")),
      partition(report.Of("net.partition")),
      backpressure(report.Of("net.backpressure")) {}

Network::Network(World& world)
    : world_(world),
      options_(world.options().net),
      counts_(world.faults()),
      prng_(world.SeedFor("net", 0)) {}

void Network::Partition(const Node& from, const Node& to, bool both) {
  blocked_.insert({from.id(), to.id()});
  if (both) blocked_.insert({to.id(), from.id()});
  world_.log().Event(fmt::format("{} {} {}: cut", from.name(), both ? "<->" : "->", to.name()));
}

void Network::Isolate(const Node& node) {
  isolated_.insert(node.id());
  world_.log().Event(node.name() + ": cut off from everybody");
}

void Network::Heal(const Node& from, const Node& to) {
  blocked_.erase({from.id(), to.id()});
  blocked_.erase({to.id(), from.id()});
  world_.log().Event(fmt::format("{} <-> {}: healed", from.name(), to.name()));
}

void Network::HealAll() {
  blocked_.clear();
  isolated_.clear();
  extra_.clear();
  world_.log().Event("all links healed");
}

void Network::Delay(const Node& from, const Node& to, Duration extra) {
  extra_[{from.id(), to.id()}] = extra;
}

bool Network::Blocked(const Node& from, const Node& to) const {
  if (from.id() == to.id()) return false;
  if (!isolated_.empty() && (isolated_.contains(from.id()) || isolated_.contains(to.id()))) {
    return true;
  }
  return !blocked_.empty() && blocked_.contains({from.id(), to.id()});
}

Duration Network::Latency(const Node& from, const Node& to) {
  const NodeOptions &a = from.options(), &b = to.options();
  Duration base = from.id() == to.id()   ? kLoopback
                  : a.region != b.region ? options_.between_regions
                  : a.zone != b.zone     ? options_.same_region
                                         : options_.same_zone;
  const auto spread = static_cast<uint64_t>(static_cast<double>(base.count()) * options_.jitter);
  base += Duration(static_cast<int64_t>(prng_.Below(spread + 1)));
  if (extra_.empty()) return base;
  const auto extra = extra_.find({from.id(), to.id()});
  return extra == extra_.end() ? base : base + extra->second;
}

Instant Network::Arrival(Node& from, Node& to, uint64_t size_bytes) {
  const auto transfer = [&](const Node& node) {
    const uint64_t speed =
        node.nic_bytes_per_second == 0 ? options_.nic_bytes_per_second : node.nic_bytes_per_second;
    const uint64_t slower = from.options().region != to.options().region ? kFarSlowdown : 1;
    return static_cast<int64_t>(size_bytes * 1'000'000'000 / speed * slower);
  };
  from.nic_sends_until = std::max(from.nic_sends_until, world_.Now().ns) + transfer(from);
  // The receiver's card is a queue as well. It is kept without the latency, so that what comes from
  // afar does not hold up what comes from near.
  to.nic_receives_until = std::max(to.nic_receives_until + transfer(to), from.nic_sends_until);
  Instant at = Instant{to.nic_receives_until} + Latency(from, to);
  for (Duration wait = options_.retransmit; counts_.loss.Chance(prng_, options_.faults.loss);
       wait *= 2) {
    at = at + wait;
  }
  return at;
}

std::shared_ptr<ListenPoint> Network::Listen(const Node& node, const std::string& port) {
  auto& point = listeners_[{node.id(), port}];
  if (point != nullptr) return nullptr;
  point = std::make_shared<ListenPoint>();
  point->address = port.starts_with("unix:") ? port : node.name() + ":" + port;
  return point;
}

std::shared_ptr<ListenPoint> Network::FindListener(const Node& node,
                                                   const std::string& port) const {
  const auto found = listeners_.find({node.id(), port});
  return found == listeners_.end() ? nullptr : found->second;
}

void Network::StopListening(const Node& node, const std::string& port, const ListenPoint& point) {
  const auto found = listeners_.find({node.id(), port});
  if (found != listeners_.end() && found->second.get() == &point) listeners_.erase(found);
}

std::string Network::FreePort(const Node& node) {
  uint32_t& next = next_port_.try_emplace(node.id(), kFirstFreePort).first->second;
  while (FindListener(node, std::to_string(next)) != nullptr) ++next;
  return std::to_string(next++);
}

void Network::Register(const std::shared_ptr<Connection>& connection) {
  const uint64_t id = connection->id();
  by_node_[connection->node(0).id()][id] = connection;
  by_node_[connection->node(1).id()][id] = connection;
}

void Network::Forget(uint64_t id, const Node& a, const Node& b) {
  for (const Node* node : {&a, &b}) {
    const auto found = by_node_.find(node->id());
    if (found == by_node_.end()) continue;
    found->second.erase(id);
    if (found->second.empty()) by_node_.erase(found);
  }
}

void Network::Close() {
  const auto listeners = std::move(listeners_);
  listeners_.clear();
}

size_t Network::connections() const {
  size_t ends = 0;
  for (const auto& [node, connections] : by_node_) ends += connections.size();
  return (ends + 1) / 2;
}

void Network::NodeCrashed(Node& node, CrashKind kind) {
  const auto first = listeners_.lower_bound({node.id(), ""});
  const auto last = listeners_.lower_bound({node.id() + 1, ""});
  for (auto it = first; it != last; ++it) it->second->backlog.clear();
  listeners_.erase(first, last);
  const auto found = by_node_.find(node.id());
  if (found == by_node_.end()) return;
  const auto connections = found->second;  // a copy: they may forget themselves
  for (const auto& [id, weak] : connections) {
    const auto connection = weak.lock();
    if (connection == nullptr) continue;
    const bool silent =
        kind == CrashKind::kPower && counts_.half_open.Chance(prng_, options_.faults.half_open);
    connection->EndDied(node, silent);
  }
}

void Network::ResetAll(const Node& a, const Node& b) {
  const auto found = by_node_.find(a.id());
  if (found == by_node_.end()) return;
  const auto connections = found->second;
  for (const auto& [id, weak] : connections) {
    const auto connection = weak.lock();
    if (connection == nullptr) continue;
    if (&connection->node(0) != &b && &connection->node(1) != &b) continue;
    counts_.reset.Fire();
    connection->Reset();
  }
}

}  // namespace forebay::sim
