// A simulated machine: it crashes and starts again; its disks stay.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/runtime/env.h"

#include "sim/options.h"
#include "sim/process.h"

namespace forebay::sim {

class SimDevice;
class World;

struct NodeOptions {
  std::string zone = "z1";
  std::string region = "r1";
};

enum class CrashKind : uint8_t {
  kPower,    // the machine stops: what was not synced is at the mercy of chance
  kProcess,  // the process is killed: the kernel keeps what was written and tells the peers
};

/// Every node costs about two kilobytes until it uses something.
class Node {
 public:
  Node(World& world, uint32_t id, std::string name, NodeOptions options);
  ~Node();

  uint32_t id() const { return id_; }
  const std::string& name() const { return name_; }
  const NodeOptions& options() const { return options_; }
  World& world() { return world_; }
  Duration wall_skew() const { return wall_skew_; }

  /// Of the present life. Crash and Restart make a new one; the old stays valid, but dead.
  Env& env() { return process().env(); }
  Process& process() { return *lives_.back(); }

  /// Ends this life. Its coroutines unwind as soon as the world runs on.
  void Crash(CrashKind kind = CrashKind::kPower);
  /// Begins the next one, over the disks as the last left them. Nothing runs in it until the test
  /// starts something.
  void Restart();
  bool crashed() const { return crashed_; }

  /// The disk that holds "/".
  SimDevice& disk() { return disk("/"); }
  /// One more disk, seen below `mount` ("/disk1").
  SimDevice& AddDisk(std::string mount, DiskOptions options);
  /// The disk that holds `path`.
  SimDevice& disk(std::string_view path);

  /// Who its processes are to those they reach by Unix socket from now on.
  void set_local_identity(const PeerProcess& identity) { local_identity_ = identity; }
  const PeerProcess& local_identity() const { return local_identity_; }

  // ---- For the parts of the simulator.

  /// When the network card has sent, or received, what it was given.
  int64_t nic_sends_until = 0;
  int64_t nic_receives_until = 0;
  /// 0: what all have (NetOptions).
  uint64_t nic_bytes_per_second = 0;

  std::string DescribeWaits() const;
  /// The end of the world: like Crash, without a trace.
  void Stop();

 private:
  struct Mount {
    std::string path;
    std::unique_ptr<SimDevice> device;
  };

  World& world_;
  const uint32_t id_;
  const std::string name_;
  const NodeOptions options_;
  Duration wall_skew_{0};
  bool crashed_ = false;
  PeerProcess local_identity_{.uid = 1000, .gid = 1000, .pid = 1};
  std::vector<std::unique_ptr<Process>> lives_;
  std::vector<Mount> mounts_;
};

}  // namespace forebay::sim
