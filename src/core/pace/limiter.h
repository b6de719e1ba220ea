// How many requests a store gets at a time: one more for each round that goes well, half as many
// once it asks to slow down, and where it asks again and again, none for a while, then one that
// looks whether it is better. What TCP does for a network, for a store.
#pragma once

#include <algorithm>
#include <cstdint>

namespace forebay {

struct LimiterOptions {
  uint32_t most = 256;
  uint32_t at_start = 64;
};

/// Pure: times are given. Nanoseconds of any one clock.
class Limiter {
 public:
  static constexpr int64_t kRound = 100'000'000;  // refusals within one round are one piece of news
  static constexpr uint32_t kRefusalsToClose = 4;  // without any success between them
  static constexpr int64_t kFirstPause = 200'000'000;
  static constexpr int64_t kLongestPause = 2'000'000'000;
  static constexpr int64_t kLongestWaitTaken = 60'000'000'000;  // of what a store may ask for

  explicit Limiter(LimiterOptions options)
      : most_(std::max(1u, options.most)),
        limit_(std::clamp(options.at_start, 1u, most_)),
        threshold_(limit_) {}

  bool MayStart(int64_t now) const {
    if (now < opens_at_) return false;
    return in_flight_ < (probing_ ? 1 : static_cast<uint32_t>(limit_));
  }
  /// When it is worth asking again where it is closed now.
  int64_t opens_at() const { return opens_at_; }

  /// A request is news only of the time since it began: each closing begins a new epoch, and what
  /// began before is neither waited for nor believed.
  using Epoch = uint64_t;
  Epoch Start() {
    ++in_flight_;
    return epoch_;
  }
  bool IsCurrent(Epoch began) const { return began == epoch_; }
  void Ended(Epoch began) {
    if (began == epoch_) --in_flight_;
  }

  void Succeeded(Epoch began) {
    if (began != epoch_) return;
    refusals_ = 0;
    pause_ = 0;
    probing_ = false;
    // Quickly up to where it went well before, carefully beyond.
    limit_ += limit_ < threshold_ ? 1.0 : 1.0 / limit_;
    limit_ = std::min(limit_, static_cast<double>(most_));
  }

  /// The store asks to slow down; `wait` as long as it says, or 0. `chance` is uniform in [0, 1).
  void Refused(Epoch began, int64_t now, int64_t wait, double chance) {
    if (wait > 0) opens_at_ = std::max(opens_at_, now + std::min(wait, kLongestWaitTaken));
    if (began != epoch_) return;
    ++refusals_;
    if (!probing_ && now >= last_cut_ + kRound) {
      last_cut_ = now;
      threshold_ = std::max(1.0, limit_ / 2);
      limit_ = threshold_;
    }
    if (refusals_ < kRefusalsToClose && limit_ > 1 && !probing_) return;
    pause_ = std::clamp(pause_ * 2, kFirstPause, kLongestPause);
    const auto jittered = static_cast<int64_t>(static_cast<double>(pause_) * (0.5 + chance / 2));
    opens_at_ = std::max(opens_at_, now + jittered);
    probing_ = true;
    limit_ = 1;
    ++epoch_;
    in_flight_ = 0;
  }

  uint32_t in_flight() const { return in_flight_; }
  uint32_t limit() const { return static_cast<uint32_t>(limit_); }
  /// The store asks for less than we could send.
  bool slowed() const { return probing_ || refusals_ > 0; }

 private:
  const uint32_t most_;
  double limit_;
  double threshold_;  // up to here a success counts whole
  Epoch epoch_ = 0;
  uint32_t in_flight_ = 0;  // of this epoch
  uint32_t refusals_ = 0;   // since the last success
  int64_t last_cut_ = -kRound;
  int64_t opens_at_ = 0;
  int64_t pause_ = 0;
  bool probing_ = false;
};

}  // namespace forebay
