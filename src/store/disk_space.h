// Which blocks are where on one disk, and which have to go: the memory side of a disk tier. No I/O.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "src/core/extents/extent_allocator.h"
#include "src/core/policy/policy.h"
#include "src/store/dram_tier.h"
#include "src/store/image.h"
#include "src/store/index.h"

namespace forebay {

/// Room for one block on a disk.
struct Place {
  Extent extent;
  uint32_t record = kNone;
};

/// Any thread. Lock order: mutex_, then a stripe of the index. Never held together with the memory
/// tier's lock.
class DiskSpace {
 public:
  struct Options {
    uint8_t disk = 0;
    uint32_t data_pages = 0;
    uint32_t records = 0;
    double dirty_share = 0.5;
    double kv_share = 0.5;
    std::string policy = "adaptive";
  };

  DiskSpace(Index& index, DramTier& dram, Options options);

  /// Whether the policy wants the block at all. Ask once for each that comes in.
  bool Admit(const BlockRef& block, BlockClass block_class);

  /// Room for an image, evicting as needed. kOverloaded where nothing can go.
  Result<Place> Allocate(uint32_t pages, BlockClass block_class);
  /// Gives room back that was never published.
  void Abandon(const Place& place, BlockClass block_class);

  /// The image of `frame` is on disk at `place`: makes it findable there. False, and the place is
  /// given back, where the block has left the index meanwhile.
  bool Publish(const Place& place, Frame& frame, BlockClass block_class, bool complete);

  /// At restart, coldest first: a block found on disk. Its pages must not be taken twice. Before
  /// AdoptGaps.
  void Adopt(uint32_t record, const Entry& entry);
  /// After the last Adopt, with the extents sorted by their first page: everything between them is
  /// free.
  void AdoptGaps(std::span<const Extent> taken);

  /// After the last Adopt: the records below the highest used one that are free.
  void AdoptFreeRecords(const std::vector<bool>& used);

  /// Ends a read that raised disk_readers, and finishes a removal that waited for it.
  void EndRead(Slot slot);

  /// Removes the disk copy of a block, at once or when its last reader has ended. With `bad_media`
  /// its pages are never used again. False if the key is not on this disk.
  bool Drop(const BlockKey& key, bool bad_media);
  /// Removes the block of `slot` if it is doomed and nobody uses it any more.
  void DropDoomed(Slot slot, const BlockKey& key);
  /// The disk died: removes all of its blocks that nobody reads at this moment, but for dirty
  /// ones. Returns how many readers kept.
  uint64_t DropAll();

  void Reclassify(const BlockKey& key, BlockClass to);
  /// Every block of a class.
  std::vector<BlockKey> Keys(BlockClass block_class);
  void Hits(std::span<const Index::PendingHit> hits);

  Slot SlotOf(uint32_t record) const { return first_slot_ + record; }
  bool Owns(Slot slot) const { return slot - first_slot_ < options_.records; }

  struct Usage {
    uint64_t pages = 0;  // of the tier
    uint64_t free_pages = 0;
    uint64_t bad_pages = 0;
    uint64_t blocks = 0;
    uint64_t class_pages[kBlockClasses] = {};
    uint64_t evictions = 0;
    uint64_t neighbour_evictions = 0;  // of those: for their place, not by the policy
    uint64_t memory_bytes = 0;         // extents, policies, lists
    std::string policy;
  };
  Usage usage();

 private:
  static constexpr uint32_t kRegionPages = 256;

  Policy* PolicyOf(BlockClass block_class);
  uint64_t LimitOf(BlockClass block_class) const;
  bool MakeRoom(uint32_t pages, BlockClass block_class);
  bool EvictByPolicy(Policy& policy);
  bool EvictForAny();
  bool EvictRun(uint32_t pages);
  bool EvictRunFrom(Slot slot, uint32_t pages);
  bool TryEvict(uint32_t record);
  enum class Leaving : uint8_t { kEvicted, kDropped };
  void Detach(Index::Guard& guard, Slot slot, Leaving why, bool bad_media);
  uint32_t BlockStartingAt(uint32_t page);
  void LinkRegion(Slot slot);
  void UnlinkRegion(Slot slot);
  void FreeRecord(uint32_t record);

  Index& index_;
  DramTier& dram_;
  const Options options_;
  const Slot first_slot_;

  std::mutex mutex_;
  ExtentAllocator extents_;
  std::vector<std::unique_ptr<Policy>> policies_;
  std::vector<uint32_t> free_records_;
  uint32_t used_records_ = 0;   // high-water mark
  uint32_t taken_records_ = 0;  // published or being written
  std::vector<Slot> regions_;   // by region of the disk: the blocks that begin there
  uint64_t class_pages_[kBlockClasses] = {};
  uint64_t bad_pages_ = 0;
  uint64_t blocks_ = 0;
  uint64_t evictions_ = 0;
  uint64_t neighbour_evictions_ = 0;
};

}  // namespace forebay
