#include "sim/seeds.h"

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string_view>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "src/base/test_tier.h"

namespace forebay::sim {
namespace {

/// Lines of the log that a failure prints.
constexpr size_t kLogTail = 4000;

struct Outcome {
  uint64_t digest = 0;
  uint64_t events = 0;
  FaultReport faults;
  std::string failure;
};

std::string ProgramPath() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string path;
  std::getline(file, path, '\0');
  return path.empty() ? "THE_TEST" : path;
}

std::string RerunCommand(uint64_t seed) {
  std::string command = fmt::format("FOREBAY_SEED={} {}", seed, ProgramPath());
  if (const auto* test = testing::UnitTest::GetInstance()->current_test_info()) {
    command += fmt::format(" --gtest_filter={}.{}", test->test_suite_name(), test->name());
  }
  return command;
}

std::optional<uint64_t> SeedFromEnvironment() {
  const char* text = std::getenv("FOREBAY_SEED");
  if (text == nullptr || *text == '\0') return std::nullopt;
  uint64_t seed = 0;
  const std::string_view view(text);
  const auto [end, error] = std::from_chars(view.begin(), view.end(), seed);
  if (error != std::errc() || end != view.end()) {
    fmt::print(stderr, "FOREBAY_SEED='{}' is not a number\n", view);
    std::exit(2);
  }
  return seed;
}

Outcome RunOnce(uint64_t seed, bool print_log, const Scenario& scenario) {
  WorldOptions options = scenario.options ? scenario.options(seed) : WorldOptions{};
  options.rerun = RerunCommand(seed);
  options.print_log = print_log;
  const bool had_failure = testing::Test::HasFailure();
  World world(seed, std::move(options));
  const Result<void> result = scenario.run(world);
  Outcome outcome{.digest = world.Digest(), .events = world.events(), .faults = world.faults()};
  if (!result) {
    outcome.failure = result.error().ToString();
  } else if (!had_failure && testing::Test::HasFailure()) {
    outcome.failure = "an expectation failed";
  }
  if (!outcome.failure.empty()) {
    std::string log = world.log().Text();
    if (log.size() > kLogTail) log = "..." + log.substr(log.size() - kLogTail);
    outcome.failure += "\n" + log;
  }
  return outcome;
}

/// Both runs of one seed. Empty where nothing is wrong.
std::string RunTwice(uint64_t seed, bool print_log, const Scenario& scenario, SeedReport* report) {
  Outcome first = RunOnce(seed, print_log, scenario);
  report->events += first.events;
  for (const auto& [kind, count] : first.faults.counts()) {
    SeedReport::Fault& sum = report->faults[kind];
    sum.possible += count.possible;
    sum.fired += count.fired;
    sum.seeds += count.fired > 0 ? 1 : 0;
  }
  if (!first.failure.empty()) return first.failure;
  const Outcome second = RunOnce(seed, false, scenario);
  if (!second.failure.empty()) return "only the second run failed: " + second.failure;
  if (first.digest == second.digest) return {};
  return fmt::format("not deterministic: digest {:016x} and {} events, then {:016x} and {}",
                     first.digest, first.events, second.digest, second.events);
}

std::string MissingFaults(const Scenario& scenario, const SeedReport& report) {
  std::string missing;
  for (const std::string& kind : scenario.expected_faults) {
    const auto found = report.faults.find(kind);
    if (found == report.faults.end() || found->second.fired == 0) missing += " " + kind;
  }
  return missing.empty() ? "" : "expected faults that never fired:" + missing;
}

}  // namespace

uint64_t CountForTier(const SeedCounts& counts) {
  return ByTier(counts.quick, counts.ci, counts.full);
}

std::string SeedReport::Table() const {
  std::string text = fmt::format("{}: {} seeds, each twice, {} events\n", name, seeds, events);
  for (const auto& [kind, fault] : faults) {
    if (fault.possible == 0) continue;
    text += fmt::format("  {:<24} fired {:>8} of {:>10}, in {:>5} seeds\n", kind, fault.fired,
                        fault.possible, fault.seeds);
  }
  return text;
}

SeedReport RunSeeds(const std::string& name, SeedCounts counts, const Scenario& scenario) {
  SeedReport report{.name = name};
  const std::optional<uint64_t> only = SeedFromEnvironment();
  const uint64_t first = only.value_or(1), last = only.value_or(CountForTier(counts));
  for (uint64_t seed = first; seed <= last && report.ok(); ++seed) {
    ++report.seeds;
    const std::string failure = RunTwice(seed, only.has_value(), scenario, &report);
    if (failure.empty()) continue;
    report.failed_seed = seed;
    report.failure =
        fmt::format("{}: seed {}: {}\nrun again: {}", name, seed, failure, RerunCommand(seed));
  }
  if (report.ok() && !only) report.failure = MissingFaults(scenario, report);
  fmt::print("{}", report.Table());
  if (!report.ok()) ADD_FAILURE() << report.failure;
  return report;
}

std::optional<uint64_t> FindFailingSeed(const std::string& name, uint64_t most,
                                        const Scenario& scenario) {
  for (uint64_t seed = 1; seed <= most; ++seed) {
    const Outcome outcome = RunOnce(seed, false, scenario);
    if (outcome.failure.empty()) continue;
    fmt::print("{}: caught after {} seeds: {}\n", name, seed,
               outcome.failure.substr(0, outcome.failure.find('\n')));
    return seed;
  }
  fmt::print("{}: not caught in {} seeds\n", name, most);
  return std::nullopt;
}

}  // namespace forebay::sim
