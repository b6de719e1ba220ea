// The writing side of the store: filling blocks, and making dirty ones durable.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "src/base/assert.h"
#include "src/base/units.h"
#include "src/store/flusher.h"
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
            dram_->Allocate(key, info.attachment, info.length, info.block_class));
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
      continue;
    }
    if (frame == nullptr) {
      FB_CO_ASSIGN(frame, NewFrame(key, info));
    }
    co_return Fill(*this, *frame);
  }
  co_return Fail(Code::kOverloaded, "the block's disk copy is on its way out; try again");
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
  DiskTier* disk = DiskFor(key);
  bool queued = false;
  for (size_t i = 0; i < disks_.size(); ++i) {
    if (disks_[i].get() == disk) queued = flushers_[i]->Enqueue(key, bytes);
  }
  if (queued) return;
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

void Fill::Commit(uint32_t offset, uint32_t size) {
  const uint32_t first = offset / kPageBytes;
  FB_ASSERT(offset % kPageBytes == 0 && uint64_t{offset} + size <= frame_->length);
  FB_ASSERT(size % kPageBytes == 0 || offset + size == frame_->length);
  // Nobody looks at the checksum of a page that is not filled yet: no lock.
  ComputeCrcs(frame_->key, first, {frame_->image + offset, size}, frame_->trailer().crcs() + first);
  Publish(first, static_cast<uint32_t>(DivideRoundUp(size, kPageBytes)));
}

Result<void> Fill::CommitVerified(uint32_t offset, uint32_t size, std::span<const uint32_t> crcs) {
  const uint32_t first = offset / kPageBytes;
  const Bytes data(frame_->image + offset, size);
  const uint32_t bad = FirstBadPage(frame_->key, first, data, crcs.data());
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
    frame_->flushed = false;
    // Dirty blocks go down when they are made durable.
    const bool known = frame_->slot != kNone;
    queue = known && !frame_->flush_queued && frame_->block_class != BlockClass::kDirty;
    if (queue) frame_->flush_queued = true;
  }
  if (queue) store_->QueueFlush(frame_->key, frame_->length);
}

// -- Dirty blocks

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
    if (!flushed) {
      Erase(key);  // a sync that failed is never tried again: what it covered counts as lost
    } else {
      LetLeaveMemory(key);
    }
  }
  co_return flushed;
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
  std::map<DiskTier*, std::vector<BlockKey>> by_disk;
  for (const BlockKey& key : keys) {
    const auto presence = Probe(key);
    if (!presence || presence->block_class != BlockClass::kDirty || !presence->complete) {
      co_return Fail(Code::kInvalidArgument, "only complete dirty blocks can be made durable");
    }
    DiskTier* disk = DiskFor(key);
    if (disk == nullptr) co_return Fail(Code::kIoError, "every disk of this node has failed");
    by_disk[disk].push_back(key);
  }
  Result<void> result;
  for (auto& [disk, of_disk] : by_disk) {
    const auto flushed = co_await FlushDirty(env, *disk, std::move(of_disk));
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
    if (index_->entry(slot).disk == kNoDisk) {
      co_return Fail(Code::kInvalidArgument, "the block was never made durable");
    }
    disk = disks_[index_->entry(slot).disk].get();
  }
  disk->space().Reclassify(key, BlockClass::kData);
  co_return co_await disk->UpdateRecord(env, key);
}

}  // namespace forebay
