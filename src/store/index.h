// What the node holds and where: one entry of 48 bytes a block, found by key under the lock of the
// key's stripe.
//
// A slot is the name of an entry. Slots come in spaces: a block that only memory holds has the slot
// of its frame, a block on disk has the slot of its record there, so the index needs no allocator
// of its own and is bounded by what the tiers are. An entry moves when its block first reaches a
// disk.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "src/base/block_key.h"
#include "src/core/policy/policy.h"
#include "src/store/format.h"

namespace forebay {

inline constexpr uint32_t kNone = kNoSlot;
inline constexpr uint8_t kNoDisk = 0xff;
inline constexpr uint16_t kMaxDiskReaders = 0xffff;

/// Guarded by its stripe's lock, but for region_next, which belongs to the disk's lock; `disk` and
/// `first_page` change only under both.
struct Entry {
  BlockKey key;
  uint32_t next = kNone;         // in its hash chain
  uint32_t length = 0;           // bytes
  uint32_t frame = kNone;        // in memory
  uint32_t first_page = 0;       // on disk
  uint32_t region_next = kNone;  // in the list of its part of the disk
  uint16_t domain = 0;
  uint8_t disk = kNoDisk;
  uint16_t disk_readers = 0;  // reads of the disk copy in progress: it stays while there are any
  BlockClass block_class = BlockClass::kData;
  uint8_t flags = 0;

  static constexpr uint8_t kCompleteOnDisk = 1;  // no page is missing there
  static constexpr uint8_t kDiskWriting = 2;     // the disk copy is being changed in place
  static constexpr uint8_t kDoomedOnDisk = 4;  // the disk copy goes when its last reader has ended
  static constexpr uint8_t kBadMedia = 8;      // and its pages are not to be used again
  static constexpr uint8_t kDurable = 16;      // dirty, and acknowledged as such
  static constexpr uint8_t kSettling = 32;     // dirty, and somebody is making it durable now
  bool has(uint8_t flag) const { return (flags & flag) != 0; }
  void set(uint8_t flag, bool on) {
    flags = static_cast<uint8_t>(on ? flags | flag : flags & ~flag);
  }
};
static_assert(sizeof(Entry) <= 48);

/// Any thread. Locks of two stripes are never held at once; a tier's lock comes before a stripe's.
class Index {
 public:
  static constexpr uint32_t kStripes = 256;
  static constexpr uint32_t kHitBatch = 32;

  /// A hit that the policies have not heard of yet.
  struct PendingHit {
    BlockRef block;
    uint32_t frame = kNone;
    Slot slot = kNone;  // of its entry then
  };

  struct alignas(64) Stripe {
    std::mutex mutex;
    uint32_t first_bucket = 0;
    uint32_t buckets = 0;
    uint64_t entries = 0;
    uint64_t hits =
        0;  // counted here, because a counter that all share would be all that they wait for
    uint64_t misses = 0;
    uint32_t pending_hits = 0;
    PendingHit pending[kHitBatch];
  };

  /// The lock of one stripe, and proof that it is held.
  class Guard {
   public:
    Guard(Index& index, uint32_t stripe)
        : index_(index), stripe_(index.stripes_[stripe]), lock_(stripe_.mutex) {}

    Stripe& stripe() { return stripe_; }
    void Unlock() { lock_.unlock(); }

    /// The entry's slot, or kNone.
    Slot Find(const BlockKey& key) const;
    /// Makes `entry` findable under `slot`, which must be free. The key must not be there yet.
    void Insert(Slot slot, const Entry& entry);
    void Remove(Slot slot);
    /// Calls `see(const Entry&)` for each entry of the stripe. It must not change the index.
    template <class See>
    void ForEach(const See& see) const {
      for (uint32_t i = 0; i < stripe_.buckets; ++i) {
        Slot slot = index_.buckets_[stripe_.first_bucket + i].load(std::memory_order_relaxed) - 1;
        for (; slot != kNone; slot = index_.entry(slot).next) see(index_.entry(slot));
      }
    }
    /// The same entry under another slot.
    void Move(Slot from, Slot to);

   private:
    std::atomic<uint32_t>& BucketOf(const BlockKey& key) const {
      return index_.BucketIn(stripe_, key);
    }

    Index& index_;
    Stripe& stripe_;
    std::unique_lock<std::mutex> lock_;
  };

  /// `max_entries` bounds what the spaces may hold together.
  explicit Index(uint64_t max_slots, uint64_t max_entries);
  ~Index();
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

  /// Sets `slots` names aside; returns the first. Before any use of the index.
  Slot AddSpace(uint64_t slots);

  static uint32_t StripeOf(const BlockKey& key) { return key.Spread() >> 56; }
  Guard Lock(const BlockKey& key) { return Guard(*this, StripeOf(key)); }
  /// Brings what Guard::Find looks at first into the processor's caches.
  void FetchBucket(const BlockKey& key) const;
  /// Then, once that is there, the first entry. Which slot that is, or kNone; without the lock it
  /// may be gone already.
  Slot FetchEntry(const BlockKey& key) const;
  Guard LockStripe(uint32_t stripe) { return Guard(*this, stripe); }

  /// The entry of a slot in use. What may be read of it without the stripe's lock stands at Entry.
  Entry& entry(Slot slot);

  uint64_t entries();
  uint64_t hits();
  uint64_t misses();

 private:
  static constexpr uint32_t kChunk = 4096;  // entries
  std::atomic<uint32_t>& BucketIn(const Stripe& stripe, const BlockKey& key) const;
  uint64_t Sum(uint64_t Stripe::* counter);
  Entry& Materialize(Slot slot);

  std::unique_ptr<Stripe[]> stripes_;
  std::unique_ptr<std::atomic<Entry*>[]> chunks_;
  uint64_t max_slots_;
  uint64_t next_space_ = 0;
  std::atomic<uint32_t>* buckets_ = nullptr;  // slot + 1; zero memory is an empty table
};

}  // namespace forebay
