#include "src/store/disk_space.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "src/base/assert.h"
#include "src/base/units.h"
#include "src/core/policy/factory.h"
#include "src/store/planted.h"

namespace forebay {
namespace {

/// One in so many pages is kept free. With that little slack the tightest free run nearly always
/// fits, so that blocks leave in the policy's order and not for their place: measured with
/// log-normal sizes, 2 % slack makes 1 eviction in 200 a neighbour's, 0.5 % makes it 2 in 5.
constexpr uint32_t kSlackShare = 50;
constexpr size_t kVictimBatch = 16;
constexpr int kMaxVictimRounds = 8;
/// How many cold blocks are tried as the beginning of a run to clear for a large block.
constexpr size_t kRunCandidates = 8;

}  // namespace

DiskSpace::DiskSpace(Index& index, DramTier& dram, Options options)
    : index_(index),
      dram_(dram),
      options_(std::move(options)),
      first_slot_(index.AddSpace(options_.records)),
      policies_(kBlockClasses),
      regions_(DivideRoundUp(options_.data_pages, kRegionPages), kNone) {
  for (const BlockClass kept : {BlockClass::kData, BlockClass::kKv}) {
    const PolicyOptions policy{.max_slots = options_.records, .capacity = LimitOf(kept)};
    policies_[static_cast<int>(kept)] = MakePolicy(options_.policy, policy).value();
  }
}

/// Null for dirty blocks: nothing may propose them.
Policy* DiskSpace::PolicyOf(BlockClass block_class) {
  if (Planted(PlantedBug::kEvictDirty)) block_class = BlockClass::kData;
  return policies_[static_cast<int>(block_class)].get();
}

uint64_t DiskSpace::LimitOf(BlockClass block_class) const {
  const auto share = [&](double part) {
    return static_cast<uint64_t>(static_cast<double>(options_.data_pages) * part);
  };
  switch (block_class) {
    case BlockClass::kDirty:
      return share(options_.dirty_share);
    case BlockClass::kKv:
      return share(options_.kv_share);
    case BlockClass::kData:
      break;
  }
  return options_.data_pages;
}

bool DiskSpace::Admit(const BlockRef& block, BlockClass block_class) {
  const std::scoped_lock lock(mutex_);
  Policy* policy = PolicyOf(block_class);
  if (policy == nullptr) return true;
  const bool full = extents_.free_pages() < block.weight + options_.data_pages / kSlackShare ||
                    taken_records_ == options_.records;
  return policy->Admit(block, full);
}

Result<Place> DiskSpace::Allocate(uint32_t pages, BlockClass block_class) {
  const std::scoped_lock lock(mutex_);
  if (pages > options_.data_pages) {
    return Fail(Code::kNoSpace, fmt::format("a block of {} pages on a disk tier of {}", pages,
                                            options_.data_pages));
  }
  if (!MakeRoom(pages, block_class)) {
    return Fail(Code::kOverloaded,
                fmt::format("no room for a {} block of {} on the disk tier: what is there is dirty "
                            "or being read, or the class has used up its share",
                            ClassName(block_class), FormatSize(uint64_t{pages} * kPageBytes)));
  }
  auto extent = extents_.Allocate(pages);
  if (!extent && EvictRun(pages)) extent = extents_.Allocate(pages);
  if (!extent)
    return Fail(Code::kOverloaded, "no run of pages on the disk tier can be cleared now");
  Place place{*extent, 0};
  if (free_records_.empty()) {
    place.record = used_records_++;
  } else {
    place.record = free_records_.back();
    free_records_.pop_back();
  }
  ++taken_records_;
  class_pages_[static_cast<int>(block_class)] += pages;
  return place;
}

/// Evicts in the policies' order until the class keeps its share, a record is free and so are
/// `pages` and the slack.
bool DiskSpace::MakeRoom(uint32_t pages, BlockClass block_class) {
  const uint64_t& used = class_pages_[static_cast<int>(block_class)];
  while (used + pages > LimitOf(block_class)) {
    Policy* policy = PolicyOf(block_class);
    if (policy == nullptr || !EvictByPolicy(*policy)) return false;
  }
  while (taken_records_ == options_.records) {
    if (!EvictForAny()) return false;
  }
  const uint64_t slack = options_.data_pages / kSlackShare;
  while (extents_.free_pages() < pages + slack) {
    if (!EvictForAny()) return extents_.free_pages() >= pages;
  }
  return true;
}

bool DiskSpace::EvictForAny() {
  const bool kv_first =
      class_pages_[static_cast<int>(BlockClass::kKv)] > LimitOf(BlockClass::kKv) / 2;
  const auto first = kv_first ? BlockClass::kKv : BlockClass::kData;
  const auto second = kv_first ? BlockClass::kData : BlockClass::kKv;
  return EvictByPolicy(*PolicyOf(first)) || EvictByPolicy(*PolicyOf(second));
}

bool DiskSpace::EvictByPolicy(Policy& policy) {
  std::array<Slot, kVictimBatch> victims;
  for (int round = 0; round < kMaxVictimRounds; ++round) {
    const size_t count = policy.Victims(victims);
    for (size_t i = 0; i < count; ++i) {
      if (TryEvict(victims[i])) return true;
      policy.Spare(victims[i]);
    }
    if (count == 0) return false;
  }
  return false;
}

/// No free run is long enough: clears one, from one of the coldest blocks on to its right, at the
/// least cost.
bool DiskSpace::EvictRun(uint32_t pages) {
  std::array<Slot, kRunCandidates> cold;
  for (const BlockClass kept : {BlockClass::kData, BlockClass::kKv}) {
    const size_t count = PolicyOf(kept)->Victims(cold);
    for (size_t i = 0; i < count; ++i) {
      if (EvictRunFrom(SlotOf(cold[i]), pages)) return true;
    }
  }
  return false;
}

bool DiskSpace::EvictRunFrom(Slot slot, uint32_t pages) {
  const Entry& first = index_.entry(slot);
  if (first.disk != options_.disk) return false;  // an earlier try has evicted it
  const auto before = extents_.EndingAt(first.first_page);
  const uint32_t begin = before ? before->first : first.first_page;
  for (;;) {
    // Asked anew each time: what is freed joins the free run behind it, too.
    const auto run = extents_.StartingAt(begin);
    const uint32_t size = run ? run->pages : 0;
    if (size >= pages) return true;
    const Slot next = BlockStartingAt(begin + size);
    if (next == kNone || !TryEvict(next - first_slot_)) return false;
    ++neighbour_evictions_;
  }
}

/// Removes a block from this disk, unless somebody needs it there.
bool DiskSpace::TryEvict(uint32_t record) {
  const Slot slot = SlotOf(record);
  // The key is stable under mutex_: an entry enters and leaves this disk's slots only under it.
  const BlockKey key = index_.entry(slot).key;
  auto guard = index_.Lock(key);
  const Entry& entry = index_.entry(slot);
  if (entry.disk_readers > 0 || entry.has(Entry::kDiskWriting)) return false;
  if (entry.block_class == BlockClass::kDirty && !Planted(PlantedBug::kEvictDirty)) return false;
  ++evictions_;
  Detach(guard, slot, Leaving::kEvicted, false);
  return true;
}

/// Takes the disk's part of an entry away. What memory still holds moves to its frame's slot. The
/// policies remember what was evicted, to know it when it comes back; not what was dropped.
void DiskSpace::Detach(Index::Guard& guard, Slot slot, Leaving why, bool bad_media) {
  Entry& entry = index_.entry(slot);
  const Extent extent{entry.first_page, ImageLayout(entry.length).total_pages};
  const BlockClass block_class = entry.block_class;
  const uint64_t key = entry.key.Spread();
  UnlinkRegion(slot);
  entry.disk = kNoDisk;
  entry.first_page = 0;
  entry.flags = 0;
  if (entry.frame != kNone) {
    dram_.frame(entry.frame).slot = dram_.SlotOf(entry.frame);
    guard.Move(slot, dram_.SlotOf(entry.frame));
  } else {
    guard.Remove(slot);
  }
  if (Policy* policy = PolicyOf(block_class)) {
    const Slot record = slot - first_slot_;
    why == Leaving::kEvicted ? policy->Evicted(record, key) : policy->Erase(record, key);
  }
  class_pages_[static_cast<int>(block_class)] -= extent.pages;
  --blocks_;
  FreeRecord(slot - first_slot_);
  if (bad_media) {
    bad_pages_ += extent.pages;
  } else {
    extents_.Free(extent);
  }
}

void DiskSpace::FreeRecord(uint32_t record) {
  --taken_records_;
  free_records_.push_back(record);
}

void DiskSpace::Abandon(const Place& place, BlockClass block_class) {
  const std::scoped_lock lock(mutex_);
  class_pages_[static_cast<int>(block_class)] -= place.extent.pages;
  FreeRecord(place.record);
  extents_.Free(place.extent);
}

bool DiskSpace::Publish(const Place& place, Frame& frame, BlockClass block_class, bool complete) {
  {
    const std::scoped_lock lock(mutex_);
    auto guard = index_.Lock(frame.key);
    // Gone, or of another class than the room was taken for: the caller's work was for nothing.
    const bool wanted = frame.slot != kNone && index_.entry(frame.slot).disk == kNoDisk &&
                        index_.entry(frame.slot).block_class == block_class;
    if (wanted) {
      const Slot slot = SlotOf(place.record);
      guard.Move(frame.slot, slot);
      frame.slot = slot;
      Entry& entry = index_.entry(slot);
      entry.disk = options_.disk;
      entry.first_page = place.extent.first;
      entry.set(Entry::kCompleteOnDisk, complete);
      LinkRegion(slot);
      ++blocks_;
      if (Policy* policy = PolicyOf(block_class)) {
        policy->Insert(place.record, {frame.key.Spread(), place.extent.pages});
      }
      return true;
    }
  }
  Abandon(place, block_class);
  return false;
}

void DiskSpace::Adopt(uint32_t record, const Entry& entry) {
  const std::scoped_lock lock(mutex_);
  const Slot slot = SlotOf(record);
  const uint32_t pages = ImageLayout(entry.length).total_pages;
  auto guard = index_.Lock(entry.key);
  FB_ASSERT(guard.Find(entry.key) == kNone);
  guard.Insert(slot, entry);
  LinkRegion(slot);
  class_pages_[static_cast<int>(entry.block_class)] += pages;
  ++blocks_;
  ++taken_records_;
  used_records_ = std::max(used_records_, record + 1);
  if (Policy* policy = PolicyOf(entry.block_class))
    policy->Insert(record, {entry.key.Spread(), pages});
}

void DiskSpace::AdoptGaps(std::span<const Extent> taken) {
  const std::scoped_lock lock(mutex_);
  uint32_t at = 0;
  for (const Extent& extent : taken) {
    FB_ASSERT(extent.first >= at);
    if (extent.first > at) extents_.Free({at, extent.first - at});
    at = extent.first + extent.pages;
  }
  if (at < options_.data_pages) extents_.Free({at, options_.data_pages - at});
}

void DiskSpace::AdoptFreeRecords(const std::vector<bool>& used) {
  const std::scoped_lock lock(mutex_);
  for (uint32_t record = used_records_; record-- > 0;) {
    if (!used[record]) free_records_.push_back(record);
  }
}

void DiskSpace::EndRead(Slot slot) {
  BlockKey doomed;
  {
    auto guard = index_.LockStripe(Index::StripeOf(index_.entry(slot).key));
    Entry& entry = index_.entry(slot);
    --entry.disk_readers;
    if (entry.disk_readers > 0 || !entry.has(Entry::kDoomedOnDisk)) return;
    doomed = entry.key;
  }
  DropDoomed(slot, doomed);
}

void DiskSpace::DropDoomed(Slot slot, const BlockKey& key) {
  const std::scoped_lock lock(mutex_);
  auto guard = index_.Lock(key);
  // It may have been evicted meanwhile, and the key may be here anew: that copy is not meant.
  if (guard.Find(key) != slot) return;
  const Entry& entry = index_.entry(slot);
  if (!entry.has(Entry::kDoomedOnDisk) || entry.disk_readers > 0 || entry.has(Entry::kDiskWriting))
    return;
  Detach(guard, slot, Leaving::kDropped, entry.has(Entry::kBadMedia));
}

bool DiskSpace::Drop(const BlockKey& key, bool bad_media) {
  const std::scoped_lock lock(mutex_);
  auto guard = index_.Lock(key);
  const Slot slot = guard.Find(key);
  if (slot == kNone || !Owns(slot)) return false;
  Entry& entry = index_.entry(slot);
  if (entry.disk_readers > 0 || entry.has(Entry::kDiskWriting)) {
    entry.set(Entry::kDoomedOnDisk, true);
    if (bad_media) entry.set(Entry::kBadMedia, true);
  } else {
    Detach(guard, slot, Leaving::kDropped, bad_media || entry.has(Entry::kBadMedia));
  }
  return true;
}

uint64_t DiskSpace::DropAll() {
  const std::scoped_lock lock(mutex_);
  uint64_t left = 0;
  for (size_t region = 0; region < regions_.size(); ++region) {
    for (Slot slot = regions_[region]; slot != kNone;) {
      const Slot next = index_.entry(slot).region_next;
      auto guard = index_.Lock(index_.entry(slot).key);
      const Entry& entry = index_.entry(slot);
      // Dirty ones stay known, so that reading them is an error and not a miss.
      if (entry.block_class == BlockClass::kDirty) {
        slot = next;
        continue;
      }
      if (entry.disk_readers > 0 || entry.has(Entry::kDiskWriting)) {
        ++left;
      } else {
        Detach(guard, slot, Leaving::kDropped, true);
      }
      slot = next;
    }
  }
  return left;
}

void DiskSpace::Reclassify(const BlockKey& key, BlockClass to) {
  const std::scoped_lock lock(mutex_);
  auto guard = index_.Lock(key);
  const Slot slot = guard.Find(key);
  if (slot == kNone || !Owns(slot)) return;
  Entry& entry = index_.entry(slot);
  const uint32_t pages = ImageLayout(entry.length).total_pages;
  class_pages_[static_cast<int>(entry.block_class)] -= pages;
  class_pages_[static_cast<int>(to)] += pages;
  if (Policy* policy = PolicyOf(entry.block_class)) policy->Erase(slot - first_slot_, key.Spread());
  entry.block_class = to;
  if (Policy* policy = PolicyOf(to)) policy->Insert(slot - first_slot_, {key.Spread(), pages});
}

std::vector<BlockKey> DiskSpace::Keys(BlockClass block_class) {
  const std::scoped_lock lock(mutex_);
  std::vector<BlockKey> keys;
  for (Slot slot : regions_) {
    for (; slot != kNone; slot = index_.entry(slot).region_next) {
      const BlockKey key = index_.entry(slot).key;
      const auto guard = index_.Lock(key);
      if (index_.entry(slot).block_class == block_class) keys.push_back(key);
    }
  }
  return keys;
}

void DiskSpace::Hits(std::span<const Index::PendingHit> hits) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;
  FB_ASSERT(hits.size() <= Index::kHitBatch);
  std::array<SlotHit, Index::kHitBatch> here;
  size_t count = 0;
  for (const Index::PendingHit& hit : hits) {
    if (Owns(hit.slot)) here[count++] = {.slot = hit.slot - first_slot_, .block = hit.block};
  }
  // Whoever does not have it passes over it.
  for (const auto& policy : policies_) {
    if (policy != nullptr) policy->Hits(std::span(here).first(count));
  }
}

