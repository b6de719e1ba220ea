// What one file holds: as readers see it now, and as a power cut would leave it. Pure: no time, no
// waiting, chance only by the generator passed in.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "sim/range_set.h"
#include "sim/sparse_bytes.h"
#include "src/base/bytes.h"
#include "src/base/prng.h"

namespace forebay::sim {

/// What becomes of a write that a crash finds unsynced: kept whole, lost whole, otherwise torn.
struct CrashRates {
  double keep = 0.35;
  double lose = 0.35;
};

/// What a crash or a failed sync did.
struct CrashTally {
  uint64_t writes_kept = 0;
  uint64_t writes_lost = 0;
  uint64_t writes_torn = 0;
  uint64_t writes_reordered = 0;  // kept, though an earlier one was lost
  uint64_t sizes_kept = 0;
  uint64_t sizes_lost = 0;
};

/// Two images of the file, the current and the durable one, and what lies between them in order.
/// They share pages, so that an unsynced write costs its pages once. A write that nobody syncs is
/// written back some time, as kernels do: what lies between is bounded.
class SimFileImage {
 public:
  uint64_t size_bytes() const { return current_.size; }
  uint64_t allocated_bytes() const { return current_.allocated.total_bytes(); }
  size_t unsynced() const { return between_.size(); }
  /// Pages that hold anything but zeros: what the file costs here.
  size_t resident_pages() const { return current_.bytes.pages(); }

  /// By how much a write or a preallocation of this range would grow allocated_bytes.
  uint64_t GrowthFor(uint64_t offset, uint64_t size) const;

  /// Fewer than into.size() only where the file ends.
  size_t Read(uint64_t offset, MutableBytes into) const;
  void Write(uint64_t offset, std::span<const Bytes> parts);
  void Resize(uint64_t size, bool preallocate);

  /// Everything up to now has this mark or a lower one.
  uint64_t mark() const { return next_ - 1; }
  void SyncThrough(uint64_t mark);

  /// A sync that failed: what it covered is settled as by a crash and will never be synced. What
  /// readers see is that outcome at once, or (`stays_visible`: the kernel marked its pages clean)
  /// still the lost bytes, until a crash.
  CrashTally FailSyncThrough(uint64_t mark, bool stays_visible, Prng& prng,
                             const CrashRates& rates);

  /// The power goes: the current image becomes the durable one plus whatever chance saves.
  CrashTally Crash(Prng& prng, const CrashRates& rates);

  /// The medium rots: one bit differs from now on, for readers and after a crash.
  void FlipBit(uint64_t offset, unsigned bit);

 private:
  struct Image {
    SparseBytes bytes;
    RangeSet allocated;
    uint64_t size = 0;
  };
  struct Change {
    uint64_t mark = 0;
    bool resize = false;
    bool preallocate = false;
    uint64_t offset = 0;
    uint64_t size = 0;        // of the write, or the file's new one
    std::vector<Page> pages;  // as they were after the write, from offset's page on
  };

  static void ApplyRange(Image& image, const Change& change, uint64_t from, uint64_t to);
  static void Apply(Image& image, const Change& change);
  static bool ApplyTorn(Image& image, const Change& change, Prng& prng);
  CrashTally Settle(uint64_t mark, Prng& prng, const CrashRates& rates);
  void WriteBack();

  Image current_;
  Image durable_;
  std::deque<Change> between_;
  uint64_t next_ = 1;
};

}  // namespace forebay::sim
