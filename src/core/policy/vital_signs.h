// Tells which entries of a cache are dead: their reader has gone and will not come back.
#pragma once

#include <cstdint>

namespace forebay {

/// The last access of an entry on a coarse clock: 15 bits, a tick for every 64th of a cache-full of
/// accesses. The top bit of the word is its owner's.
using AgeStamp = uint16_t;

/// Keeps the clock and two judgements about entries that sit and wait for the next epoch:
///
/// - One whose idle time exceeds, by an eighth, the longest that anybody lately came back after.
/// - All of them, when no hit at all came for a cache-full of accesses (or for 16 times the usual
///   wait for a hit, if that is longer): the job has ended or reads something else now. If one of
///   the condemned is hit after all, the rest are reprieved. Each verdict that no hit follows
///   doubles the patience before the next, so that a long first epoch does not turn the cache over
///   again and again.
class VitalSigns {
 public:
  static constexpr AgeStamp kMask = 0x7fff;
  /// Ages are kept from wrapping by their owner, who lifts older ones to this.
  static constexpr AgeStamp kOldest = 0x6000;

  /// Time passes: one access to a cache of `entries`.
  void Tick(uint32_t entries);

  /// An entry last used at `stamp` was hit.
  void Hit(AgeStamp stamp, uint32_t entries);

  /// A full cache turned somebody away; may condemn all of its `entries`.
  void Miss(uint32_t entries);

  AgeStamp Now() const { return now_; }
  AgeStamp Age(AgeStamp stamp) const { return static_cast<AgeStamp>((now_ - stamp) & kMask); }
  bool Dead(AgeStamp stamp) const {
    const AgeStamp age = Age(stamp);
    return age > horizon_ || (condemned_ && age >= Age(condemned_at_));
  }

 private:
  void CloseWindow();
  void Condemn();

  AgeStamp now_ = 0;
  AgeStamp horizon_ = kOldest;
  AgeStamp longest_now_ = 0;     // gaps of the window that runs
  AgeStamp longest_before_ = 0;  // and of the one before
  AgeStamp condemned_at_ = 0;
  bool condemned_ = false;
  uint8_t fruitless_ = 0;
  bool first_window_ = true;
  uint32_t until_tick_ = 0;
  uint32_t window_hits_ = 0;
  uint64_t accesses_ = 0;
  uint64_t last_hit_ = 0;
  uint64_t refusals_ = 0;  // misses of the full cache since then
  double usual_wait_ = 0;
};

}  // namespace forebay
