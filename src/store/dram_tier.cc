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

/// Address space of a domain over the capacity of the tier: room for runs that were given back to find each other.
constexpr uint64_t kDomainSpaceFactor = 2;
/// Freed memory that may lie idle, because it is cheaper to reuse than to return, before it is returned for a domain
/// or a size that it does not fit: one in so many pages of the capacity.
constexpr uint64_t kIdleShare = 50;
constexpr size_t kVictimBatch = 16;
constexpr int kMaxVictimRounds = 8;  // how many batches of busy candidates are spared before giving up
constexpr size_t kMaxDomains = 60000;

}  // namespace

struct DramTier::Domain {
  uint64_t attachment = 0;
  std::unique_ptr<SharedMemory> memory;
  ExtentAllocator idle;    // freed, its pages still ours
  ExtentAllocator virgin;  // costs nothing until used

  std::byte* At(uint32_t page) { return memory->bytes().data() + uint64_t{page} * kPageBytes; }
};

uint64_t DramTier::FramesFor(const DramOptions& options) {
  return options.capacity_bytes / kPageBytes;
}

DramTier::DramTier(Memory& memory, Index& index, DramOptions options)
    : memory_(memory),
      index_(index),
      options_(std::move(options)),
      capacity_pages_(options_.capacity_bytes / kPageBytes),
      first_slot_(index.AddSpace(FramesFor(options_))),
      policies_(kBlockClasses),
      chunks_(new std::atomic<Frame*>[DivideRoundUp(FramesFor(options_), kChunk)]()) {
  for (const BlockClass kept : {BlockClass::kData, BlockClass::kKv}) {
    const PolicyOptions policy{.capacity = LimitOf(kept), .max_slots = FramesFor(options_)};
    policies_[static_cast<int>(kept)] = MakePolicy(options_.policy, policy).value();
  }
}

DramTier::~DramTier() {
  for (uint64_t i = 0; i < DivideRoundUp(FramesFor(options_), kChunk); ++i) delete[] chunks_[i].load();
}

Frame& DramTier::frame(uint32_t number) {
  return chunks_[number / kChunk].load(std::memory_order_acquire)[number % kChunk];
}

