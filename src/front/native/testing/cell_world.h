// A simulated cell: machines, each with a node, its door and its peers, before one origin in memory
// and one registry.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "sim/sim_network.h"
#include "sim/world.h"
#include "src/cell/cell.h"
#include "src/cell/peers.h"
#include "src/front/native/door.h"
#include "src/node/testing/node_fixture.h"

namespace forebay::node_testing {

class CellWorld;

/// One machine of the cell; dies and starts again.
class CellNode {
 public:
  CellNode(CellWorld& world, std::string name);

  Result<void> Start();
  /// As asked by a signal.
  void Stop();
  /// As by SIGKILL, or a power cut.
  void Crash(sim::CrashKind kind = sim::CrashKind::kProcess);

  Env& env() { return machine.env(); }
  Authenticated self() { return gate->AdmitSelf(); }
  bool running() const { return node != nullptr; }
  Task<Result<void>> Check(std::string path, uint64_t seed, uint64_t offset, uint32_t size);
  /// The etag of what was written.
  Task<Result<std::string>> Put(std::string path, std::string bytes);
  Task<Result<std::string>> EtagOf(std::string path);

  CellWorld& world;
  wire::Versions versions;  // from the next start on
  const std::string name;
  sim::Node& machine;
  std::unique_ptr<Gate> gate;
  std::unique_ptr<MemoryRegistry> registry;
  std::unique_ptr<Peers> peers;
  std::unique_ptr<Node> node;
  std::unique_ptr<NativeDoor> door;
  std::unique_ptr<Cell> cell;

 private:
  Task<Result<void>> Open();
  Task<void> Close(Duration grace);
};

class CellWorld {
 public:
  explicit CellWorld(sim::World& its_world) : world(its_world) {
    options.store.dram.capacity_bytes = 256 * kMiB;
    options.metadata_bytes = 4 * kMiB;
  }
  ~CellWorld();

  /// Starts them one after the other, attaches /data, and waits until all have the same map.
  Result<void> Start(int count);
  bool Agree() const;
  /// Drives the world until all who run agree, or `patience` is over.
  Result<void> AwaitAgreement(Duration patience = std::chrono::seconds(30));

  sim::World& world;
  MemoryOrigin origin;
  RegistryState registry;
  NodeOptions options;
  Freshness freshness;
  std::string secret = std::string(32, 'c');
  std::vector<std::unique_ptr<CellNode>> nodes;
};

}  // namespace forebay::node_testing
