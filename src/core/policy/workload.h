// Made-up traces by name, the same for everybody.
#pragma once

#include <string_view>

#include "src/base/result.h"
#include "src/core/policy/trace.h"

namespace forebay {

/// True if `spec` names a workload ("zipf:...") rather than a file.
bool IsWorkload(std::string_view spec);

/// Makes the trace that `spec` describes, like "zipf:alpha=0.9,objects=100000":
///
///   zipf       alpha=0.9, objects=100000, requests=1000000, seed=1
///   zipf-scan  the same, and every scan_every=50000 requests a scan of the next
///              scan_length=10000 of scan_objects=100000 other objects, round and round
///   epochs     objects=100000, epochs=6, jobs=1, seed=1: each job reads all objects, in a fresh
///              order each epoch; several start somewhere in their first, and which reads next is
///              drawn. The first epoch warms the cache and is not counted.
///
/// An unknown name, an unknown parameter or a value out of range fails by name.
Result<Trace> MakeWorkload(std::string_view spec);

}  // namespace forebay
