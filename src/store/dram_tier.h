// The memory tier: blocks as images (image.h) in memory that can be shared with processes, one
// mapping an attachment.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "src/core/policy/copies.h"
#include "src/core/policy/policy.h"
#include "src/runtime/memory.h"
#include "src/store/arena.h"
#include "src/store/image.h"
#include "src/store/index.h"

namespace forebay {

/// A block in memory. Its fields are guarded by the lock of its stripe once it is in the index,
/// except `pins`.
struct Frame {
  std::byte* image = nullptr;
  BlockKey key;
  uint64_t attachment = 0;
  uint32_t number = kNone;  // its own, for good
  Slot slot = kNone;        // of its entry; kNone: not in the index (any more)
  uint32_t use = 0;         // how often it was given out: tells a stale mention of it
  uint32_t length = 0;
  Arena::Run run;  // where the image is
  uint16_t domain = 0;
  BlockClass block_class = BlockClass::kData;
  bool complete = false;  // every page is filled
  bool filling = false;   // a Fill has the right to add pages
  bool flushed = false;   // there is nothing left to bring to a disk
  bool flush_queued = false;
  bool flushing = false;  // its pages are being written
  uint32_t filled_pages = 0;
  bool admitted = false;   // the policy wants to keep it; otherwise it is the first to go
  bool copy = false;       // of a block that another node owns
  bool kept_copy = false;  // which may stay
  bool to_disk = false;    // it is brought to a disk, where there is one
  bool in_policy = false;  // the policy was told of it; guarded by the tier's lock
  // In the list of its segment; guarded by the tier's lock.
  uint32_t segment_previous = Arena::kNoFrame;
  uint32_t segment_next = Arena::kNoFrame;

  // The top bit says that the frame left the index while pinned: the last pin frees it.
  std::atomic<uint32_t> pins{0};
  static constexpr uint32_t kOrphan = 1u << 31;

  FrameWatcher* watcher() const { return run.segment->watcher.load(std::memory_order_acquire); }
  ImageLayout layout() const { return ImageLayout(length); }
  Trailer trailer() { return Trailer(image + layout().trailer_offset, layout()); }
};

struct DramOptions {
  uint64_t capacity_bytes = 0;
  double dirty_share = 0.5;  // of the capacity, at most
  double kv_share = 0.5;
  uint32_t max_block_bytes = kMaxBlockBytes;  // the store sets it
  std::string policy = "adaptive";
  CopyOptions copies;
};

/// Any thread. Lock order: mutex_, then a stripe of the index.
class DramTier {
 public:
  DramTier(Memory& memory, Index& index, DramOptions options);
  ~DramTier();

  /// Makes room for a block and gives its frame, unpublished, with an empty trailer and `filling`
  /// set. Evicts as needed. kOverloaded: all that could go is pinned, dirty or being filled; or the
  /// class has used up its share.
  Result<uint32_t> Allocate(const BlockKey& key, uint64_t attachment, uint32_t length,
                            BlockClass block_class, bool copy);

  /// Tells the policy about a frame that has entered the index. The caller has it pinned.
  void Published(uint32_t frame);

  /// Takes a frame back that is not in the index, or frees it when the last pin goes.
  void Release(uint32_t frame);

  /// The class of a block changed (dirty data reached the origin). The caller has it pinned.
  void Reclassify(uint32_t frame, BlockClass to);

  /// Only with the stripe's lock held does a pin count: it keeps the frame's bytes where and as
  /// they are.
  void Pin(Frame& frame) { frame.pins.fetch_add(1, std::memory_order_relaxed); }
  /// Any thread, no lock.
  void Unpin(Frame& frame);

