// How long a store's answers took lately, to know when one is late.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace forebay {

/// Used from one loop.
class Latencies {
 public:
  static constexpr uint32_t kKept = 512;
  static constexpr uint32_t kEnough = 64;     // before there is an opinion
  static constexpr uint32_t kRecompute = 32;  // samples
  static constexpr uint32_t kPercent = 98;

  void Add(int64_t nanos) {
    kept_[count_ % kKept] = nanos;
    ++count_;
    if (count_ >= kEnough && count_ % kRecompute == 0) Compute();
  }
  /// What nearly all answers beat; nullopt: too few so far.
  std::optional<int64_t> Late() const { return late_; }

 private:
  void Compute() {
    std::array<int64_t, kKept> sorted = kept_;
    const auto count = static_cast<ptrdiff_t>(std::min<uint64_t>(count_, kKept));
    const auto at = sorted.begin() + count * kPercent / 100;
    std::nth_element(sorted.begin(), at, sorted.begin() + count);
    late_ = *at;
  }

  std::array<int64_t, kKept> kept_{};
  uint64_t count_ = 0;
  std::optional<int64_t> late_;
};

}  // namespace forebay