/// The block whose first page is `page`, or kNone.
uint32_t DiskSpace::BlockStartingAt(uint32_t page) {
  if (page >= options_.data_pages) return kNone;
  Slot slot = regions_[page / kRegionPages];
  while (slot != kNone && index_.entry(slot).first_page != page)
    slot = index_.entry(slot).region_next;
  return slot;
}

void DiskSpace::LinkRegion(Slot slot) {
  Entry& entry = index_.entry(slot);
  Slot& head = regions_[entry.first_page / kRegionPages];
  entry.region_next = std::exchange(head, slot);
}

void DiskSpace::UnlinkRegion(Slot slot) {
  Entry& entry = index_.entry(slot);
  Slot* at = &regions_[entry.first_page / kRegionPages];
  while (*at != slot) at = &index_.entry(*at).region_next;
  *at = entry.region_next;
  entry.region_next = kNone;
}

DiskSpace::Usage DiskSpace::usage() {
  const std::scoped_lock lock(mutex_);
  Usage usage{.pages = options_.data_pages,
              .free_pages = extents_.free_pages(),
              .bad_pages = bad_pages_,
              .blocks = blocks_,
              .evictions = evictions_,
              .neighbour_evictions = neighbour_evictions_,
              .policy = PolicyOf(BlockClass::kData)->Describe()};
  std::copy(std::begin(class_pages_), std::end(class_pages_), std::begin(usage.class_pages));
  usage.memory_bytes = extents_.MemoryBytes() + regions_.capacity() * sizeof(Slot) +
                       free_records_.capacity() * sizeof(uint32_t);
  for (const auto& policy : policies_) {
    if (policy != nullptr) usage.memory_bytes += policy->MemoryBytes();
  }
  return usage;
}

}  // namespace forebay
