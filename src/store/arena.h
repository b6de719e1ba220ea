// The memory behind the frames: segments that belong to one attachment each, so that a process
// which may read the attachment can be handed them whole without being shown anything else.
//
// Pages never pass from one attachment to another. What one no longer needs goes back to the
// machine: page by page while nobody else can see the segment, and as whole segments once it is
// shared, because the kernel does not punch sealed memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "src/core/extents/extent_allocator.h"
#include "src/runtime/memory.h"
#include "src/store/frame_watcher.h"

namespace forebay {

/// Not thread-safe: its owner's lock guards it.
class Arena {
 public:
  static constexpr uint32_t kNoFrame = ~0u;
  struct Segment {
    uint16_t domain = 0;
    uint64_t number = 0;  // never given to another segment
    // Null where nobody watches. Read under the stripe's lock of a block that lies here.
    std::atomic<FrameWatcher*> watcher{nullptr};
    uint32_t first_frame = kNoFrame;  // of those that lie here; a list of the tier's
    std::shared_ptr<SharedMemory> memory;
    uint32_t used_pages = 0;
    ExtentAllocator idle;    // freed, its pages still ours
    ExtentAllocator virgin;  // costs nothing until it is used
    bool sealed = false;     // pages cannot be given back one by one
    // Pages from `reached` on were never used; the machine was told of those before `announced`.
    uint32_t reached = 0;
    uint32_t announced = 0;
    uint64_t grown_at = 0;  // when `reached` moved last, counted in such moves of all segments
    uint32_t Ahead() const { return announced > reached ? announced - reached : 0; }
  };
  /// Pages that are in use.
  struct Run {
    Segment* segment = nullptr;
    Extent extent;
    std::byte* At() const;
  };

  Arena(Memory& memory, uint64_t capacity_pages, uint32_t segment_pages);

  /// Memory of the domain that was used before and fits.
  std::optional<Run> Reuse(uint16_t domain, uint32_t pages);
  /// Memory that was not used before; nullopt where the capacity is used up.
  Result<std::optional<Run>> Grow(uint16_t domain, uint32_t pages);
  void Free(const Run& run);

  /// Gives the largest idle piece that can be given back to the machine. False: there is none.
  bool GiveBackIdle();
  /// At most `count` segments that have idle pages, those with the most of them first.
  std::vector<Segment*> MostIdle(size_t count);

  /// From now on `watcher` watches the domain's segments.
  void SetWatcher(uint16_t domain, FrameWatcher* watcher);
  /// Nobody does, if it was `watcher`.
  void EndWatcher(uint16_t domain, const FrameWatcher& watcher);
  /// The domain's segments, by number.
  std::vector<uint64_t> SegmentsOf(uint16_t domain) const;
  /// Null where it is gone.
  Segment* Find(uint64_t number) const;

  uint64_t resident_pages() const { return resident_pages_; }
  /// That nobody has used yet, but the machine was told of: they may cost memory beside the
  /// resident ones.
  uint64_t ahead_pages() const { return ahead_pages_; }
  uint64_t idle_pages() const { return idle_pages_; }
  uint64_t used_pages() const { return resident_pages_ - idle_pages_; }
  /// What a process that may read the domain can be handed.
  std::vector<std::shared_ptr<SharedMemory>> MemoryOf(uint16_t domain) const;

 private:
  Run UseVirgin(Segment& segment, Extent extent);
  void Announce(Segment& segment, Extent used);
  void ForgetAnOldAhead(const Segment& growing);
  void ForgetAhead(Segment& segment);
  void Destroy(Segment* segment);

  Memory& memory_;
  const uint64_t capacity_pages_;
  const uint32_t segment_pages_;
  std::vector<std::unique_ptr<Segment>> segments_;
  std::map<uint16_t, FrameWatcher*> watchers_;  // by domain
  uint64_t next_number_ = 1;
  uint64_t resident_pages_ = 0;
  uint64_t idle_pages_ = 0;
  uint64_t ahead_pages_ = 0;
  uint64_t growths_ = 0;
};

}  // namespace forebay
