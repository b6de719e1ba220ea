// A whole node in the simulator, by seeds.
#include <gtest/gtest.h>

#include "sim/seeds.h"
#include "src/node/testing/node_scenario.h"

namespace forebay::node_testing {
namespace {

TEST(NodeSim, NeverGivesAWrongByteAndRecoversFromEverything) {
  const auto report = sim::RunSeeds(
      "node", {.quick = 20, .ci = 500, .full = 20'000},
      {.options = NodeFaults,
       .run = RunFaultyNode,
       .expected_faults = {"origin.unavailable", "origin.overloaded", "origin.hang", "origin.slow",
                           "origin.broken_body", "origin.short_body", "origin.stalled_body",
                           "origin.lost_reply", "origin.changed_elsewhere", "node.power_loss",
                           "disk.bit_flip"}});
  EXPECT_TRUE(report.ok());
}

TEST(NodeSim, FetchesEveryPageOnceWhereNothingFails) {
  const auto report =
      sim::RunSeeds("calm node", {.quick = 10, .ci = 200, .full = 5000}, {.run = RunCalmNode});
  EXPECT_TRUE(report.ok());
}

}  // namespace
}  // namespace forebay::node_testing
