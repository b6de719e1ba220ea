// Crashes by the thousand, on the simulator.
#include <gtest/gtest.h>

#include "sim/seeds.h"
#include "src/store/testing/crash_scenario.h"

namespace forebay::store_testing {
namespace {

constexpr sim::SeedCounts kSeeds{.quick = 100, .ci = 2000, .full = 50'000};

TEST(StoreCrash, PowerCutsLoseNothingAcknowledged) {
  const auto report = sim::RunSeeds("store crash", kSeeds,
                                    {.options = PowerFaults,
                                     .run = RunCrashScenario,
                                     .expected_faults = {"node.power_loss", "disk.torn_write",
                                                         "disk.lost_write", "disk.sync_error"}});
  EXPECT_TRUE(report.ok());
}

TEST(StoreCrash, RottenAndFailingMediaNeverGiveAWrongByte) {
  const auto report = sim::RunSeeds(
      "store chaos", {.quick = 60, .ci = 1000, .full = 50'000},
      {.options = sim::WorldOptions::Chaos,
       .run = RunCrashScenario,
       .expected_faults = {"disk.bit_flip", "disk.flip_on_read", "disk.read_error",
                           "disk.write_error", "disk.bad_range", "disk.stall", "memory.refused"}});
  EXPECT_TRUE(report.ok());
}

}  // namespace
}  // namespace forebay::store_testing
