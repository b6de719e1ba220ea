// Runs one scenario under many seeds, each twice, and tells what that has shown.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/world.h"
#include "src/base/result.h"

namespace forebay::sim {

/// How many seeds each tier of the tests takes: FOREBAY_TEST_TIER=quick (the default), ci, full.
struct SeedCounts {
  uint64_t quick = 20;
  uint64_t ci = 200;
  uint64_t full = 2000;
};
uint64_t CountForTier(const SeedCounts& counts);

struct Scenario {
  /// What a seed's world is like; the default is a world without faults of its own.
  std::function<WorldOptions(uint64_t seed)> options;
  /// Builds nodes, runs the product, checks. An error is a failure, and so is a failed expectation.
  std::function<Result<void>(World&)> run;
  /// Each of these must have fired in some seed, or the run has shown nothing of it and fails.
  std::vector<std::string> expected_faults;
};

struct SeedReport {
  struct Fault {
    uint64_t possible = 0;
    uint64_t fired = 0;
    uint64_t seeds = 0;  // in which it fired
  };
  std::string name;
  uint64_t seeds = 0;
  uint64_t events = 0;
  std::map<std::string, Fault> faults;
  std::optional<uint64_t> failed_seed;  // seeds after it were not run
  std::string failure;

  bool ok() const { return failure.empty(); }
  std::string Table() const;
};

/// Runs seeds 1, 2, ... and prints the table. Every seed runs twice and must give equal digests.
/// The first failure ends it: it is added to the running test, with the world's last log lines and
/// the command that runs that seed again. With FOREBAY_SEED=N only that seed runs, its log printed
/// as it goes.
SeedReport RunSeeds(const std::string& name, SeedCounts counts, const Scenario& scenario);

/// For planted bugs: the first of `most` seeds in which the scenario's run gives an error, or
/// nothing. Prints how many it took. Such a scenario reports by errors only: a failed expectation
/// would fail the test that plants the bug.
std::optional<uint64_t> FindFailingSeed(const std::string& name, uint64_t most,
                                        const Scenario& scenario);

}  // namespace forebay::sim
