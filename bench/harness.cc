#include "bench/harness.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace forebay::bench {
namespace {

/// What the counted pairs of one row measured, and the error that ended them early, if any.
struct Pairs {
  std::vector<double> ours;
  std::vector<double> theirs;
  std::vector<double> ratios;
  std::string error;
};

Pairs RunPairs(int pairs, const Measure& ours, const Measure& theirs) {
  Pairs out;
  for (int i = 0; i < pairs; ++i) {
    const Result<double> a = ours();
    if (!a) return out.error = "ours: " + a.error().ToString(), out;
    const Result<double> b = theirs();
    if (!b) return out.error = "peer: " + b.error().ToString(), out;
    if (i == 0) continue;
    const double ratio = *a / *b;
    if (!std::isfinite(ratio)) return out.error = fmt::format("ratio of {} to {}", *a, *b), out;
    out.ours.push_back(*a);
    out.theirs.push_back(*b);
    out.ratios.push_back(ratio);
  }
  return out;
}

bool Meets(Goal goal, double value, double target) {
  return goal == Goal::kAtLeast ? value >= target : value <= target;
}

void Judge(Row& row, double value) {
  row.ok = Meets(row.goal, value, *row.target);
  if (row.ok) return;
  row.reason = fmt::format("{:.4g} is {} the target {:.4g}", value,
                           row.goal == Goal::kAtLeast ? "below" : "above", *row.target);
}

}  // namespace

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

bool Report::Wants(std::string_view name) const {
  return name.find(options_.only) != std::string_view::npos;
}

void Report::Say(std::string_view line) const {
  if (options_.progress) fmt::print(stderr, "bench: {}\n", line);
}

void Report::Compare(std::string name, std::string unit, Goal goal, double target,
                     const Measure& ours, const Measure& theirs) {
  if (!Wants(name)) return;
  Say(name);
  Row row{.name = std::move(name), .unit = std::move(unit), .goal = goal, .target = target};
  Pairs pairs = RunPairs(options_.pairs, ours, theirs);
  const int counted = static_cast<int>(pairs.ratios.size());
  if (counted > 0) {
    row.ours = Median(pairs.ours);
    row.baseline = Median(pairs.theirs);
    row.ratio = Median(pairs.ratios);
    Judge(row, *row.ratio);
  }
  if (!pairs.error.empty() || counted < kMinCountedPairs) {
    row.ok = false;
    row.reason = !pairs.error.empty() ? pairs.error
                                      : fmt::format("{} counted pairs, {} are needed to judge",
                                                    counted, kMinCountedPairs);
  }
  row.runs = std::move(pairs.ratios);
  rows_.push_back(std::move(row));
}

void Report::Figure(std::string name, std::string unit, Goal goal, double target, double value,
                    std::string note) {
  if (!Wants(name)) return;
  Say(name);
  Row row{.name = std::move(name), .unit = std::move(unit), .goal = goal, .target = target};
  row.ours = value;
  row.note = std::move(note);
  Judge(row, value);
  rows_.push_back(std::move(row));
}

void Report::Info(std::string name, std::string unit, double value, std::string note) {
  if (!Wants(name)) return;
  Say(name);
  rows_.push_back(Row{
      .name = std::move(name), .unit = std::move(unit), .ours = value, .note = std::move(note)});
}

void Report::Missing(std::string name, std::string reason) {
  if (!Wants(name)) return;
  Say(name);
  rows_.push_back(Row{.name = std::move(name), .ok = false, .reason = std::move(reason)});
}

}  // namespace forebay::bench