  /// From now on `watcher` is told what becomes of the attachment's blocks, and of those that are
  /// readable already. Costs a look at each of them, under the tier's lock a segment at a time.
  Result<void> Watch(uint64_t attachment, FrameWatcher& watcher);
  /// When it returns `watcher` is told nothing any more, nor being told.
  void Unwatch(uint64_t attachment, const FrameWatcher& watcher);
  /// With the stripe's lock held, after a frame has become complete and findable.
  void TellReadable(const Frame& frame) {
    FrameWatcher* watcher = frame.watcher();
    if (watcher != nullptr && frame.complete) watcher->Readable(frame);
  }
  /// With the stripe's lock held, when the block is dropped for another reason than its room.
  void TellDropped(Frame& frame) {
    FrameWatcher* watcher = frame.watcher();
    if (watcher == nullptr) return;
    // Before the watcher knows of it: another thread may give the pin back at once.
    Pin(frame);
    if (!watcher->Dropped(frame)) frame.pins.fetch_sub(1, std::memory_order_relaxed);
  }

  /// Applies hits that a stripe has gathered, unless the tier is busy: hits may be lost, never
  /// waited for.
  void Hits(std::span<const Index::PendingHit> hits);

  Frame& frame(uint32_t number);
  /// Brings what a hit looks at into the processor's caches; of kNone and of what is no frame yet,
  /// nothing.
  void FetchFrame(uint32_t number) const;
  /// That of an entry whose slot is that of its frame. False: this slot belongs to a disk.
  bool FetchFrameOf(Slot slot) const;
  Slot SlotOf(uint32_t frame) const { return first_slot_ + frame; }

  /// A small number for an attachment, the same until the process ends. kOverloaded past 60,000 of
  /// them.
  Result<uint16_t> DomainOf(uint64_t attachment);
  uint64_t AttachmentOf(uint16_t domain);

  /// Null where the attachment has no such segment (any more).
  std::shared_ptr<SharedMemory> SegmentOf(uint64_t attachment, uint64_t number);
  /// The mappings that hold an attachment's blocks now.
  std::vector<std::shared_ptr<SharedMemory>> MemoryOf(uint64_t attachment);

  uint64_t capacity_pages() const { return capacity_pages_; }
  uint64_t resident_pages();  // with those that are kept for the next blocks
  uint64_t used_pages();
  uint64_t evictions() const { return evictions_.load(std::memory_order_relaxed); }
  static uint64_t FramesFor(const DramOptions& options);

 private:
  static constexpr uint32_t kChunk = 1024;  // frames

  struct Transient {
    uint32_t frame;
    uint32_t use;
  };

  Result<uint16_t> DomainLocked(uint64_t attachment);
  Policy* PolicyOf(BlockClass block_class) {
    return policies_[static_cast<int>(block_class)].get();
  }
  uint64_t LimitOf(BlockClass block_class) const;
  Result<Arena::Run> TakePages(uint16_t domain, uint32_t pages);
  bool ManyPass() const;
  bool EvictOne();
  bool EmptySegment();
  bool EvictTransient(std::deque<Transient>& from, bool unflushed_too);
  bool EvictByPolicy(Policy& policy, bool unflushed_too);
  bool TryEvict(uint32_t number, bool unflushed_too);
  bool MayEvict(const Frame& frame, bool unflushed_too);
  bool CanEmpty(const Arena::Segment& segment);
  void PublishSegment(uint64_t number, FrameWatcher& watcher);
  void LinkToSegment(Frame& frame);
  void UnlinkFromSegment(Frame& frame);
  bool InIndex(const Frame& frame);
  uint32_t TakeFrameNumber();
  void FreeLocked(uint32_t number);

  Index& index_;
  const DramOptions options_;
  const uint64_t capacity_pages_;
  const Slot first_slot_;

  std::mutex mutex_;
  Arena arena_;
  std::vector<uint64_t> attachments_;              // by domain
  std::vector<std::unique_ptr<Policy>> policies_;  // by class; none for dirty
  std::map<uint64_t, uint16_t> domain_numbers_;    // by attachment
  uint64_t class_pages_[kBlockClasses] = {};
  CopyKeeper copies_;
  // Published, but not admitted; may be gone since.
  std::deque<Transient> transient_;  // by the policy
  std::deque<Transient> passing_;    // copies
  uint64_t passing_pages_ = 0;
  std::vector<uint32_t> free_frames_;
  uint32_t used_frames_ = 0;  // high-water mark
  std::unique_ptr<std::atomic<Frame*>[]> chunks_;
  std::atomic<uint64_t> evictions_{0};
};

}  // namespace forebay
