#include "bench/output.h"
#include "src/base/json_string.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace forebay::bench {
namespace {

constexpr size_t kColumns = 8;
using Cells = std::array<std::string, kColumns>;

std::string Cell(const std::optional<double>& value) {
  return value ? fmt::format("{:.4g}", *value) : "-";
}

/// 123456789 reads badly and 1.235e+08 worse: "123.5 M".
std::string Scaled(const std::optional<double>& value) {
  if (!value) return "-";
  const double size = std::fabs(*value);
  if (size >= 1e9) return fmt::format("{:.4g} G", *value / 1e9);
  if (size >= 1e6) return fmt::format("{:.4g} M", *value / 1e6);
  if (size >= 1e4) return fmt::format("{:.4g} k", *value / 1e3);
  return Cell(value);
}

std::string Spread(const Row& row) {
  if (row.runs.empty()) return "-";
  const auto [low, high] = std::ranges::minmax(row.runs);
  return fmt::format("{:.3f}..{:.3f}", low, high);
}

std::string Verdict(const Row& row) {
  if (!row.ok) return "MISS: " + row.reason + (row.note.empty() ? "" : " (" + row.note + ")");
  const std::string verdict = row.target ? "ok" : "info";
  return row.note.empty() ? verdict : verdict + ": " + row.note;
}

Cells ToCells(const Row& row) {
  const std::string target =
      row.target ? (row.goal == Goal::kAtLeast ? ">= " : "<= ") + Cell(row.target) : "-";
  return {row.name,        row.unit,    Scaled(row.ours), Scaled(row.baseline),
          Cell(row.ratio), Spread(row), target,           Verdict(row)};
}

/// JSON knows neither NaN nor infinity.
std::string JsonNumber(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? fmt::format("{}", *value) : "null";
}

std::string JsonRow(const Row& row) {
  std::string runs;
  for (const double run : row.runs) runs += (runs.empty() ? "" : ", ") + JsonNumber(run);
  std::string out = fmt::format(
      R"({{"name": {}, "unit": {}, "ours": {}, "baseline": {}, "ratio": {}, "target": {}, )"
      R"("goal": "{}", "ok": {}, "runs": [{}])",
      JsonString(row.name), JsonString(row.unit), JsonNumber(row.ours), JsonNumber(row.baseline),
      JsonNumber(row.ratio), JsonNumber(row.target),
      row.goal == Goal::kAtLeast ? "at least" : "at most", row.ok, runs);
  if (!row.reason.empty()) out += ", \"reason\": " + JsonString(row.reason);
  if (!row.note.empty()) out += ", \"note\": " + JsonString(row.note);
  return out + "}";
}

}  // namespace

std::string ToTable(std::span<const Row> rows) {
  std::vector<Cells> lines{
      {"figure", "unit", "ours", "baseline", "ratio", "spread", "target", "verdict"}};
  for (const Row& row : rows) lines.push_back(ToCells(row));
  std::array<size_t, kColumns> width{};
  for (const Cells& line : lines) {
    for (size_t i = 0; i < kColumns; ++i) width[i] = std::max(width[i], line[i].size());
  }
  std::string out;
  for (const Cells& line : lines) {
    for (size_t i = 0; i + 1 < kColumns; ++i) out += fmt::format("{:<{}}  ", line[i], width[i]);
    out += line.back() + "\n";
  }
  return out;
}

std::string ToJson(std::span<const Row> rows) {
  std::string out = "[";
  for (const Row& row : rows) out += (out.size() == 1 ? "\n  " : ",\n  ") + JsonRow(row);
  return out + "\n]\n";
}

}  // namespace forebay::bench
