// What a cache keeps when it cannot keep everything.
//
// A policy sees only names, sizes and the order of calls: no clock, no chance of its own, no I/O.
// The same calls give the same answers, so that a run can be replayed. It is not thread-safe: its
// owner calls it under one lock, or from one place.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>

namespace forebay {

/// An entry of the cache, as its owner numbers them: small, dense, used again once free. A policy
/// keeps what it knows of an entry in arrays by slot.
using Slot = uint32_t;
inline constexpr Slot kNoSlot = std::numeric_limits<Slot>::max();

/// One block as a policy knows it.
struct BlockRef {
  uint64_t key = 0;     // 64 well-spread bits of its name (BlockKey::Spread)
  uint32_t weight = 1;  // what it takes of the capacity, in the owner's unit (pages, bytes / 4096)
};

struct SlotHit {
  Slot slot = kNoSlot;
  BlockRef block;
};

class Policy {
 public:
  virtual ~Policy() = default;

  /// A block that is not cached is wanted. Every miss comes through here once, also while there is
  /// room, because misses teach the policy as much as hits do. `full` says that something must
  /// leave before the block fits. The answer is whether to cache it; without `full` it is yes.
  virtual bool Admit(const BlockRef& wanted, bool full) = 0;

  /// `slot` now holds `block`. Also for blocks that nobody asked for (found at a restart, written).
  virtual void Insert(Slot slot, const BlockRef& block) = 0;

  /// A read of `slot`. May come late, in batches, and not at all for some; a slot that has left
  /// meanwhile is ignored.
  virtual void Hit(Slot slot, const BlockRef& block) = 0;

  /// Hit for each of them, in order; what they look at is asked for ahead where that pays.
  virtual void Hits(std::span<const SlotHit> hits) {
    for (const SlotHit& hit : hits) Hit(hit.slot, hit.block);
  }

  /// Brings what Hit of this slot looks at into the processor's caches, or does nothing.
  virtual void Fetch(Slot /*slot*/) const {}

  /// `slot` left for another reason than Victims (deleted, its disk died).
  virtual void Erase(Slot slot, uint64_t key) = 0;

  /// Proposes what should leave next, coldest first, and removes nothing: the owner takes the one
  /// that suits it among the first and calls Evicted. Fills at most out.size() entries and returns
  /// how many; 0 only if the policy holds nothing. Amortised O(out.size()).
  virtual size_t Victims(std::span<Slot> out) = 0;

  /// A proposed slot, which held `key`, left.
  virtual void Evicted(Slot slot, uint64_t key) = 0;

  /// The owner cannot let `slot` go now (somebody reads it): propose others first.
  virtual void Spare(Slot slot) = 0;

  /// The capacity changed, in the unit of the weights.
  virtual void SetCapacity(uint64_t weight) = 0;

  /// Everything it has allocated or will allocate for the slots it was made for.
  virtual uint64_t MemoryBytes() const = 0;

  /// For logs and status pages: "adaptive: sieve (3 switches)".
  virtual std::string Describe() const = 0;
};

}  // namespace forebay
