// The store under fire: several users at once on a machine that is cut off again and again, and a
// model that knows what must be there afterwards.
#pragma once

#include "sim/world.h"
#include "src/base/result.h"

namespace forebay::store_testing {

/// One seed: a few lives of one node, each ended by a power cut, a kill or a clean stop. An error
/// says which promise was broken: a byte that is not the right one, an acknowledged dirty block
/// that is gone, a view whose bytes changed, a store that does not open.
Result<void> RunCrashScenario(sim::World& world);

/// Faults that a file system may show when the power goes: torn, lost and reordered writes, lost
/// names, failed syncs. Media stay good, so that every acknowledged dirty block must be there.
sim::WorldOptions PowerFaults(uint64_t seed);

}  // namespace forebay::store_testing
