// Hit ratios of admission and eviction, each policy's beside ours. Figures of a replay are exact:
// they are the same on every machine and need no pairs.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <optional>

#include "bench/rows.h"
#include "src/base/prng.h"
#include "src/core/policy/adaptive.h"
#include "src/core/policy/factory.h"
#include "src/core/policy/replay.h"
#include "src/core/policy/workload.h"

namespace forebay::bench {
namespace {

constexpr double kOfFraction = 0.97;
constexpr double kBelowBest = 0.01;
constexpr size_t kPieceBytes = size_t{64} * 1024;
constexpr std::string_view kUnit = "hit ratio";

/// All figures of one trace at one size.
struct Standing {
  std::vector<std::pair<std::string_view, double>> ratios;  // ours first
  std::string note;

  double Of(std::string_view policy) const {
    for (const auto& [name, ratio] : ratios) {
      if (name == policy) return ratio;
    }
    return 0;
  }
};

Result<Standing> ReplayAll(const Trace& trace, uint64_t capacity) {
  Standing standing;
  standing.note = fmt::format("optimum {:.4f}", ReplayOptimum(trace, capacity).ratio());
  for (const std::string_view name : PolicyNames()) {
    FB_ASSIGN(const ReplayCount count, Replay(trace, name, capacity));
    standing.ratios.emplace_back(name, count.ratio());
    if (name != "adaptive") standing.note += fmt::format(" {} {:.4f}", name, count.ratio());
  }
  return standing;
}

/// A row for ours and one for each of the others, which have no target.
void AddRows(Report& report, const std::string& name, double target, const Standing& standing) {
  report.Figure(name, std::string(kUnit), Goal::kAtLeast, target, standing.Of("adaptive"),
                standing.note);
  for (const auto& [policy, ratio] : standing.ratios) {
    if (policy == "adaptive") continue;
    report.Info(fmt::format("{}: {}", name, policy), std::string(kUnit), ratio);
  }
}

/// Made only if one of its rows is wanted.
class LazyTrace {
 public:
  explicit LazyTrace(std::string spec) : spec_(std::move(spec)) {}

  Result<const Trace*> Get() {
    if (!trace_) {
      FB_ASSIGN(trace_, IsWorkload(spec_) ? MakeWorkload(spec_) : Read());
    }
    return &*trace_;
  }

 private:
  Result<Trace> Read() const {
    std::ifstream file(spec_, std::ios::binary);
    if (!file) return Fail(Code::kNotFound, fmt::format("no {} (set FOREBAY_TRACES)", spec_));
    TraceParser parser(spec_, BadLines::kFail);
    std::array<char, kPieceBytes> piece{};
    while (file.read(piece.data(), piece.size()), file.gcount() > 0) {
      FB_TRY(parser.Feed({piece.data(), static_cast<size_t>(file.gcount())}));
    }
    return parser.Finish();
  }

  std::string spec_;
  std::optional<Trace> trace_;
};

void EpochRows(Report& report, const std::string& name, const std::string& spec) {
  LazyTrace trace(spec);
  for (const double f : {0.1, 0.25, 0.5, 0.9}) {
    const std::string row = fmt::format("policy {}, f = {}", name, f);
    if (!report.Wants(row)) continue;
    const auto made = trace.Get();
    if (!made) return report.Missing(row, made.error().message());
    const auto footprint = static_cast<double>((*made)->footprint());
    const auto standing = ReplayAll(**made, static_cast<uint64_t>(f * footprint));
    if (!standing) return report.Missing(row, standing.error().message());
    AddRows(report, row, kOfFraction * f, *standing);
  }
}

void RecencyRows(Report& report, const std::string& name, const std::string& spec) {
  LazyTrace trace(spec);
  for (const char* share : {"1%", "10%", "50%"}) {
    const std::string row = fmt::format("policy {}, {} cached", name, share);
    if (!report.Wants(row)) continue;
    const auto made = trace.Get();
    if (!made) return report.Missing(row, made.error().message());
    const auto capacity = ParseCapacity(share, (*made)->footprint());
    const auto standing = ReplayAll(**made, *capacity);
    if (!standing) return report.Missing(row, standing.error().message());
    const double best = std::max(standing->Of("lru"), standing->Of("sieve"));
    AddRows(report, row, best - kBelowBest, *standing);
  }
}

void SpeedRows(Report& report) {
  const std::string row = "policy replay speed";
  if (!report.Wants(row)) return;
  const Trace trace = *MakeWorkload("zipf:objects=1000000,requests=2000000");
  for (const std::string_view name : PolicyNames()) {
    const auto start = std::chrono::steady_clock::now();
    const auto count = Replay(trace, name, trace.footprint() / 5);
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    if (!count) continue;
    report.Info(fmt::format("{}: {}", row, name), "M reads/s",
                static_cast<double>(trace.size()) / spent.count() / 1e6);
  }
}

void MemoryRow(Report& report) {
  constexpr uint32_t kSlots = 5'000'000;
  const std::string row = "policy memory at 5,000,000 blocks";
  if (!report.Wants(row)) return;
  AdaptivePolicy policy(kSlots, kSlots, PolicyOptions{}.max_model_entries);
  for (Slot slot = 0; slot < kSlots; ++slot) {
    policy.Admit({.key = Mix64(slot)}, false);
    policy.Insert(slot, {.key = Mix64(slot)});
  }
  report.Figure(row, "bytes/block", Goal::kAtMost, 12,
                static_cast<double>(policy.MemoryBytes()) / kSlots);
}

std::string KvTrace() {
  const char* folder = std::getenv("FOREBAY_TRACES");
  return std::string(folder == nullptr ? "../shared/traces" : folder) + "/kv_conversation.jsonl";
}

}  // namespace

void PolicyRows(Report& report) {
  EpochRows(report, "fresh permutations", "epochs:objects=100000");
  EpochRows(report, "8 jobs' permutations", "epochs:objects=25000,jobs=8");
  RecencyRows(report, "Zipf(0.9)", "zipf:alpha=0.9");
  RecencyRows(report, "Zipf(0.9) with scans", "zipf-scan:alpha=0.9");
  RecencyRows(report, "public KV trace", KvTrace());
  MemoryRow(report);
  SpeedRows(report);
}

}  // namespace forebay::bench
