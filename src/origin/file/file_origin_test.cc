#include "src/origin/file/file_origin.h"

#include <gtest/gtest.h>

#include "sim/sim_device.h"
#include "sim/world.h"
#include "src/origin/testing/origin_contract.h"

namespace forebay {
namespace {

using origin_contract::CodeOf;
using origin_contract::GetText;
using origin_contract::ListText;
using origin_contract::PutText;

constexpr const char* kUrl = "file:///data/set";

class SimHarness final : public OriginHarness {
 public:
  SimHarness() {
    EXPECT_TRUE(world_.Run(env().disk.MakeDirectory("/data/set")));
    Reopen();
  }
  Env& env() override { return node_.env(); }
  Origin& origin() override { return *origin_; }
  void Run(Task<void> main) override { world_.Run(std::move(main)); }
  void Reopen() {
    origin_.reset();
    origin_ = std::move(*FileOrigin::Create(kUrl));
  }
  sim::World& world() { return world_; }
  sim::Node& node() { return node_; }

 private:
  sim::World world_{1};
  sim::Node& node_ = world_.AddNode("n");
  std::unique_ptr<Origin> origin_;
};

INSTANTIATE_TEST_SUITE_P(File, OriginContract,
                         testing::Values([]() -> std::unique_ptr<OriginHarness> {
                           return std::make_unique<SimHarness>();
                         }));

}  // namespace
}  // namespace forebay
