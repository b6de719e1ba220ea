// How much a test should do: seconds for a person at a desk, minutes for CI, hours for a night.
// Included by tests only.
#pragma once

#include <cstdlib>
#include <string_view>

namespace forebay {

enum class TestTier { kQuick, kCi, kFull };

/// What FOREBAY_TEST_TIER says: quick (also where it says nothing), ci or full. `./dev test` sets
/// it; by hand: FOREBAY_TEST_TIER=full build/release/...
inline TestTier CurrentTestTier() {
  const char* text = std::getenv("FOREBAY_TEST_TIER");
  const std::string_view tier = text == nullptr ? "quick" : text;
  if (tier == "full") return TestTier::kFull;
  return tier == "ci" ? TestTier::kCi : TestTier::kQuick;
}

/// The amount for the current tier: `const int seeds = ByTier(20, 200, 20'000);`
template <class T>
T ByTier(T quick, T ci, T full) {
  const TestTier tier = CurrentTestTier();
  return tier == TestTier::kFull ? full : tier == TestTier::kCi ? ci : quick;
}

}  // namespace forebay
