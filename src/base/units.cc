#include "src/base/units.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace forebay {
namespace {

struct Unit {
  char letter;
  uint64_t bytes;
};
constexpr Unit kUnits[] = {{'T', kTiB}, {'G', kGiB}, {'M', kMiB}, {'K', kKiB}};

/// The factor that a suffix stands for; 0 where it stands for nothing we know.
uint64_t SuffixFactor(std::string_view suffix) {
  if (suffix.empty() || suffix == "B") return 1;
  for (const Unit& unit : kUnits) {
    if (suffix[0] != unit.letter && suffix[0] != unit.letter + ('a' - 'A')) continue;
    std::string_view rest = suffix.substr(1);
    if (rest.empty() || rest == "iB") return unit.bytes;
  }
  return 0;
}

}  // namespace

Result<uint64_t> ParseSize(std::string_view text) {
  const auto fail = [&](std::string_view why) {
    return Fail(Code::kInvalidArgument,
                fmt::format("size '{}': {}; write it like 1048576, 512KiB or 1.5GiB", text, why));
  };
  double number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc() || end == text.data()) return fail("no number at its start");
  std::string_view suffix = text.substr(static_cast<size_t>(end - text.data()));
  while (!suffix.empty() && suffix.front() == ' ') suffix.remove_prefix(1);
  const uint64_t factor = SuffixFactor(suffix);
  if (factor == 0) return fail(fmt::format("unknown suffix '{}'", suffix));
  if (!std::isfinite(number) || number < 0) return fail("a size cannot be negative");
  const double bytes = number * static_cast<double>(factor);
  if (bytes > 9.2e18) return fail("too large");
  return static_cast<uint64_t>(std::llround(bytes));
}

std::string FormatSize(uint64_t bytes) {
  for (const Unit& unit : kUnits) {
    if (bytes < unit.bytes) continue;
    const double amount = static_cast<double>(bytes) / static_cast<double>(unit.bytes);
    if (amount == std::floor(amount)) return fmt::format("{:.0f} {}iB", amount, unit.letter);
    return fmt::format("{:.1f} {}iB", amount, unit.letter);
  }
  return fmt::format("{} B", bytes);
}

}  // namespace forebay
