#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/app/commands.h"
#include "src/app/exit_status.h"
#include "src/base/result.h"
#include "src/core/policy/factory.h"
#include "src/core/policy/replay.h"
#include "src/core/policy/trace.h"
#include "src/core/policy/workload.h"

namespace forebay::app {
namespace {

constexpr size_t kPieceBytes = size_t{64} * 1024;
constexpr std::string_view kOptimum = "optimum";

struct Arguments {
  std::string trace;
  std::vector<std::string> caches = {"1%", "10%", "50%"};
  std::vector<std::string> policies;
  std::string csv_path;
  bool skip_bad = false;
};

/// One line of the table: a cache size, and a hit ratio for every policy.
struct Line {
  std::string cache;
  uint64_t capacity = 0;
  std::vector<ReplayCount> counts;
};

Result<Trace> ReadFile(const Arguments& arguments) {
  std::ifstream file(arguments.trace, std::ios::binary);
  if (!file) {
    return Fail(Code::kNotFound,
                fmt::format("trace '{}': no such file to read, and no workload of that name "
                            "(zipf, zipf-scan, epochs)",
                            arguments.trace));
  }
  TraceParser parser(arguments.trace, arguments.skip_bad ? BadLines::kSkip : BadLines::kFail);
  std::array<char, kPieceBytes> piece{};
  while (file.read(piece.data(), piece.size()), file.gcount() > 0) {
    FB_TRY(parser.Feed({piece.data(), static_cast<size_t>(file.gcount())}));
  }
  if (file.bad()) {
    return Fail(Code::kIoError, fmt::format("trace '{}': cannot be read", arguments.trace));
  }
  if (parser.skipped() > 0) {
    fmt::print(stderr, "{}: skipped {} bad lines\n", arguments.trace, parser.skipped());
  }
  return parser.Finish();
}

Result<Trace> Load(const Arguments& arguments) {
  return IsWorkload(arguments.trace) ? MakeWorkload(arguments.trace) : ReadFile(arguments);
}

/// The columns: the optimum where it is known, then the policies asked for, or all.
std::vector<std::string> Columns(const Arguments& arguments, const Trace& trace) {
  std::vector<std::string> columns;
  if (trace.unit_weights()) columns.emplace_back(kOptimum);
  if (arguments.policies.empty()) {
    for (const std::string_view name : PolicyNames()) columns.emplace_back(name);
  }
  columns.insert(columns.end(), arguments.policies.begin(), arguments.policies.end());
  return columns;
}

Result<Line> ReplayLine(const Trace& trace, const std::string& cache,
                        const std::vector<std::string>& columns) {
  Line line{.cache = cache};
  FB_ASSIGN(line.capacity, ParseCapacity(cache, trace.footprint()));
  for (const std::string& column : columns) {
    if (column == kOptimum) {
      line.counts.push_back(ReplayOptimum(trace, line.capacity));
      continue;
    }
    FB_ASSIGN(const ReplayCount count, Replay(trace, column, line.capacity));
    line.counts.push_back(count);
  }
  return line;
}

void PrintHeading(const Arguments& arguments, const Trace& trace,
                  const std::vector<std::string>& columns) {
  fmt::print("{}: {} reads of {} blocks, footprint {}", arguments.trace, trace.size(),
             trace.distinct(), trace.footprint());
  if (trace.count_from > 0) fmt::print(", counted from read {} on", trace.count_from);
  fmt::print("\n{:>8} {:>14}", "cache", "capacity");
  for (const std::string& column : columns) fmt::print(" {:>9}", column);
  fmt::print("\n");
}

void PrintLine(const Line& line) {
  fmt::print("{:>8} {:>14}", line.cache, line.capacity);
  for (const ReplayCount& count : line.counts) fmt::print(" {:>9.4f}", count.ratio());
  fmt::print("\n");
}

void WriteCsv(std::ofstream& csv, const Line& line, const std::vector<std::string>& columns) {
  for (size_t i = 0; i < columns.size(); ++i) {
    csv << fmt::format("{},{},{},{},{},{:.6f}\n", line.cache, line.capacity, columns[i],
                       line.counts[i].hits, line.counts[i].reads, line.counts[i].ratio());
  }
}

std::unexpected<Error> CannotWrite(const std::string& path) {
  return Fail(Code::kIoError, fmt::format("cannot write '{}'", path));
}

Result<void> RunReplay(const Arguments& arguments) {
  // What can be wrong is found out before the work, not after it.
  for (const std::string& name : arguments.policies) {
    FB_TRY(MakePolicy(name, {.max_slots = 1, .capacity = 1}));
  }
  FB_ASSIGN(const Trace trace, Load(arguments));
  for (const std::string& cache : arguments.caches) {
    FB_TRY(ParseCapacity(cache, trace.footprint()));
  }
  std::ofstream csv;
  if (!arguments.csv_path.empty()) {
    csv.open(arguments.csv_path);
    csv << "cache,capacity,policy,hits,reads,hit_ratio\n" << std::flush;
    if (!csv) return CannotWrite(arguments.csv_path);
  }
  const std::vector<std::string> columns = Columns(arguments, trace);
  PrintHeading(arguments, trace, columns);
  for (const std::string& cache : arguments.caches) {
    FB_ASSIGN(const Line line, ReplayLine(trace, cache, columns));
    PrintLine(line);
    if (csv.is_open()) WriteCsv(csv, line, columns);
  }
  csv.flush();
  if (!arguments.csv_path.empty() && !csv) {
    return CannotWrite(arguments.csv_path);
  }
  return {};
}

constexpr const char* kTraceHelp =
    "a file (JSON lines with \"hash_ids\", or lines key | key,size | timestamp,key,size) or a "
    "workload: zipf:alpha=0.9,objects=100000,requests=1000000 | "
    "zipf-scan:...,scan_every=50000,scan_length=10000,scan_objects=100000 | "
    "epochs:objects=100000,epochs=6,jobs=1";

}  // namespace

void AddPolicyCommand(CLI::App& app, int& status) {
  CLI::App* policy = app.add_subcommand("policy", "look at cache policies");
  policy->require_subcommand(1);
  CLI::App* replay = policy->add_subcommand(
      "replay", "run a trace through every policy and print the hit ratios beside the optimum");
  // The callback runs long after this function has returned.
  const auto arguments = std::make_shared<Arguments>();
  replay->add_option("trace", arguments->trace, kTraceHelp)->required();
  replay->add_option("--cache", arguments->caches, "sizes: parts of the footprint, or amounts")
      ->delimiter(',')
      ->capture_default_str();
  replay
      ->add_option("--policies", arguments->policies,
                   fmt::format("which of {} (default: all)", fmt::join(PolicyNames(), ", ")))
      ->delimiter(',');
  replay->add_option("--csv", arguments->csv_path, "also write the figures to this file");
  replay->add_flag("--skip-bad", arguments->skip_bad, "count bad lines instead of giving up");
  replay->callback([arguments, &status] {
    const Result<void> done = RunReplay(*arguments);
    status = done ? kExitOk : Complain("policy replay", done.error());
  });
}

}  // namespace forebay::app
