#include "src/store/dram_tier.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "src/base/assert.h"
#include "src/base/units.h"
#include "src/core/policy/factory.h"
#include "src/store/planted.h"

namespace forebay {
namespace {

/// Freed memory that may lie idle, because it is cheaper to reuse than to return, before it is
/// returned for a domain or a size that it does not fit: one in so many pages of the capacity.
constexpr uint64_t kIdleShare = 50;
/// Of the memory, for copies that do not stay, and blocks of the largest size at least: several
/// readers wait for several each, and who is late finds nothing.
constexpr uint64_t kPassingShare = 4;
constexpr uint64_t kFewestPassing = 16;
constexpr size_t kVictimBatch = 16;
constexpr int kMaxVictimRounds =
    8;  // how many batches of busy candidates are spared before giving up
constexpr size_t kMaxDomains = 60000;
constexpr size_t kSegmentsToEmpty = 4;  // that are looked at for one that can be emptied
constexpr uint64_t kSegmentsInACapacity = 32;
constexpr uint64_t kMaxSegmentBytes = 16 * kGiB;

/// Large enough for several of the largest blocks, small enough that emptying one does not empty
/// the tier.
uint32_t SegmentPages(const DramOptions& options) {
  const uint64_t largest = ImageLayout(options.max_block_bytes).total_bytes();
  const uint64_t share = options.capacity_bytes / kSegmentsInACapacity;
  return static_cast<uint32_t>(std::clamp(share, largest, std::max(largest, kMaxSegmentBytes)) /
                               kPageBytes);
}

}  // namespace

uint64_t DramTier::FramesFor(const DramOptions& options) {
  return options.capacity_bytes / kPageBytes;
}

DramTier::DramTier(Memory& memory, Index& index, DramOptions options)
    : index_(index),
      options_(std::move(options)),
      capacity_pages_(options_.capacity_bytes / kPageBytes),
      first_slot_(index.AddSpace(FramesFor(options_))),
      arena_(memory, capacity_pages_, SegmentPages(options_)),
      policies_(kBlockClasses),
      copies_(options_.copies, capacity_pages_),
      chunks_(new std::atomic<Frame*>[DivideRoundUp(FramesFor(options_), kChunk)]()) {
  for (const BlockClass kept : {BlockClass::kData, BlockClass::kKv}) {
    const PolicyOptions policy{.max_slots = static_cast<uint32_t>(FramesFor(options_)),
                               .capacity = LimitOf(kept)};
    policies_[static_cast<int>(kept)] = MakePolicy(options_.policy, policy).value();
  }
}

DramTier::~DramTier() {
  for (uint64_t i = 0; i < DivideRoundUp(FramesFor(options_), kChunk); ++i)
    delete[] chunks_[i].load();
}

Frame& DramTier::frame(uint32_t number) {
  return chunks_[number / kChunk].load(std::memory_order_acquire)[number % kChunk];
}

void DramTier::FetchFrame(uint32_t number) const {
  if (number >= FramesFor(options_)) return;
  const Frame* chunk = chunks_[number / kChunk].load(std::memory_order_acquire);
  if (chunk == nullptr) return;
  __builtin_prefetch(&chunk[number % kChunk]);
  __builtin_prefetch(&chunk[number % kChunk].pins);
}

bool DramTier::FetchFrameOf(Slot slot) const {
  const uint64_t number = uint64_t{slot} - first_slot_;
  if (slot < first_slot_ || number >= FramesFor(options_)) return false;
  FetchFrame(static_cast<uint32_t>(number));
  return true;
}

uint64_t DramTier::LimitOf(BlockClass block_class) const {
  const auto share = [&](double part) {
    return static_cast<uint64_t>(static_cast<double>(capacity_pages_) * part);
  };
  switch (block_class) {
    case BlockClass::kDirty:
      return share(options_.dirty_share);
    case BlockClass::kKv:
      return share(options_.kv_share);
    case BlockClass::kData:
      break;
  }
  return capacity_pages_;
}

Result<uint16_t> DramTier::DomainOf(uint64_t attachment) {
  const std::scoped_lock lock(mutex_);
  return DomainLocked(attachment);
}

Result<uint16_t> DramTier::DomainLocked(uint64_t attachment) {
  if (const auto known = domain_numbers_.find(attachment); known != domain_numbers_.end()) {
    return known->second;
  }
  if (attachments_.size() == kMaxDomains) {
    return Fail(Code::kOverloaded, fmt::format("more than {} attachments", kMaxDomains));
  }
  const auto number = static_cast<uint16_t>(attachments_.size());
  attachments_.push_back(attachment);
  domain_numbers_.emplace(attachment, number);
  return number;
}

uint64_t DramTier::AttachmentOf(uint16_t domain) {
  const std::scoped_lock lock(mutex_);
  return attachments_[domain];
}

std::vector<std::shared_ptr<SharedMemory>> DramTier::MemoryOf(uint64_t attachment) {
  const std::scoped_lock lock(mutex_);
  const auto known = domain_numbers_.find(attachment);
  if (known == domain_numbers_.end()) return {};
  return arena_.MemoryOf(known->second);
}

uint32_t DramTier::TakeFrameNumber() {
  if (!free_frames_.empty()) {
    const uint32_t number = free_frames_.back();
    free_frames_.pop_back();
    return number;
  }
  const uint32_t number = used_frames_++;
  if (number % kChunk == 0) chunks_[number / kChunk].store(new Frame[kChunk]);
  frame(number).number = number;
  return number;
}

Result<uint32_t> DramTier::Allocate(const BlockKey& key, uint64_t attachment, uint32_t length,
                                    BlockClass block_class, bool copy) {
  const ImageLayout layout(length);
  if (layout.total_pages > SegmentPages(options_)) {
    return Fail(Code::kOverloaded,
                fmt::format("a block of {} is larger than memory is set up for ({})",
                            FormatSize(length), FormatSize(options_.max_block_bytes)));
  }
  const std::scoped_lock lock(mutex_);
  FB_ASSIGN(const uint16_t number, DomainLocked(attachment));
  uint64_t& used = class_pages_[static_cast<int>(block_class)];
  while (used + layout.total_pages > LimitOf(block_class)) {
    Policy* policy = PolicyOf(block_class);
    const bool data = block_class == BlockClass::kData;
    if (data && ManyPass() && EvictTransient(passing_, false)) continue;
    if (policy != nullptr && EvictByPolicy(*policy, false)) continue;
    if (data && EvictTransient(passing_, false)) continue;
    return Fail(Code::kOverloaded,
                fmt::format("memory for {} blocks is used up ({}); wait, or raise its share",
                            ClassName(block_class), FormatSize(LimitOf(block_class) * kPageBytes)));
  }
  Policy* policy = PolicyOf(block_class);
  const BlockRef block{key.Spread(), layout.total_pages};
  const bool full = arena_.used_pages() + layout.total_pages > capacity_pages_;
  bool admitted = copy || policy == nullptr || policy->Admit(block, full);
  FB_ASSIGN(const Arena::Run run, TakePages(number, layout.total_pages));
  const bool kept_copy = copy && copies_.Admit(block);
  if (copy) admitted = kept_copy && (policy == nullptr || policy->Admit(block, full));
  used += layout.total_pages;
  const uint32_t at = TakeFrameNumber();
  Frame& frame = this->frame(at);
  frame.image = run.At();
  frame.run = run;
  LinkToSegment(frame);
  frame.key = key;
  frame.attachment = attachment;
  frame.slot = kNone;
  frame.length = length;
  frame.domain = number;
  frame.block_class = block_class;
  frame.complete = frame.flushed = frame.flush_queued = frame.flushing = false;
  frame.filled_pages = 0;
  frame.filling = true;
  frame.admitted = admitted;
  frame.copy = copy;
  frame.kept_copy = kept_copy;
  if (copy && !admitted) passing_pages_ += layout.total_pages;
  frame.to_disk = !copy || copies_.to_disk();
  frame.in_policy = false;
  frame.pins.store(0, std::memory_order_relaxed);
  frame.trailer().Clear();
  return at;
}

/// Reuses memory where a run fits, grows while there is room, and otherwise evicts. Memory that
/// lies idle in pieces that fit nobody is given back to the machine.
Result<Arena::Run> DramTier::TakePages(uint16_t domain, uint32_t pages) {
  for (;;) {
    if (const auto run = arena_.Reuse(domain, pages)) return *run;
    FB_ASSIGN(const auto grown, arena_.Grow(domain, pages));
    if (grown) return *grown;
    const bool much_idle = arena_.idle_pages() >= pages + capacity_pages_ / kIdleShare;
    if (much_idle && (arena_.GiveBackIdle() || EmptySegment())) continue;
    if (EvictOne() || arena_.GiveBackIdle() || EmptySegment()) continue;
    return Fail(Code::kOverloaded,
                fmt::format("all of the {} of memory is pinned, dirty or being filled",
                            FormatSize(capacity_pages_ * kPageBytes)));
  }
}

/// Evicts everything from one of the segments with the most idle memory, which cannot be given back
/// otherwise. Not from one that somebody has something pinned in: what is evicted there would be
/// lost for nothing. False: there is none to empty.
bool DramTier::EmptySegment() {
  for (Arena::Segment* segment : arena_.MostIdle(kSegmentsToEmpty)) {
    if (!CanEmpty(*segment)) continue;
    bool any = false;
    for (uint32_t at = segment->first_frame; at != Arena::kNoFrame;) {
      const uint32_t next = frame(at).segment_next;
      any |= TryEvict(at, true);
      at = next;
    }
    if (any) return true;
  }
  return false;
}

bool DramTier::CanEmpty(const Arena::Segment& segment) {
  for (uint32_t at = segment.first_frame; at != Arena::kNoFrame; at = frame(at).segment_next) {
    const Frame& frame = this->frame(at);
    const auto guard = index_.Lock(frame.key);
    if (!MayEvict(frame, true)) return false;
    FrameWatcher* watcher = frame.watcher();
    if (watcher != nullptr && watcher->IsRead(frame)) return false;
  }
  return true;
}

void DramTier::LinkToSegment(Frame& frame) {
  uint32_t& first = frame.run.segment->first_frame;
  frame.segment_previous = Arena::kNoFrame;
  frame.segment_next = std::exchange(first, frame.number);
  if (frame.segment_next != Arena::kNoFrame) {
    this->frame(frame.segment_next).segment_previous = frame.number;
  }
}

void DramTier::UnlinkFromSegment(Frame& frame) {
  const uint32_t previous = frame.segment_previous, next = frame.segment_next;
  (previous != Arena::kNoFrame ? this->frame(previous).segment_next
                               : frame.run.segment->first_frame) = next;
  if (next != Arena::kNoFrame) this->frame(next).segment_previous = previous;
}

Result<void> DramTier::Watch(uint64_t attachment, FrameWatcher& watcher) {
  std::vector<uint64_t> segments;
  {
    const std::scoped_lock lock(mutex_);
    FB_ASSIGN(const uint16_t domain, DomainLocked(attachment));
    arena_.SetWatcher(domain, &watcher);
    segments = arena_.SegmentsOf(domain);
  }
  // What becomes readable from here on tells itself.
  for (const uint64_t number : segments) PublishSegment(number, watcher);
  return {};
}

void DramTier::PublishSegment(uint64_t number, FrameWatcher& watcher) {
  const std::scoped_lock lock(mutex_);
  const Arena::Segment* segment = arena_.Find(number);
  if (segment == nullptr) return;
  for (uint32_t at = segment->first_frame; at != Arena::kNoFrame; at = frame(at).segment_next) {
    const Frame& frame = this->frame(at);
    const auto guard = index_.Lock(frame.key);
    if (frame.slot != kNone && frame.complete) watcher.Readable(frame);
  }
}

void DramTier::Unwatch(uint64_t attachment, const FrameWatcher& watcher) {
  {
    const std::scoped_lock lock(mutex_);
    const auto known = domain_numbers_.find(attachment);
    if (known == domain_numbers_.end()) return;
    arena_.EndWatcher(known->second, watcher);
  }
  for (uint32_t stripe = 0; stripe < Index::kStripes; ++stripe) index_.LockStripe(stripe);
}

std::shared_ptr<SharedMemory> DramTier::SegmentOf(uint64_t attachment, uint64_t number) {
  const std::scoped_lock lock(mutex_);
  const Arena::Segment* segment = arena_.Find(number);
  if (segment == nullptr || attachments_[segment->domain] != attachment) return nullptr;
  return segment->memory;
}

/// False: somebody has erased its block meanwhile, and whoever holds the last pin frees it. The
/// policies must not hear of it any more, for nobody would tell them that it is gone.
bool DramTier::InIndex(const Frame& frame) {
  const auto guard = index_.Lock(frame.key);
  return frame.slot != kNone;
}

void DramTier::Published(uint32_t number) {
  const std::scoped_lock lock(mutex_);
  Frame& frame = this->frame(number);
  Policy* policy = PolicyOf(frame.block_class);
  if (policy == nullptr || !InIndex(frame)) return;
  if (frame.admitted) {
    policy->Insert(number, {frame.key.Spread(), frame.layout().total_pages});
    frame.in_policy = true;
  } else if (frame.copy) {
    passing_.push_back({number, frame.use});
  } else {
    transient_.push_back({number, frame.use});
  }
}

bool DramTier::ManyPass() const {
  const uint64_t fewest = kFewestPassing * ImageLayout(options_.max_block_bytes).total_pages;
  return passing_pages_ > std::max(capacity_pages_ / kPassingShare, fewest);
}

/// Something has to go; whatever is over its share or transient goes first. Copies that pass
/// through have a share, too: those who wait for one must get to read it.
bool DramTier::EvictOne() {
  for (const bool unflushed_too : {false, true}) {
    if (EvictTransient(transient_, unflushed_too)) return true;
    if (ManyPass() && EvictTransient(passing_, unflushed_too)) return true;
    const bool kv_first =
        class_pages_[static_cast<int>(BlockClass::kKv)] > LimitOf(BlockClass::kKv) / 2;
    const auto first = kv_first ? BlockClass::kKv : BlockClass::kData;
    const auto second = kv_first ? BlockClass::kData : BlockClass::kKv;
    if (EvictByPolicy(*PolicyOf(first), unflushed_too)) return true;
    if (EvictByPolicy(*PolicyOf(second), unflushed_too)) return true;
    if (EvictTransient(passing_, unflushed_too)) return true;
  }
  return false;
}

bool DramTier::EvictTransient(std::deque<Transient>& from, bool unflushed_too) {
  for (size_t tries = std::min(from.size(), kVictimBatch); tries > 0; --tries) {
    const Transient next = from.front();
    from.pop_front();
    if (frame(next.frame).use != next.use) continue;
    if (TryEvict(next.frame, unflushed_too)) return true;
    from.push_back(next);
  }
  return false;
}

bool DramTier::EvictByPolicy(Policy& policy, bool unflushed_too) {
  std::array<Slot, kVictimBatch> victims;
  for (int round = 0; round < kMaxVictimRounds; ++round) {
    const size_t count = policy.Victims(victims);
    for (size_t i = 0; i < count; ++i) {
      if (TryEvict(victims[i], unflushed_too)) return true;
      policy.Spare(victims[i]);
    }
    if (count == 0) return false;
  }
  return false;
}

/// With the stripe's lock held: nobody in this process needs the frame.
bool DramTier::MayEvict(const Frame& frame, bool unflushed_too) {
  if (frame.slot == kNone || frame.filling) return false;
  const bool pinned = frame.pins.load(std::memory_order_acquire) != 0;
  if (pinned && !Planted(PlantedBug::kReusePinnedSlot)) return false;
  if (!frame.flushed && !unflushed_too) return false;
  const Entry& entry = index_.entry(frame.slot);
  const bool on_disk = entry.disk != kNoDisk && !entry.has(Entry::kDoomedOnDisk);
  return entry.block_class != BlockClass::kDirty || on_disk;
}

/// Takes a frame out of the index and frees it, unless somebody needs it.
bool DramTier::TryEvict(uint32_t number, bool unflushed_too) {
  Frame& frame = this->frame(number);
  {
    auto guard = index_.Lock(frame.key);
    if (!MayEvict(frame, unflushed_too)) return false;
    FrameWatcher* watcher = frame.watcher();
    if (watcher != nullptr && !watcher->LetGo(frame)) return false;
    Entry& entry = index_.entry(frame.slot);
    entry.frame = kNone;
    if (entry.disk == kNoDisk) guard.Remove(frame.slot);
    frame.slot = kNone;
  }
  evictions_.fetch_add(1, std::memory_order_relaxed);
  if (frame.in_policy) PolicyOf(frame.block_class)->Evicted(number, frame.key.Spread());
  FreeLocked(number);
  return true;
}

void DramTier::Release(uint32_t number) {
  const std::scoped_lock lock(mutex_);
  Frame& frame = this->frame(number);
  FB_ASSERT(frame.slot == kNone);
  if (frame.in_policy) PolicyOf(frame.block_class)->Erase(number, frame.key.Spread());
  frame.in_policy = false;
  const uint32_t before = frame.pins.fetch_or(Frame::kOrphan, std::memory_order_acq_rel);
  if (before == 0) FreeLocked(number);
}

void DramTier::Unpin(Frame& frame) {
  const uint32_t before = frame.pins.fetch_sub(1, std::memory_order_acq_rel);
  FB_ASSERT((before & ~Frame::kOrphan) != 0 || Planted(PlantedBug::kReusePinnedSlot));
  if (before != (Frame::kOrphan | 1)) return;
  const std::scoped_lock lock(mutex_);
  FreeLocked(frame.number);
}

void DramTier::FreeLocked(uint32_t number) {
  Frame& frame = this->frame(number);
  const uint32_t pages = frame.layout().total_pages;
  UnlinkFromSegment(frame);
  arena_.Free(std::exchange(frame.run, {}));
  if (frame.copy) copies_.Left({frame.key.Spread(), pages}, frame.kept_copy);
  if (frame.copy && !frame.admitted) passing_pages_ -= pages;
  class_pages_[static_cast<int>(frame.block_class)] -= pages;
  ++frame.use;
  free_frames_.push_back(number);
}

void DramTier::Reclassify(uint32_t number, BlockClass to) {
  const std::scoped_lock lock(mutex_);
  Frame& frame = this->frame(number);
  const uint32_t pages = frame.layout().total_pages;
  class_pages_[static_cast<int>(frame.block_class)] -= pages;
  class_pages_[static_cast<int>(to)] += pages;
  if (frame.in_policy) PolicyOf(frame.block_class)->Erase(number, frame.key.Spread());
  frame.block_class = to;
  Policy* policy = PolicyOf(to);
  frame.in_policy = policy != nullptr && InIndex(frame);
  if (frame.in_policy) policy->Insert(number, {frame.key.Spread(), pages});
}

void DramTier::Hits(std::span<const Index::PendingHit> hits) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;
  FB_ASSERT(hits.size() <= Index::kHitBatch);
  for (const Index::PendingHit& hit : hits) {
    if (hit.frame != kNone) __builtin_prefetch(&frame(hit.frame).block_class);
  }
  std::array<SlotHit, Index::kHitBatch> of_one;
  for (size_t of = 0; of < policies_.size(); ++of) {
    if (policies_[of] == nullptr) continue;
    size_t count = 0;
    for (const Index::PendingHit& hit : hits) {
      if (hit.frame == kNone || static_cast<size_t>(frame(hit.frame).block_class) != of) continue;
      of_one[count++] = {.slot = hit.frame, .block = hit.block};
    }
    policies_[of]->Hits(std::span(of_one).first(count));
  }
}

uint64_t DramTier::resident_pages() {
  const std::scoped_lock lock(mutex_);
  return arena_.resident_pages();
}

uint64_t DramTier::used_pages() {
  const std::scoped_lock lock(mutex_);
  return arena_.used_pages();
}

}  // namespace forebay
