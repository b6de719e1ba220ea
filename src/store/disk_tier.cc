#include "src/store/disk_tier.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/base/assert.h"
#include "src/base/units.h"
#include "src/store/aligned_buffer.h"
#include "src/store/planted.h"

namespace forebay {
namespace {

/// So many operations that fail one after the other mean that the disk is gone, not one range of
/// it.
constexpr uint32_t kFailuresOfADeadDisk = 16;

uint32_t PageOf(uint64_t offset) {
  return static_cast<uint32_t>(offset / kPageBytes);
}

}  // namespace

uint64_t DiskTier::RecordsFor(const DiskOptions& options) {
  return std::max<uint64_t>(
      1, options.size_bytes / std::max<uint64_t>(1, options.smallest_mean_block));
}

Task<Result<std::unique_ptr<DiskTier>>> DiskTier::Open(Env& env, Index& index, DramTier& dram,
                                                       ChecksumCache& checksums,
                                                       DiskOptions options, Hash128 node_id,
                                                       uint8_t number) {
  std::unique_ptr<DiskTier> tier(new DiskTier(index, dram, checksums, number));
  FB_CO_ASSIGN(tier->files_, co_await TierFiles::Open(env, options, node_id));
  const Superblock& super = tier->files_->super();
  tier->space_ = std::make_unique<DiskSpace>(
      index, dram,
      DiskSpace::Options{.disk = number,
                         .data_pages = static_cast<uint32_t>(super.data_pages),
                         .records = static_cast<uint32_t>(super.records),
                         .dirty_share = options.dirty_share,
                         .kv_share = options.kv_share,
                         .policy = options.policy});
  tier->sync_ = std::make_unique<GroupSync>(*tier->files_);
  FB_CO_TRY(co_await tier->Recover(env));
  co_return std::move(tier);
}

/// A device's failure. Many in a row mean that the disk is dead.
void DiskTier::Failed(Env& env, const Error& error) {
  if (error.code() == Code::kCancelled) return;  // the process ends, not the disk
  counters_.io_errors.fetch_add(1, std::memory_order_relaxed);
  env.log.Warning("store", fmt::format("disk tier {}: {}", directory(), error.ToString()));
  // A device that is full still has what it has.
  if (error.code() == Code::kNoSpace) return;
  if (failures_in_a_row_.fetch_add(1) + 1 < kFailuresOfADeadDisk || dead_.exchange(true)) return;
  env.log.Error("store", fmt::format("disk tier {}: {} failures in a row: given up; its blocks are "
                                     "misses from now on",
                                     directory(), kFailuresOfADeadDisk));
}

/// What a read that failed means: for data that can be had again, a miss, and its pages are not
/// trusted again. Dirty data stays, for another try: there is no other copy.
Result<bool> DiskTier::ReadFailed(Env& env, const BlockKey& key, const Reading& reading,
                                  const Error& error) {
  Failed(env, error);
  if (error.code() == Code::kCancelled || reading.block_class == BlockClass::kDirty)
    return Fail(error);
  space_->Drop(key, true);
  return false;
}

/// The same for bytes that are not what was written.
Result<bool> DiskTier::Rotten(Env& env, const BlockKey& key, const Reading& reading,
                              std::string_view what) {
  counters_.rotten_blocks.fetch_add(1, std::memory_order_relaxed);
  checksums_.Erase(key);
  const bool dirty = reading.block_class == BlockClass::kDirty;
  const std::string text =
      fmt::format("disk tier {}: the {} of a {} block does not match its checksum", directory(),
                  what, ClassName(reading.block_class));
  env.log.Warning("store", text + (dirty ? "; kept, for there is no other copy" : "; dropped"));
  if (dirty) return Fail(Code::kCorrupt, text);
  space_->Drop(key, false);
  return false;
}

/// The checksums of the pages from `first` on, from the block's trailer; the cache gets all of
/// them. False: some of the pages are not there.
Task<Result<bool>> DiskTier::LoadChecksums(Env& env, BlockKey key, Reading reading, uint32_t first,
                                           std::span<uint32_t> crcs) {
  const ImageLayout layout(reading.length);
  const uint32_t pages = layout.total_pages - layout.trailer_page();
  const AlignedBuffer buffer(uint64_t{pages} * kPageBytes);
  const MutableBytes into = buffer.bytes().first(uint64_t{pages} * kPageBytes);
  counters_.reads.fetch_add(1, std::memory_order_relaxed);
  const auto read =
      co_await files_->ReadData(env, reading.first_page + layout.trailer_page(), into);
  if (!read) co_return ReadFailed(env, key, reading, read.error());
  const Trailer trailer(buffer.data() + layout.trailer_offset % kPageBytes, layout);
  if (!trailer.Check(key)) co_return Rotten(env, key, reading, "trailer");
  checksums_.Insert(key, trailer, layout);
  std::copy_n(trailer.crcs() + first, crcs.size(), crcs.begin());
  co_return trailer.AllFilled(first, static_cast<uint32_t>(crcs.size()));
}

/// Pages [first, first+pages) into `into`, which is aligned and holds them whole; verified. Their
/// checksums are known, or read with them.
Task<Result<bool>> DiskTier::ReadPages(Env& env, BlockKey key, Reading reading, uint32_t first,
                                       uint32_t pages, MutableBytes into) {
  std::vector<uint32_t> crcs(pages);
  const auto known = checksums_.Find(key, first, pages, crcs.data());
  if (known == ChecksumCache::Answer::kMissing) co_return false;
  if (known == ChecksumCache::Answer::kUnknown) {
    FB_CO_ASSIGN(const bool filled, co_await LoadChecksums(env, key, reading, first, crcs));
    if (!filled) co_return false;
  }
  counters_.reads.fetch_add(1, std::memory_order_relaxed);
  const auto read = co_await files_->ReadData(env, reading.first_page + first, into);
  if (!read) co_return ReadFailed(env, key, reading, read.error());
  failures_in_a_row_.store(0, std::memory_order_relaxed);
  const uint64_t data_end = std::min<uint64_t>(uint64_t{pages} * kPageBytes,
                                               reading.length - uint64_t{first} * kPageBytes);
  if (FirstBadPage(ChecksumKey(key), first, into.first(data_end), crcs.data()) < pages) {
    co_return Rotten(env, key, reading, "page");
  }
  co_return true;
}

Task<Result<bool>> DiskTier::Read(Env& env, BlockKey key, Reading reading, uint32_t offset,
                                  MutableBytes into) {
  const uint32_t first = PageOf(offset);
  const auto end = static_cast<uint32_t>(DivideRoundUp(offset + into.size(), kPageBytes));
  const uint64_t bytes = uint64_t{end - first} * kPageBytes;
  const bool aligned = offset % kPageBytes == 0 && into.size() == bytes &&
                       reinterpret_cast<uintptr_t>(into.data()) % kDiskAlignment == 0;
  if (aligned) co_return co_await ReadPages(env, key, reading, first, end - first, into);
  const AlignedBuffer buffer(bytes);
  FB_CO_ASSIGN(const bool good, co_await ReadPages(env, key, reading, first, end - first,
                                                   buffer.bytes().first(bytes)));
  if (good) std::memcpy(into.data(), buffer.data() + offset % kPageBytes, into.size());
  co_return good;
}

/// By way of a private buffer: until it is verified, what comes from the disk may be the bytes of
/// another attachment, and a frame can be seen by processes that may not see those.
Task<Result<bool>> DiskTier::ReadImage(Env& env, BlockKey key, Reading reading, Frame& frame) {
  const ImageLayout layout(reading.length);
  const AlignedBuffer buffer(layout.total_bytes());
  counters_.reads.fetch_add(1, std::memory_order_relaxed);
  const MutableBytes image = buffer.bytes().first(layout.total_bytes());
  const auto read = co_await files_->ReadData(env, reading.first_page, image);
  if (!read) co_return ReadFailed(env, key, reading, read.error());
  failures_in_a_row_.store(0, std::memory_order_relaxed);
  const Trailer trailer(image.data() + layout.trailer_offset, layout);
  if (!trailer.Check(key)) co_return Rotten(env, key, reading, "trailer");
  if (!CopyImage(key, layout, image, frame)) co_return Rotten(env, key, reading, "page");
  co_return true;
}

/// False at the first page that is not what was written; the frame is then worthless.
bool DiskTier::CopyImage(const BlockKey& key, const ImageLayout& layout, Bytes image,
                         Frame& frame) {
  Trailer to = frame.trailer();
  std::memcpy(frame.image + layout.trailer_offset, image.data() + layout.trailer_offset,
              layout.trailer_bytes);
  for (uint32_t page = 0; page < layout.data_pages; ++page) {
    if (!to.filled(page)) continue;
    const uint64_t at = uint64_t{page} * kPageBytes;
    const Bytes data = image.subspan(at, layout.PageLength(page));
    if (!CopyVerified(ChecksumKey(key), page, data, to.crcs() + page, frame.image + at))
      return false;
    to.SetFlushed(page, 1);
    ++frame.filled_pages;
  }
  frame.complete = frame.filled_pages == layout.data_pages;
  frame.flushed = true;
  return true;
}

Task<Result<void>> DiskTier::FlushDurably(Env& env, std::vector<BlockKey> keys) {
  const uint64_t mark = sync_->Mark();
  FB_CO_TRY(co_await Flush(env, std::move(keys)));
  const auto synced = co_await sync_->Sync(env, mark);
  if (!synced) Failed(env, synced.error());
  co_return synced;
}

}  // namespace forebay
