// The tiers of one node: blocks in memory and on its disks, found by key.
//
// A block is filled once, page by page, verified on the way in, seen in place while it is in
// memory, brought to a disk soon after it came, and evicted when its class needs the room. A
// version never changes, so a block never does either: what is not there, or not intact, is a miss,
// and a miss is not an error.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "src/runtime/env.h"
#include "src/runtime/task_group.h"
#include "src/store/disk_tier.h"
#include "src/store/dram_tier.h"
#include "src/store/index.h"
#include "src/store/stats.h"
#include "src/store/view.h"

namespace forebay {

struct StoreOptions {
  Hash128 node_id{1, 1};  // files of another node are refused
  DramOptions dram;
  std::vector<DiskOptions> disks;  // none: memory only
  uint32_t max_block_bytes = kMaxBlockBytes;
  /// How long a block may wait for others to share a write with.
  Duration flush_delay = std::chrono::milliseconds(200);
  /// When so much waits, it does not wait longer.
  uint64_t flush_batch_bytes = 16ull << 20;
  /// When so much waits, what comes in stays in memory only: a disk that is slower than what comes
  /// in must not slow it down. At most half of the memory.
  uint64_t flush_backlog_bytes = 256ull << 20;
  uint64_t checksum_cache_bytes = 64ull << 20;
};

struct BlockInfo {
  uint64_t attachment = 0;
  uint32_t length = 0;  // bytes
  BlockClass block_class = BlockClass::kData;
  bool copy = false;  // another node owns it: DramOptions::copies
};

struct ReadOptions {
  /// Take the block up into memory when it is read from disk. Otherwise only the asked pages are
  /// read.
  bool promote = true;
  /// Check the checksums of what is already in memory too.
  bool verify = false;
};

class Store;

/// The right to add pages to one block: at most one at a time. Dropping it keeps what was
/// committed.
class Fill {
 public:
  Fill(Fill&& other) noexcept
      : store_(std::exchange(other.store_, nullptr)), frame_(other.frame_) {}
  Fill& operator=(Fill&&) = delete;
  ~Fill();

  /// Where the block's bytes belong. Only pages that are not committed yet may be written.
  MutableBytes buffer() const { return {frame_->image, frame_->length}; }
  bool Filled(uint32_t offset, uint32_t size) const;
  /// The block was erased meanwhile: nobody will find what is added. Whoever needs it begins anew.
  bool Forgotten() const;

  /// [offset, offset+size) is there and right: whole pages, or up to the block's end. Makes the
  /// pages readable, with the checksums that they came with where the caller has checked them
  /// (`checked` begins with the first page's), so that what goes wrong since is noticed; otherwise
  /// it computes them.
  void Commit(uint32_t offset, uint32_t size, std::span<const uint32_t> checked = {});
  /// The same for pages that came with checksums: kCorrupt, and nothing is committed, where one
  /// does not match.
  Result<void> CommitVerified(uint32_t offset, uint32_t size, std::span<const uint32_t> crcs);

 private:
  friend class Store;
  Fill(Store& store, Frame& frame) : store_(&store), frame_(&frame) {}
  void Publish(uint32_t first, uint32_t pages);

  Store* store_;
  Frame* frame_;
};

/// All of it may be called from any thread, with that thread's own Env, except Open and Close,
/// which belong to the loop that keeps the store.
class Store {
 public:
  /// kInvalidArgument, kInUse, kNoSpace, kUnsupported, ...: names the tier and the fix.
  static Task<Result<std::unique_ptr<Store>>> Open(Env& env, StoreOptions options);
  ~Store();

  /// Brings what still waits to the disks and stops. Must be awaited before the store dies; nobody
  /// may use it any more.
  Task<void> Close();

  // -- Reading. `offset` and the size lie within the block.

  /// The bytes where they lie in memory; an empty view where they are not. Costs a lock, a lookup
  /// and a pin.
  View Lookup(const BlockKey& key, uint32_t offset, uint32_t size);
  /// The steps of a Lookup that is to come, for many keys at a time: each brings what the next one
  /// touches into the processor's caches. They change nothing.
  void FetchBucket(const BlockKey& key) { index_->FetchBucket(key); }
  /// False: it takes a FetchFrame to bring the block's frame, too.
  bool FetchEntry(const BlockKey& key);
  void FetchFrame(const BlockKey& key);
  void FetchChecksum(const BlockKey& key, uint32_t offset);
  /// Copies from memory. False where the bytes are not there.
  bool ReadCached(const BlockKey& key, uint32_t offset, MutableBytes into, bool verify = false);
  /// Copies from memory or disk. False: a miss.
  Task<Result<bool>> Read(Env& env, BlockKey key, uint32_t offset, MutableBytes into,
                          ReadOptions options = {});
  /// As Lookup, after bringing the block up from disk if it is there. kOverloaded where memory has
  /// no room.
  Task<Result<View>> Acquire(Env& env, BlockKey key, uint32_t offset, uint32_t size);

