// Sizes and alignment, in words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/result.h"

namespace forebay {

inline constexpr uint64_t kKiB = 1024;
inline constexpr uint64_t kMiB = 1024 * kKiB;
inline constexpr uint64_t kGiB = 1024 * kMiB;
inline constexpr uint64_t kTiB = 1024 * kGiB;

constexpr uint64_t DivideRoundUp(uint64_t n, uint64_t by) {
  return (n + by - 1) / by;
}
constexpr uint64_t RoundUp(uint64_t n, uint64_t to) {
  return DivideRoundUp(n, to) * to;
}
constexpr uint64_t RoundDown(uint64_t n, uint64_t to) {
  return n / to * to;
}

/// "1536", "64KiB", "1.5 GiB", "8M" (binary: M is MiB). Rejects negatives, overflow and unknown
/// suffixes by name.
Result<uint64_t> ParseSize(std::string_view text);

/// The shortest of "1536 B", "64 KiB", "1.5 GiB" that a person wants to read.
std::string FormatSize(uint64_t bytes);

}  // namespace forebay
