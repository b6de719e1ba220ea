// Placement: what a lookup costs, how even it is, and what moves. Figures but for the time are
// exact.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include "bench/rows.h"
#include "src/core/placement/placement.h"

namespace forebay::bench {
namespace {

constexpr std::array kSizes = {3u, 8u, 5000u, 8192u};
constexpr int kLookups = 4'000'000;
constexpr int kTimedRuns = 7;
constexpr uint64_t kMovedKeys = 4'000'000;

std::vector<NodePlace> Cell(uint32_t size, uint16_t zones = 1) {
  std::vector<NodePlace> places(size);
  for (uint32_t i = 0; i < size; ++i) {
    places[i] = {.weight = kFullWeight,
                 .zone = static_cast<uint16_t>(i % zones),
                 .host = static_cast<uint16_t>(i)};
  }
  return places;
}

/// Of lookups one after the other, as a reader of many chunks does them; `chained`: of lookups
/// where each hangs on the owner before it.
double NanosALookup(const Placement& placement, bool chained) {
  std::vector<double> runs;
  for (int run = 0; run < kTimedRuns; ++run) {
    uint64_t key = Mix64(static_cast<uint64_t>(run));
    uint64_t sum = 0;
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kLookups; ++i) {
      const uint32_t owner = placement.Owner(key);
      sum += owner;
      key = (key + (chained ? owner : 1)) * 0x9e3779b97f4a7c15u;
      key ^= key >> 29;
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    runs.push_back(sum == 0 ? 0 : took.count() / kLookups);
  }
  return Median(runs);
}

double MostOfMean(uint32_t size, uint64_t chunks_a_node) {
  const Placement placement(Cell(size));
  std::vector<uint64_t> count(size);
  for (uint64_t i = 0; i < size * chunks_a_node; ++i) {
    ++count[placement.Owner(ChunkKey({.hi = i / 100, .lo = 7}, i % 100))];
  }
  return static_cast<double>(*std::ranges::max_element(count)) / static_cast<double>(chunks_a_node);
}

struct Moved {
  double of_share = 0;  // 1: no more than must
  uint64_t others = 0;  // whose owner lives on as it was, and yet they moved
};

/// `changed`'s place differs between both cells; `share` of all keys must move.
Moved MovedBetween(const std::vector<NodePlace>& before, const std::vector<NodePlace>& after,
                   uint32_t changed, double share) {
  const Placement old_map(before);
  const Placement new_map(after);
  uint64_t moved = 0;
  Moved result;
  for (uint64_t i = 0; i < kMovedKeys; ++i) {
    const uint64_t key = Mix64(i);
    const uint32_t from = old_map.Owner(key);
    const uint32_t to = new_map.Owner(key);
    if (from == to) continue;
    ++moved;
    if (from != changed && to != changed) ++result.others;
  }
  result.of_share = static_cast<double>(moved) / (share * static_cast<double>(kMovedKeys));
  return result;
}

void MovedRows(Report& report, uint32_t size) {
  std::vector<NodePlace> fewer = Cell(size);
  fewer[size / 2].weight = 0;
  std::vector<NodePlace> lighter = Cell(size);
  lighter[size / 2].weight = kFullWeight / 2;
  const double mean = 1.0 / size;
  const Moved death = MovedBetween(Cell(size), fewer, size / 2, mean);
  const Moved join = MovedBetween(fewer, Cell(size), size / 2, mean);
  const Moved weight = MovedBetween(Cell(size), lighter, size / 2, mean - 0.5 / (size - 0.5));
  for (const auto& [what, moved] :
       {std::pair("death", death), std::pair("join", join), std::pair("half weight", weight)}) {
    report.Figure(fmt::format("placement.{} of one in {}", what, size), "of its share",
                  Goal::kAtMost, 1.05, moved.of_share,
                  fmt::format("{} keys moved between others", moved.others));
  }
}

void ZoneRow(Report& report) {
  const Placement placement(Cell(5000, 3));
  uint64_t together = 0;
  for (uint64_t i = 0; i < kMovedKeys / 40; ++i) {
    std::array<uint32_t, 2> owners{};
    if (placement.ForCopies(Mix64(i), owners) == 2 && owners[0] % 3 == owners[1] % 3) ++together;
  }
  report.Figure("placement.two copies in one zone of 3", "of 100,000", Goal::kAtMost, 0,
                static_cast<double>(together));
}

}  // namespace

void PlacementRows(Report& report) {
  for (const uint32_t size : kSizes) {
    const std::string name = fmt::format("placement.lookup at {}", size);
    if (!report.Wants(name)) continue;
    const Placement placement(Cell(size));
    report.Figure(name, "ns", Goal::kAtMost, size < 100 ? 100 : 20, NanosALookup(placement, false));
    report.Info(name + ", each hanging on the last", "ns", NanosALookup(placement, true));
  }
  for (const uint32_t size : kSizes) {
    const std::string name = fmt::format("placement.max of mean at {}", size);
    if (!report.Wants(name)) continue;
    report.Figure(fmt::format("{}, 1000 chunks a node", name), "ratio", Goal::kAtMost, 1.15,
                  MostOfMean(size, 1000));
    for (const uint64_t chunks : {uint64_t{6}, uint64_t{48}}) {
      report.Info(fmt::format("{}, {} chunks a node", name, chunks), "ratio",
                  MostOfMean(size, chunks));
    }
  }
  for (const uint32_t size : {8u, 5000u}) {
    if (report.Wants("placement.death") || report.Wants("placement.join")) MovedRows(report, size);
  }
  if (report.Wants("placement.two copies")) ZoneRow(report);
}

}  // namespace forebay::bench
