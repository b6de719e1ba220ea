// Bugs planted on purpose must be found by the same seeds that the store passes.
#include <gtest/gtest.h>

#include "sim/seeds.h"
#include "src/store/planted.h"
#include "src/store/testing/crash_scenario.h"

namespace forebay::store_testing {
namespace {

constexpr uint64_t kMostSeeds = 2000;

struct Case {
  PlantedBug bug;
  const char* name;
};

class PlantedBugTest : public testing::TestWithParam<Case> {
 protected:
  void TearDown() override { planted_bug = PlantedBug::kNone; }
};

TEST_P(PlantedBugTest, IsCaught) {
  planted_bug = GetParam().bug;
  const auto seed = sim::FindFailingSeed(GetParam().name, kMostSeeds,
                                         {.options = PowerFaults, .run = RunCrashScenario});
  EXPECT_TRUE(seed.has_value()) << GetParam().name << " was not caught in " << kMostSeeds
                                << " seeds";
}

INSTANTIATE_TEST_SUITE_P(All, PlantedBugTest,
                         testing::Values(Case{PlantedBug::kSkipSync, "SkipSync"},
                                         Case{PlantedBug::kReusePinnedSlot, "ReusePinnedSlot"},
                                         Case{PlantedBug::kForgetKeyInChecksum,
                                              "ForgetKeyInChecksum"},
                                         Case{PlantedBug::kAcceptTornHeader, "AcceptTornHeader"},
                                         Case{PlantedBug::kEvictDirty, "EvictDirty"}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace forebay::store_testing