uint64_t DramTier::LimitOf(BlockClass block_class) const {
  const auto share = [&](double part) {
    return static_cast<uint64_t>(static_cast<double>(capacity_pages_) * part);
  };
  switch (block_class) {
    case BlockClass::kDirty: return share(options_.dirty_share);
    case BlockClass::kKv: return share(options_.kv_share);
    case BlockClass::kData: break;
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
  if (domains_.size() == kMaxDomains) {
    return Fail(Code::kOverloaded, fmt::format("more than {} attachments", kMaxDomains));
  }
  const auto number = static_cast<uint16_t>(domains_.size());
  domains_.push_back(std::make_unique<Domain>());
  domains_.back()->attachment = attachment;
  domain_numbers_.emplace(attachment, number);
  return number;
}

uint64_t DramTier::AttachmentOf(uint16_t domain) {
  const std::scoped_lock lock(mutex_);
  return domains_[domain]->attachment;
}

/// A domain gets address space when its first block comes into memory.
Result<void> DramTier::GiveMemory(Domain& domain) {
  if (domain.memory != nullptr) return {};
  const uint64_t pages = std::min<uint64_t>(capacity_pages_ * kDomainSpaceFactor, kNone - 1);
  FB_ASSIGN(domain.memory,
            memory_.Reserve(fmt::format("forebay:{}", domain.attachment), pages * kPageBytes));
  domain.virgin.Free({0, static_cast<uint32_t>(pages)});
  return {};
}

SharedMemory* DramTier::DomainMemory(uint64_t attachment) {
  const std::scoped_lock lock(mutex_);
  const auto known = domain_numbers_.find(attachment);
  return known == domain_numbers_.end() ? nullptr : domains_[known->second]->memory.get();
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
                                    BlockClass block_class) {
  const ImageLayout layout(length);
  const std::scoped_lock lock(mutex_);
  FB_ASSIGN(const uint16_t number, DomainLocked(attachment));
  Domain& domain = *domains_[number];
  FB_TRY(GiveMemory(domain));
  uint64_t& used = class_pages_[static_cast<int>(block_class)];
  while (used + layout.total_pages > LimitOf(block_class)) {
    Policy* policy = PolicyOf(block_class);
    if (policy != nullptr && EvictByPolicy(*policy, false)) continue;
    return Fail(Code::kOverloaded,
                fmt::format("memory for {} blocks is used up ({}); wait, or raise its share",
                            ClassName(block_class), FormatSize(LimitOf(block_class) * kPageBytes)));
  }
  Policy* policy = PolicyOf(block_class);
  const BlockRef block{key.Spread(), layout.total_pages};
  const bool full = resident_pages_ - idle_pages_ + layout.total_pages > capacity_pages_;
  const bool admitted = policy == nullptr || policy->Admit(block, full);
  FB_ASSIGN(const Extent extent, TakeExtent(domain, layout.total_pages));
  used += layout.total_pages;
  const uint32_t at = TakeFrameNumber();
  Frame& frame = this->frame(at);
  frame.image = domain.At(extent.first);
  frame.key = key;
  frame.attachment = attachment;
  frame.slot = kNone;
  frame.length = length;
  frame.first_page = extent.first;
  frame.domain = number;
  frame.block_class = block_class;
  frame.complete = frame.flushed = frame.flush_queued = frame.flushing = false;
  frame.filled_pages = 0;
  frame.filling = true;
  frame.admitted = admitted;
  frame.pins.store(0, std::memory_order_relaxed);
  frame.trailer().Clear();
  return at;
}

/// Reuses memory where a run fits, grows while there is room, and otherwise evicts; memory that lies idle in
/// pieces that fit nobody is given back to the machine.
Result<Extent> DramTier::TakeExtent(Domain& domain, uint32_t pages) {
  for (;;) {
    if (const auto extent = domain.idle.Allocate(pages)) {
      idle_pages_ -= pages;
      return *extent;
    }
    if (resident_pages_ + pages <= capacity_pages_) {
      if (const auto extent = domain.virgin.Allocate(pages)) {
        resident_pages_ += pages;
        return *extent;
      }
      if (PunchOne()) continue;
      return Fail(Code::kOverloaded, "the address space of an attachment is in pieces");
    }
    const bool much_idle = idle_pages_ >= pages + capacity_pages_ / kIdleShare;
    if (much_idle && PunchOne()) continue;
    if (EvictFor(BlockClass::kData)) continue;
    if (PunchOne()) continue;
    return Fail(Code::kOverloaded,
                fmt::format("all of the {} of memory is pinned, dirty or being filled",
                            FormatSize(capacity_pages_ * kPageBytes)));
  }
}

/// Gives the largest idle run of the domain that has most of them back to the machine.
bool DramTier::PunchOne() {
  const auto most = std::max_element(
      domains_.begin(), domains_.end(),
      [](const auto& a, const auto& b) { return a->idle.free_pages() < b->idle.free_pages(); });
  if (most == domains_.end() || (*most)->idle.free_pages() == 0) return false;
  Domain& domain = **most;
  const Extent extent = *domain.idle.Allocate(domain.idle.largest());
  const auto punched = domain.memory->Punch(uint64_t{extent.first} * kPageBytes,
                                            uint64_t{extent.pages} * kPageBytes);
  FB_ASSERT(punched);  // refusing would show one attachment's bytes to another's readers
  domain.virgin.Free(extent);
  idle_pages_ -= extent.pages;
  resident_pages_ -= extent.pages;
  return true;
}

void DramTier::Published(uint32_t number) {
  const std::scoped_lock lock(mutex_);
  Frame& frame = this->frame(number);
  Policy* policy = PolicyOf(frame.block_class);
  if (policy == nullptr) return;
  if (frame.admitted) {
    policy->Insert(number, {frame.key.Spread(), frame.layout().total_pages});
  } else {
    transient_.push_back({number, frame.use});
  }
}

/// Something has to go; whatever is over its share or transient goes first.
bool DramTier::EvictFor(BlockClass) {
  for (const bool unflushed_too : {false, true}) {
    if (EvictTransient(unflushed_too)) return true;
    const bool kv_first = class_pages_[static_cast<int>(BlockClass::kKv)] >
                          LimitOf(BlockClass::kKv) / 2;
    const auto first = kv_first ? BlockClass::kKv : BlockClass::kData;
    const auto second = kv_first ? BlockClass::kData : BlockClass::kKv;
    if (EvictByPolicy(*PolicyOf(first), unflushed_too)) return true;
    if (EvictByPolicy(*PolicyOf(second), unflushed_too)) return true;
  }
  return false;
}

bool DramTier::EvictTransient(bool unflushed_too) {
  for (size_t tries = std::min(transient_.size(), kVictimBatch); tries > 0; --tries) {
    const Transient next = transient_.front();
    transient_.pop_front();
    if (frame(next.frame).use != next.use) continue;
    if (TryEvict(next.frame, unflushed_too)) return true;
    transient_.push_back(next);
  }
  return false;
}

bool DramTier::EvictByPolicy(Policy& policy, bool unflushed_too) {
  std::array<Slot, kVictimBatch> victims;
  for (int round = 0; round < kMaxVictimRounds; ++round) {
    const size_t count = policy.Victims(victims);
    for (size_t i = 0; i < count; ++i) {
      const uint64_t key = frame(victims[i]).key.Spread();
      if (TryEvict(victims[i], unflushed_too)) {
        policy.Evicted(victims[i], key);
        return true;
      }
      policy.Spare(victims[i]);
    }
    if (count == 0) return false;
  }
  return false;
}

/// Takes a frame out of the index and frees it, unless somebody needs it. The policy is the caller's business.
bool DramTier::TryEvict(uint32_t number, bool unflushed_too) {
  Frame& frame = this->frame(number);
  {
    auto guard = index_.Lock(frame.key);
    if (frame.slot == kNone || frame.filling) return false;
    const bool pinned = frame.pins.load(std::memory_order_acquire) != 0;
    if (pinned && !Planted(PlantedBug::kReusePinnedSlot)) return false;
    if (!frame.flushed && !unflushed_too) return false;
    Entry& entry = index_.entry(frame.slot);
    const bool on_disk = entry.disk != kNoDisk && !entry.has(Entry::kDoomedOnDisk);
    if (entry.block_class == BlockClass::kDirty && !on_disk) return false;
    entry.frame = kNone;
    if (entry.disk == kNoDisk) guard.Remove(frame.slot);
    frame.slot = kNone;
  }
  evictions_.fetch_add(1, std::memory_order_relaxed);
  FreeLocked(number);
  return true;
}

void DramTier::Release(uint32_t number) {
  const std::scoped_lock lock(mutex_);
  Frame& frame = this->frame(number);
  FB_ASSERT(frame.slot == kNone);
  if (Policy* policy = PolicyOf(frame.block_class)) policy->Erase(number);
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
  domains_[frame.domain]->idle.Free({frame.first_page, pages});
  idle_pages_ += pages;
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
  if (Policy* policy = PolicyOf(frame.block_class)) policy->Erase(number);
  frame.block_class = to;
  if (Policy* policy = PolicyOf(to)) policy->Insert(number, {frame.key.Spread(), pages});
}

void DramTier::Hits(std::span<const Index::PendingHit> hits) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;
  for (const Index::PendingHit& hit : hits) {
    if (hit.frame == kNone) continue;
    if (Policy* policy = PolicyOf(frame(hit.frame).block_class)) policy->Hit(hit.frame, hit.block);
  }
}

uint64_t DramTier::resident_pages() {
  const std::scoped_lock lock(mutex_);
  return resident_pages_;
}

}  // namespace forebay
