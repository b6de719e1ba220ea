// A node under fire in the simulator: many readers and writers, objects that change, an origin that
// fails, a machine that crashes.
#pragma once

#include "sim/world.h"
#include "src/base/result.h"

namespace forebay::node_testing {

/// Everything may go wrong. An error of kInternal is a broken promise.
Result<void> RunFaultyNode(sim::World& world);
/// Nothing goes wrong, and memory holds everything: no page is fetched twice.
Result<void> RunCalmNode(sim::World& world);

sim::WorldOptions NodeFaults(uint64_t seed);

}  // namespace forebay::node_testing