  struct Presence {
    bool in_memory = false;
    bool on_disk = false;
    bool complete = false;
    uint32_t length = 0;
    BlockClass block_class = BlockClass::kData;
  };
  std::optional<Presence> Probe(const BlockKey& key);

  /// Whether memory has a page, and how many from it on are alike, up to `end_page`. Counts as no
  /// use of the block.
  struct PageRun {
    bool filled = false;
    uint32_t pages = 0;
  };
  PageRun RunAt(const BlockKey& key, uint32_t page, uint32_t end_page);

  // -- Filling.

  /// kInUse while another Fill of the block lives; kInvalidArgument where the block is there with
  /// another length; kOverloaded where there is no room.
  Task<Result<Fill>> BeginFill(Env& env, BlockKey key, BlockInfo info);

  /// Returns when the dirty, complete blocks `keys` are on disk and synced: from then on they
  /// survive a power cut. After an error those that are not are gone, and whoever wrote them must
  /// be told.
  Task<Result<void>> MakeDurable(Env& env, std::vector<BlockKey> keys);
  /// The origin has a dirty block now: it may be evicted like any other.
  Task<Result<void>> MarkClean(Env& env, BlockKey key);
  /// Forgets a block. Views of it stay good; a read from disk in progress ends well. A dirty one is
  /// to be marked clean first, or its record may bring it back after a restart.
  void Erase(const BlockKey& key);
  /// The blocks of class data that an attachment has, wherever they are: those of one stripe, so
  /// that nobody waits long. Call for each below kStripes.
  static constexpr uint32_t kStripes = Index::kStripes;
  std::vector<BlockKey> BlocksOf(uint64_t attachment, uint32_t stripe);
  /// Every dirty block, for an uploader that starts anew.
  std::vector<BlockKey> DirtyBlocks();

  /// Returns when at most so many bytes wait for a disk. Where that is less than a batch, nothing
  /// is kept waiting for company.
  Task<void> AwaitFlush(Env& env, uint64_t pending_bytes_at_most);

  /// The mappings that hold an attachment's blocks in memory, and no other's.
  std::vector<std::shared_ptr<SharedMemory>> MemoryOf(uint64_t attachment) {
    return dram_->MemoryOf(attachment);
  }

  // -- Readers outside of this process (src/window).

  /// `watcher` is told of the attachment's blocks in memory, those that are there already included,
  /// until Unwatch has returned. One at a time an attachment: the last one that came.
  Result<void> Watch(uint64_t attachment, FrameWatcher& watcher) {
    return dram_->Watch(attachment, watcher);
  }
  void Unwatch(uint64_t attachment, const FrameWatcher& watcher) {
    dram_->Unwatch(attachment, watcher);
  }
  /// Ends what FrameWatcher::Dropped began. Under no lock of the watcher's.
  void Unpin(Frame& frame) { dram_->Unpin(frame); }
  /// A reader outside has read the block: the policies hear of it.
  void NoteRead(const BlockKey& key);
  /// One mapping of MemoryOf, by its number; null where the attachment has no such one (any more).
  std::shared_ptr<SharedMemory> SegmentOf(uint64_t attachment, uint64_t number) {
    return dram_->SegmentOf(attachment, number);
  }

  StoreStats stats();

 private:
  friend class Fill;
  class Flusher;
  explicit Store(StoreOptions options);

  View PinLocked(Index::Guard& guard, Slot slot, uint32_t offset, uint32_t size);
  void NoteHit(Index::Guard& guard, const Index::PendingHit& hit);
  size_t DiskNumberFor(const BlockKey& key);
  std::optional<DiskTier::Reading> BeginRead(const BlockKey& key, uint64_t end, DiskTier** disk);
  Task<Result<bool>> BringUp(Env& env, BlockKey key);
  Result<void> CheckReachable(const BlockKey& key);
  bool AttachFrame(Slot slot, Frame& frame);
  Result<Frame*> TakeFilling(const BlockKey& key, const BlockInfo& info, bool* on_disk);
  Result<Frame*> NewFrame(const BlockKey& key, const BlockInfo& info);
  void EndFill(Frame& frame);
  void QueueFlush(const BlockKey& key, uint32_t bytes);
  Result<void> CheckBlock(const BlockInfo& info) const;
  Task<Result<void>> FlushDirty(Env& env, DiskTier& disk, std::vector<BlockKey> keys);
  void LetLeaveMemory(const BlockKey& key);
  Result<bool> BeginSettling(const BlockKey& key);
  void EndSettling(const BlockKey& key, bool durable);
  Task<void> ForgetUndurable(Env& env, DiskTier& disk, std::vector<BlockKey> keys);
  void DropIfDead(const BlockKey& key);

  StoreOptions options_;
  std::unique_ptr<Index> index_;
  std::unique_ptr<ChecksumCache> checksums_;
  std::unique_ptr<DramTier> dram_;
  std::vector<std::unique_ptr<DiskTier>> disks_;
  std::vector<std::unique_ptr<Flusher>> flushers_;  // one a disk
  std::unique_ptr<TaskGroup> flushing_;
};

}  // namespace forebay
