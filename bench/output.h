// The two forms in which a Report leaves the program.
#pragma once

#include <span>
#include <string>

#include "bench/harness.h"

namespace forebay::bench {

/// One aligned table, a row a figure, for people.
std::string ToTable(std::span<const Row> rows);

/// A JSON list of {name, unit, ours, baseline, ratio, target, goal, ok, runs} with `reason` and
/// `note` where there is one. What was not measured is null.
std::string ToJson(std::span<const Row> rows);

}  // namespace forebay::bench
