// Tells which entries of a cache are dead: their reader has gone and will not come back.
#pragma once

#include <cstdint>

namespace forebay {

/// The last access of an entry on a coarse clock: 15 bits, a tick for every 64th of a cache-full of
/// accesses. The top bit of the word is its owner's.
using AgeStamp = uint16_t;

/// A provisional verdict falls as soon as one of the condemned is hit after all.
enum class Verdict : uint8_t { kProvisional, kFinal };

/// Keeps the clock and two judgements about entries that sit and wait for the next epoch:
///
/// - One whose idle time exceeds, by a quarter, the longest that anybody lately came back after.
/// - All of them, when no hit at all came for a cache-full of misses or a few (or for twice the
///   longest wait for a hit lately, if that is longer): the job has ended or reads something else
///   now. Each verdict that no hit follows doubles the patience before the next, so that a long
///   first epoch does not turn the cache over again and again.
class VitalSigns {
 public:
  static constexpr AgeStamp kMask = 0x7fff;
  /// Ages are kept from wrapping by their owner, who lifts older ones to this.
  static constexpr AgeStamp kOldest = 0x6000;

  /// Time passes: one access to a cache of `entries`.
  void Tick(uint32_t entries);

  /// An entry last used at `stamp` was hit.
  void Hit(AgeStamp stamp, uint32_t entries);

  /// A miss of the full cache; may condemn all of its `entries`, after `patience` cache-fulls.
  void Miss(uint32_t entries, uint32_t patience);

  void Condemn(Verdict verdict);

  AgeStamp Now() const { return static_cast<AgeStamp>(ticks_ & kMask); }
  AgeStamp Age(AgeStamp stamp) const { return static_cast<AgeStamp>((ticks_ - stamp) & kMask); }
  bool Condemned(AgeStamp stamp) const { return condemned_ && Age(stamp) >= Age(condemned_at_); }
  /// Condemned with all others, or idle for too long by itself.
  bool Dead(AgeStamp stamp) const {
    return Age(stamp) > horizon_ + (ticks_ - window_began_) || Condemned(stamp);
  }

 private:
  void CloseWindow();
  void CountWait(uint32_t entries);

  uint64_t ticks_ = 0;
  uint64_t window_began_ = 0;
  AgeStamp horizon_ = kOldest;
  AgeStamp longest_now_ = 0;     // gaps of the window that runs
  AgeStamp longest_before_ = 0;  // and of the one before
  AgeStamp condemned_at_ = 0;
  bool condemned_ = false;
  Verdict verdict_ = Verdict::kProvisional;
  uint8_t fruitless_ = 0;
  bool first_window_ = true;
  uint32_t until_tick_ = 0;
  uint32_t window_hits_ = 0;
  uint64_t accesses_ = 0;
  uint64_t last_hit_ = 0;
  uint64_t refusals_ = 0;  // misses of the full cache since then
  uint32_t generation_hits_ = 0;
  uint64_t longest_wait_now_ = 0;  // between two hits, in this generation of the entries
  uint64_t longest_wait_before_ = 0;
};

}  // namespace forebay
