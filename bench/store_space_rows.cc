// How much of a disk tier holds data, and what a block costs in the index.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <string>
#include <vector>

#include "bench/rows.h"
#include "bench/store_fixture.h"
#include "src/base/prng.h"
#include "src/base/units.h"
#include "src/store/disk_space.h"
#include "src/store/format.h"
#include "src/store/testing/patterns.h"

namespace forebay::bench {
namespace {

using store_testing::Key;

constexpr uint64_t kTierBytes = 8 * kGiB;  // both files together
constexpr double kMeanBytes = 100.0 * kKiB;
constexpr double kSigma = 1;
constexpr uint32_t kLargestBytes = 16 * kMiB;  // beyond five sigmas
constexpr int kChurns = 10;

/// Lengths of blocks, the same for the same number.
uint32_t LengthOf(uint64_t n) {
  Prng prng(n);
  // Box-Muller; 1 - Unit() is never 0.
  const double normal =
      std::sqrt(-2 * std::log(1 - prng.Unit())) * std::cos(2 * std::numbers::pi * prng.Unit());
  const double mu = std::log(kMeanBytes) - kSigma * kSigma / 2;
  const double bytes = std::exp(mu + kSigma * normal);
  return static_cast<uint32_t>(std::clamp(bytes, 1.0, double{kLargestBytes}));
}

/// A tier without its files: the product's own allocation and eviction, and frames of a small
/// memory tier that the blocks come from, but nothing is written.
class DrySpace {
 public:
  DrySpace(Memory& memory, const std::string& policy)
      : index_(dram_options_.capacity_bytes / kPageBytes + kRecords + 3 * kRounding, kRecords),
        dram_(memory, index_, dram_options_),
        space_(index_, dram_,
               {.data_pages = static_cast<uint32_t>((kTierBytes - kIndexBytes) / kPageBytes),
                .records = kRecords,
                .policy = policy}) {
    space_.AdoptGaps({});
  }

  /// One block comes in, is flushed and leaves memory when its frame is needed. Whether the policy
  /// would rather keep what is there is not asked: a tier that refuses does not churn.
  Result<void> Add(uint64_t n) {
    const BlockKey key = Key(n);
    const uint32_t length = LengthOf(n);
    FB_ASSIGN(const uint32_t number, dram_.Allocate(key, 1, length, BlockClass::kData, false));
    Frame& frame = dram_.frame(number);
    frame.slot = dram_.SlotOf(number);
    frame.filling = false;
    frame.complete = frame.flushed = true;
    index_.Lock(key).Insert(frame.slot, {.key = key, .length = length, .frame = number});
    dram_.Published(number);
    FB_ASSIGN(const Place place, space_.Allocate(frame.layout().total_pages, BlockClass::kData));
    if (space_.Publish(place, frame, BlockClass::kData, true)) return {};
    return Fail(Code::kInternal, "a block left the index before it was published");
  }

  /// A read: the order in which blocks leave is not the order in which they came.
  void Hit(uint64_t n) {
    const BlockKey key = Key(n);
    auto guard = index_.Lock(key);
    const Slot slot = guard.Find(key);
    if (slot == kNone || !space_.Owns(slot)) return;
    const uint32_t pages = ImageLayout(index_.entry(slot).length).total_pages;
    const Index::PendingHit hit{.block = {key.Spread(), pages}, .slot = slot};
    guard.Unlock();
    space_.Hits(std::span(&hit, 1));
  }

  /// The length of block n if the disk holds it.
  uint32_t HeldBytes(uint64_t n) {
    const BlockKey key = Key(n);
    auto guard = index_.Lock(key);
    const Slot slot = guard.Find(key);
    return slot == kNone || !space_.Owns(slot) ? 0 : index_.entry(slot).length;
  }

  DiskSpace::Usage usage() { return space_.usage(); }

 private:
  static constexpr uint64_t kRounding = 4096;
  static constexpr uint32_t kRecords = kTierBytes / (16 * kKiB);  // as DiskOptions has it
  static constexpr uint64_t kIndexBytes = kRecordsOffset + kRecords * Record::kBytes;

  const DramOptions dram_options_{.capacity_bytes = 256 * kMiB, .max_block_bytes = kLargestBytes};
  Index index_;
  DramTier dram_;
  DiskSpace space_;
};

double ShareHeld(DrySpace& space, uint64_t blocks) {
  double bytes = 0;
  for (uint64_t n = 0; n < blocks; ++n) bytes += space.HeldBytes(n);
  return bytes / static_cast<double>(kTierBytes);
}

struct SpaceShares {
  double fresh = 0;
  double churned = 0;
  double neighbours = 0;  // of all evictions
};

/// Fills the tier until the first block has to go, then brings in ten times its size.
Result<SpaceShares> Churn(Memory& memory, const std::string& policy) {
  DrySpace space(memory, policy);
  SpaceShares shares;
  Prng reads(7);
  double came = 0;
  for (uint64_t n = 0; came < kChurns * static_cast<double>(kTierBytes); ++n) {
    FB_TRY(space.Add(n));
    space.Hit(reads.Below(n + 1));
    if (shares.fresh == 0 && space.usage().evictions > 0) shares.fresh = ShareHeld(space, n + 1);
    if (shares.fresh > 0) came += LengthOf(n);
    if (came >= kChurns * static_cast<double>(kTierBytes)) shares.churned = ShareHeld(space, n + 1);
  }
  const DiskSpace::Usage usage = space.usage();
  shares.neighbours =
      static_cast<double>(usage.neighbour_evictions) / static_cast<double>(usage.evictions);
  return shares;
}

void SpaceRowsOf(Report& report, Memory& memory, const std::string& policy) {
  const std::string name = "store.space." + policy;
  if (!report.Wants(name)) return;
  const auto shares = Churn(memory, policy);
  if (!shares) return report.Missing(name, shares.error().ToString());
  const std::string note = "of 8 GiB, the index file included";
  report.Figure(name + ".fresh", "share", Goal::kAtLeast, 0.93, shares->fresh, note);
  report.Figure(name + ".churned", "share", Goal::kAtLeast, 0.93, shares->churned, note);
  report.Info(name + ".neighbours", "of evictions", shares->neighbours,
              "went for their place, not by the policy");
}

}  // namespace

void StoreSpaceRows(Report& report) {
  if (!report.Wants("store.space.adaptive") && !report.Wants("store.space.lru")) return;
  const auto loop = Loop::Create({});
  if (!loop) return report.Missing("store.space", loop.error().ToString());
  for (const char* policy : {"adaptive", "lru"}) {
    SpaceRowsOf(report, (*loop)->env().memory, policy);
  }
}

}  // namespace forebay::bench
