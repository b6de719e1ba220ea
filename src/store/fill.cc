// The writing side of the store: filling blocks, and making dirty ones durable.
#include <fmt/format.h>

#include <algorithm>

#include "src/base/assert.h"
#include "src/base/units.h"
#include "src/store/flusher.h"
#include "src/store/planted.h"
#include "src/store/store.h"

namespace forebay {

namespace {
/// How often BeginFill looks again when others changed the block while it was brought up.
constexpr int kMaxFillTries = 8;
}  // namespace

Result<void> Store::CheckBlock(const BlockInfo& info) const {
  if (info.length == 0 || info.length > options_.max_block_bytes) {
    return Fail(Code::kInvalidArgument, fmt::format("a block of {} bytes; it must have 1 to {}",
                                                    info.length, options_.max_block_bytes));
  }
  if (info.block_class == BlockClass::kDirty && disks_.empty()) {
    return Fail(Code::kUnsupported,
                "dirty blocks need a disk tier: without one an acknowledged write "
                "would not survive this process");
  }
  return {};
}

/// The frame of a block that memory holds already, now being filled; null if it holds none.
Result<Frame*> Store::TakeFilling(const BlockKey& key, const BlockInfo& info, bool* on_disk) {
  auto guard = index_->Lock(key);
  const Slot slot = guard.Find(key);
  *on_disk = false;
  if (slot == kNone) return nullptr;
  const Entry& entry = index_->entry(slot);
  if (entry.length != info.length) {
    return Fail(Code::kInvalidArgument,
                fmt::format("the block is there with {} bytes, not {}", entry.length, info.length));
  }
  *on_disk = entry.disk != kNoDisk;
  if (entry.frame == kNone) return nullptr;
  Frame& frame = dram_->frame(entry.frame);
  if (frame.filling) return Fail(Code::kInUse, "the block is being filled by somebody else");
  frame.filling = true;
  dram_->Pin(frame);
  return &frame;
}

Result<Frame*> Store::NewFrame(const BlockKey& key, const BlockInfo& info) {
  FB_ASSIGN(const uint32_t number,
            dram_->Allocate(key, info.attachment, info.length, info.block_class, info.copy));
  Frame& frame = dram_->frame(number);
  {
    auto guard = index_->Lock(key);
    if (guard.Find(key) == kNone) {
      dram_->Pin(frame);
      frame.slot = dram_->SlotOf(number);
      guard.Insert(frame.slot, {.key = key,
                                .length = info.length,
                                .frame = number,
                                .domain = frame.domain,
                                .block_class = info.block_class});
    }
  }
  if (frame.pins.load(std::memory_order_relaxed) == 0) {
    dram_->Release(number);
    return Fail(Code::kInUse, "the block is being filled by somebody else");
  }
  dram_->Published(number);
  return &frame;
}

Task<Result<Fill>> Store::BeginFill(Env& env, BlockKey key, BlockInfo info) {
  FB_CO_TRY(CheckBlock(info));
  for (int tries = 0; tries < kMaxFillTries; ++tries) {
    bool on_disk = false;
    FB_CO_ASSIGN(Frame * frame, TakeFilling(key, info, &on_disk));
    if (frame == nullptr && on_disk) {
      // What the disk has of it comes up first, so that memory has all that the disk has.
      FB_CO_TRY(co_await BringUp(env, key));
      FB_CO_TRY(CheckReachable(key));
      DropIfDead(key);
      continue;
    }
    if (frame == nullptr) {
      FB_CO_ASSIGN(frame, NewFrame(key, info));
    }
    co_return Fill(*this, *frame);
  }
  co_return Fail(Code::kOverloaded, "the block's disk copy is on its way out; try again");
}

/// A disk that died of reads has nobody yet who clears what it held.
void Store::DropIfDead(const BlockKey& key) {
  for (const auto& disk : disks_) {
    if (disk->dead()) disk->space().Drop(key, true);
  }
}

void Store::EndFill(Frame& frame) {
  bool release = false;
  {
    auto guard = index_->Lock(frame.key);
    frame.filling = false;
    if (frame.slot != kNone && frame.filled_pages == 0 &&
        index_->entry(frame.slot).disk == kNoDisk) {
      guard.Remove(frame.slot);
      frame.slot = kNone;
      release = true;
    }
  }
  if (release) dram_->Release(frame.number);
  dram_->Unpin(frame);
}

void Store::QueueFlush(const BlockKey& key, uint32_t bytes) {
  if (!disks_.empty() && flushers_[DiskNumberFor(key)]->Enqueue(key, bytes)) return;
  auto guard = index_->Lock(key);
  const Slot slot = guard.Find(key);
  if (slot == kNone || index_->entry(slot).frame == kNone) return;
  Frame& frame = dram_->frame(index_->entry(slot).frame);
  frame.flush_queued = false;
  frame.flushed = true;
}

Fill::~Fill() {
  if (store_ != nullptr) store_->EndFill(*frame_);
}

bool Fill::Filled(uint32_t offset, uint32_t size) const {
  const auto end = static_cast<uint32_t>(DivideRoundUp(uint64_t{offset} + size, kPageBytes));
  return frame_->trailer().AllFilled(offset / kPageBytes, end - offset / kPageBytes);
}

bool Fill::Forgotten() const {
  const auto guard = store_->index_->Lock(frame_->key);
  return frame_->slot == kNone;
}

void Fill::Commit(uint32_t offset, uint32_t size, std::span<const uint32_t> checked) {
  const uint32_t first = offset / kPageBytes;
  FB_ASSERT(offset % kPageBytes == 0 && uint64_t{offset} + size <= frame_->length);
  FB_ASSERT(size % kPageBytes == 0 || offset + size == frame_->length);
  const auto pages = static_cast<uint32_t>(DivideRoundUp(size, kPageBytes));
  uint32_t* const crcs = frame_->trailer().crcs() + first;
  // Nobody looks at the checksum of a page that is not filled yet: no lock.
  if (checked.size() >= pages) {
    std::copy_n(checked.begin(), pages, crcs);
  } else {
    ComputeCrcs(ChecksumKey(frame_->key), first, {frame_->image + offset, size}, crcs);
  }
  Publish(first, pages);
}

Result<void> Fill::CommitVerified(uint32_t offset, uint32_t size, std::span<const uint32_t> crcs) {
  const uint32_t first = offset / kPageBytes;
  const Bytes data(frame_->image + offset, size);
  const uint32_t bad = FirstBadPage(ChecksumKey(frame_->key), first, data, crcs.data());
  if (bad < crcs.size()) {
    return Fail(Code::kCorrupt,
                fmt::format("page {} of a block does not match the checksum that came with "
                            "it",
                            first + bad));
  }
  std::copy(crcs.begin(), crcs.end(), frame_->trailer().crcs() + first);
  Publish(first, static_cast<uint32_t>(crcs.size()));
  return {};
}

void Fill::Publish(uint32_t first, uint32_t pages) {
  bool queue = false;
  {
    auto guard = store_->index_->Lock(frame_->key);
    Trailer trailer = frame_->trailer();
    for (uint32_t page = first; page < first + pages; ++page) FB_ASSERT(!trailer.filled(page));
    trailer.SetFilled(first, pages);
    frame_->filled_pages += pages;
    frame_->complete = frame_->filled_pages == frame_->layout().data_pages;
    frame_->flushed = !frame_->to_disk;
    // Dirty blocks go down when they are made durable.
    const bool known = frame_->slot != kNone;
    queue = known && frame_->to_disk && !frame_->flush_queued &&
            frame_->block_class != BlockClass::kDirty;
    if (queue) frame_->flush_queued = true;
    if (known) store_->dram_->TellReadable(*frame_);
  }
  if (queue) store_->QueueFlush(frame_->key, frame_->length);
}

// -- Dirty blocks

/// Takes the right to make a dirty block durable. False: it is already.
Result<bool> Store::BeginSettling(const BlockKey& key) {
  auto guard = index_->Lock(key);
  const Slot slot = guard.Find(key);
  const bool dirty = slot != kNone && index_->entry(slot).block_class == BlockClass::kDirty;
  if (!dirty) return Fail(Code::kInvalidArgument, "only dirty blocks can be made durable");
  Entry& entry = index_->entry(slot);
  if (entry.has(Entry::kDurable)) return false;
  if (entry.has(Entry::kSettling))
    return Fail(Code::kInUse, "somebody makes the block durable now");
  if (entry.frame == kNone || !dram_->frame(entry.frame).complete) {
    return Fail(Code::kInvalidArgument, "only complete blocks can be made durable");
  }
  entry.set(Entry::kSettling, true);
  return true;
}

void Store::EndSettling(const BlockKey& key, bool durable) {
  auto guard = index_->Lock(key);
  const Slot slot = guard.Find(key);
  if (slot == kNone) return;
  index_->entry(slot).set(Entry::kSettling, false);
  index_->entry(slot).set(Entry::kDurable, durable);
}

/// Brings blocks that are settling down and syncs. What fails is forgotten: a sync that failed is
/// never tried again, for what it covered counts as lost.
Task<Result<void>> Store::FlushDirty(Env& env, DiskTier& disk, std::vector<BlockKey> keys) {
  auto flushed = co_await disk.FlushDurably(env, keys);
  for (const BlockKey& key : keys) {
    const auto presence = Probe(key);
    if (flushed && (!presence || !presence->on_disk)) {
      flushed = Fail(Code::kIoError,
                     fmt::format("disk tier {}: a dirty block could not be written; it is full "
                                 "of dirty data, or failing",
                                 disk.directory()));
    }
  }
  for (const BlockKey& key : keys) {
    EndSettling(key, flushed.has_value());
    if (flushed) LetLeaveMemory(key);
  }
  if (!flushed) co_await ForgetUndurable(env, disk, std::move(keys));
  co_return flushed;
}

/// Their records may have reached the disk and would come back as dirty after a restart: as far as
/// the disk still obeys, they are made those of ordinary data first.
Task<void> Store::ForgetUndurable(Env& env, DiskTier& disk, std::vector<BlockKey> keys) {
  for (const BlockKey& key : keys) {
    const auto presence = Probe(key);
    if (presence && presence->on_disk && !disk.dead()) {
      EndSettling(key, true);
      static_cast<void>(co_await disk.MarkClean(env, key));
    }
    Erase(key);
  }
}

/// A dirty block that is safe on disk need not stay in memory.
void Store::LetLeaveMemory(const BlockKey& key) {
  Frame* frame = nullptr;
  {
    auto guard = index_->Lock(key);
    const Slot slot = guard.Find(key);
    if (slot == kNone || index_->entry(slot).frame == kNone) return;
    frame = &dram_->frame(index_->entry(slot).frame);
    dram_->Pin(*frame);
  }
  dram_->Reclassify(frame->number, BlockClass::kData);
  dram_->Unpin(*frame);
}

Task<Result<void>> Store::MakeDurable(Env& env, std::vector<BlockKey> keys) {
  std::vector<std::vector<BlockKey>> by_disk(disks_.size());
  Result<void> result;
  for (const BlockKey& key : keys) {
    const auto begun = BeginSettling(key);
    if (!begun && result) result = Fail(begun.error());
    if (begun && *begun) by_disk[DiskNumberFor(key)].push_back(key);
  }
  for (size_t number = 0; number < by_disk.size(); ++number) {
    if (by_disk[number].empty()) continue;
    const auto flushed = co_await FlushDirty(env, *disks_[number], std::move(by_disk[number]));
    if (!flushed && result) result = flushed;
  }
  co_return result;
}

Task<Result<void>> Store::MarkClean(Env& env, BlockKey key) {
  DiskTier* disk = nullptr;
  {
    auto guard = index_->Lock(key);
    const Slot slot = guard.Find(key);
    if (slot == kNone || index_->entry(slot).block_class != BlockClass::kDirty) {
      co_return Fail(Code::kNotFound, "no such dirty block");
    }
    if (index_->entry(slot).has(Entry::kSettling)) {
      co_return Fail(Code::kInUse, "somebody makes the block durable now");
    }
    if (index_->entry(slot).disk == kNoDisk) {
      co_return Fail(Code::kInvalidArgument, "the block was never made durable");
    }
    disk = disks_[index_->entry(slot).disk].get();
  }
  co_return co_await disk->MarkClean(env, key);
}

}  // namespace forebay
