#include "sim/node.h"

#include <utility>

#include <fmt/format.h>

#include "sim/sim_device.h"
#include "sim/sim_names.h"
#include "sim/sim_network.h"
#include "sim/world.h"

namespace forebay::sim {

Node::Node(World& world, uint32_t id, std::string name, NodeOptions options)
    : world_(world), id_(id), name_(std::move(name)), options_(std::move(options)) {
  if (const int64_t most = world.options().max_wall_skew.count(); most > 0) {
    Prng prng(world.SeedFor("wall", id));
    wall_skew_ = Duration(static_cast<int64_t>(prng.Below(2 * static_cast<uint64_t>(most))) - most);
  }
  lives_.push_back(std::make_unique<Process>(world, *this, 0));
}

Node::~Node() = default;

void Node::Crash(CrashKind kind) {
  FB_ASSERT(!crashed_ && id_ != 0);
  crashed_ = true;
  world_.Note(Happening::kCrash, id_, static_cast<uint64_t>(kind));
  world_.log().Event(
      fmt::format("{} {}", name_, kind == CrashKind::kPower ? "lost its power" : "was killed"));
  world_.faults().Of(kind == CrashKind::kPower ? "node.power_loss" : "node.kill").Fire();
  process().Die();
  world_.net().NodeCrashed(*this, kind);
  for (const Mount& mount : mounts_) mount.device->Crash(kind == CrashKind::kPower);
}

void Node::Restart() {
  FB_ASSERT(crashed_);
  crashed_ = false;
  world_.Note(Happening::kRestart, id_, lives_.size());
  world_.log().Event(name_ + " starts again");
  lives_.push_back(std::make_unique<Process>(world_, *this, static_cast<uint32_t>(lives_.size())));
}

void Node::Stop() {
  for (const auto& life : lives_) life->Die();
}

SimDevice& Node::AddDisk(std::string mount, DiskOptions options) {
  mount = NormalPath(mount);
  for (const Mount& other : mounts_) FB_ASSERT(other.path != mount);
  auto device = std::make_unique<SimDevice>(*this, mount, options);
  mounts_.push_back({std::move(mount), std::move(device)});
  return *mounts_.back().device;
}

SimDevice& Node::disk(std::string_view path) {
  Mount* best = nullptr;
  for (Mount& mount : mounts_) {
    const std::string& at = mount.path;
    const bool below = path == at || at == "/" ||
                       (path.starts_with(at) && path.substr(at.size()).starts_with('/'));
    if (below && (best == nullptr || at.size() > best->path.size())) best = &mount;
  }
  if (best != nullptr) return *best->device;
  return AddDisk("/", world_.options().disk);  // made when first asked for
}

std::string Node::DescribeWaits() const {
  return lives_.back()->DescribeWaits();
}

}  // namespace forebay::sim
