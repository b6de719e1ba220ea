// Figures that hold on a shared machine: a row is either a ratio of two programs measured in turns
// in the same minute, or a plain value (a hit ratio, bytes a block) held against a target.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/result.h"

namespace forebay::bench {

/// One run of one side. Returns a rate (higher is better) or a cost (lower is better); both sides
/// of a row return the same kind. It sets up and tears down outside of what it times.
using Measure = std::function<Result<double>()>;

/// Which side of the target is good.
enum class Goal { kAtLeast, kAtMost };

/// Fewer counted pairs than this say nothing, so such a row is never ok.
inline constexpr int kMinCountedPairs = 7;

/// One line of the table.
struct Row {
  std::string name;
  std::string unit;
  std::optional<double> ours;      // the median of our runs, or the value of a Figure or an Info
  std::optional<double> baseline;  // the median of the peer's runs
  std::optional<double> ratio;     // the median of the ratios of the pairs
  std::vector<double> runs;        // ours / theirs of each counted pair, in the order they ran
  Goal goal = Goal::kAtLeast;
  std::optional<double> target;  // none: for information only
  bool ok = true;
  std::string reason;  // why not ok
  std::string note;
};

/// Collects the rows of one invocation. Used from one thread.
class Report {
 public:
  struct Options {
    int pairs = kMinCountedPairs + 1;  // the first is dropped: it warms caches, files and clocks
    std::string only;                  // run only rows whose name contains this
    bool progress = false;             // say on stderr what is being measured
  };

  explicit Report(Options options) : options_(std::move(options)) {}
  Report() : Report(Options{}) {}

  /// False where `--only` rules the row out. The methods below ask for themselves; a caller asks
  /// before a costly set-up that serves the row `name` alone, or before computing a Figure.
  bool Wants(std::string_view name) const;

  /// Runs ours, theirs, ours, theirs, ... and holds the median of the pair ratios ours / theirs
  /// against `target`. An error of either side ends the row with the error as its reason.
  void Compare(std::string name, std::string unit, Goal goal, double target, const Measure& ours,
               const Measure& theirs);

  /// A value held against a target, without a peer.
  void Figure(std::string name, std::string unit, Goal goal, double target, double value,
              std::string note = "");

  /// A value to be seen beside the others; it has no target.
  void Info(std::string name, std::string unit, double value, std::string note = "");

  /// A row that could not be had here: a peer that is not installed, a device that is not there.
  void Missing(std::string name, std::string reason);

  const std::vector<Row>& rows() const { return rows_; }

 private:
  void Say(std::string_view line) const;

  Options options_;
  std::vector<Row> rows_;
};

/// The middle value; of an even number of values the mean of the middle two. `values` not empty.
double Median(std::vector<double> values);

}  // namespace forebay::bench
