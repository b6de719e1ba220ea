#include "src/store/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "src/base/assert.h"
#include "src/base/units.h"
#include "src/core/policy/factory.h"
#include "src/store/flusher.h"

namespace forebay {
namespace {

constexpr size_t kMaxDisks = 64;
constexpr uint64_t kMaxSlots = 4'000'000'000;  // of 32-bit names, less some for rounding
constexpr Duration kFlushPoll = std::chrono::milliseconds(1);

Result<void> CheckOptions(const StoreOptions& options) {
  const auto refuse = [](std::string why) { return Fail(Code::kInvalidArgument, std::move(why)); };
  if (options.max_block_bytes == 0 || options.max_block_bytes > kMaxBlockBytes) {
    return refuse(
        fmt::format("the largest block must be 1 byte to {}", FormatSize(kMaxBlockBytes)));
  }
  const uint64_t largest = ImageLayout(options.max_block_bytes).total_bytes();
  if (options.dram.capacity_bytes < largest) {
    return refuse(
        fmt::format("a memory tier of {} cannot hold one block of {}; raise --dram or "
                    "lower the block size",
                    FormatSize(options.dram.capacity_bytes), FormatSize(options.max_block_bytes)));
  }
  if (options.disks.size() > kMaxDisks) return refuse(fmt::format("more than {} disks", kMaxDisks));
  uint64_t slots = DramTier::FramesFor(options.dram);
  for (const DiskOptions& disk : options.disks) {
    if (disk.smallest_mean_block == 0) return refuse("the smallest mean block must not be 0");
    slots += DiskTier::RecordsFor(disk);
    if (slots > kMaxSlots) {
      return refuse(fmt::format(
          "tiers of more than {} blocks in all; raise the smallest mean block", kMaxSlots));
    }
    if (disk.size_bytes < largest + kMiB) {
      return refuse(fmt::format(
          "disk tier {}: {} cannot hold one block of {}; raise its size or lower "
          "the block size",
          disk.directory, FormatSize(disk.size_bytes), FormatSize(options.max_block_bytes)));
    }
  }
  return {};
}

}  // namespace

Store::Store(StoreOptions options) : options_(std::move(options)) {
  options_.dram.max_block_bytes = options_.max_block_bytes;
  // What waits for the disk cannot be evicted: leave memory enough to work with.
  options_.flush_backlog_bytes =
      std::min(options_.flush_backlog_bytes, options_.dram.capacity_bytes / 2);
  // Each space of names is rounded up to whole chunks of the index.
  constexpr uint64_t kRounding = 4096;
  const uint64_t frames = DramTier::FramesFor(options_.dram);
  uint64_t records = 0;
  for (const DiskOptions& disk : options_.disks) records += DiskTier::RecordsFor(disk) + kRounding;
  index_ = std::make_unique<Index>(frames + kRounding + records,
                                   options_.disks.empty() ? frames : records);
  checksums_ = std::make_unique<ChecksumCache>(options_.checksum_cache_bytes);
}

Store::~Store() = default;

Task<Result<std::unique_ptr<Store>>> Store::Open(Env& env, StoreOptions options) {
  FB_CO_TRY(CheckOptions(options));
  for (const std::string& policy : {options.dram.policy})
    FB_CO_TRY(MakePolicy(policy, {.max_slots = 1, .capacity = 1}));
  for (const DiskOptions& disk : options.disks)
    FB_CO_TRY(MakePolicy(disk.policy, {.max_slots = 1, .capacity = 1}));
  std::unique_ptr<Store> store(new Store(std::move(options)));
  store->dram_ = std::make_unique<DramTier>(env.memory, *store->index_, store->options_.dram);
  for (const DiskOptions& disk : store->options_.disks) {
    const auto number = static_cast<uint8_t>(store->disks_.size());
    FB_CO_ASSIGN(auto tier,
                 co_await DiskTier::Open(env, *store->index_, *store->dram_, *store->checksums_,
                                         disk, store->options_.node_id, number));
    store->flushers_.push_back(std::make_unique<Flusher>(env, *tier, store->options_));
    store->disks_.push_back(std::move(tier));
  }
  store->flushing_ = std::make_unique<TaskGroup>(env.executor);
  for (const auto& flusher : store->flushers_) store->flushing_->Spawn(flusher->Run());
  co_return std::move(store);
}

Task<void> Store::Close() {
  for (const auto& flusher : flushers_) flusher->Stop();
  co_await flushing_->Join();
}

/// By the key alone, in proportion to the disks' sizes; the next one where that one is dead.
size_t Store::DiskNumberFor(const BlockKey& key) {
  uint64_t total = 0;
  for (const auto& disk : disks_) total += disk->dead() ? 0 : disk->size_bytes();
  const uint64_t spread = Mix64(key.Spread());
  auto at = static_cast<uint64_t>((static_cast<unsigned __int128>(spread) * total) >> 64);
  for (size_t number = 0; number < disks_.size(); ++number) {
    const uint64_t size = disks_[number]->dead() ? 0 : disks_[number]->size_bytes();
    if (at < size) return number;
    at -= size;
  }
  return 0;  // all of them are dead, as whoever uses it will find
}

// -- Reading

View Store::PinLocked(Index::Guard&, Slot slot, uint32_t offset, uint32_t size) {
  if (slot == kNone) return {};
  const Entry& entry = index_->entry(slot);
  if (entry.frame == kNone || uint64_t{offset} + size > entry.length) return {};
  Frame& frame = dram_->frame(entry.frame);
  if (!frame.complete) {
    const uint32_t first = offset / kPageBytes;
    const auto end = static_cast<uint32_t>(DivideRoundUp(uint64_t{offset} + size, kPageBytes));
    if (!frame.trailer().AllFilled(first, end - first)) return {};
  }
  dram_->Pin(frame);
  // Whoever sends the bytes elsewhere wants their checksums soon, and they are far from all else.
  __builtin_prefetch(&frame.trailer().crcs()[offset / kPageBytes]);
  return View(*dram_, frame, {frame.image + offset, size});
}

/// Remembers a hit; every so many, tells the policies, with the stripe's lock given up.
void Store::NoteHit(Index::Guard& guard, const Index::PendingHit& hit) {
  Index::Stripe& stripe = guard.stripe();
  stripe.pending[stripe.pending_hits++] = hit;
  if (stripe.pending_hits < Index::kHitBatch) return;
  Index::PendingHit hits[Index::kHitBatch];
  std::copy(std::begin(stripe.pending), std::end(stripe.pending), hits);
  stripe.pending_hits = 0;
  guard.Unlock();
  dram_->Hits(hits);
  for (const auto& disk : disks_) disk->space().Hits(hits);
}

View Store::Lookup(const BlockKey& key, uint32_t offset, uint32_t size) {
  const uint64_t spread = key.Spread();
  auto guard = index_->Lock(key);
  const Slot slot = guard.Find(key);
  View view = PinLocked(guard, slot, offset, size);
  if (!view) {
    ++guard.stripe().misses;
    return view;
  }
  ++guard.stripe().hits;
  const Entry& entry = index_->entry(slot);
  const uint32_t pages = ImageLayout(entry.length).total_pages;
  NoteHit(guard, {.block = {spread, pages}, .frame = entry.frame, .slot = slot});
  return view;
}

bool Store::FetchEntry(const BlockKey& key) {
  const Slot slot = index_->FetchEntry(key);
  return slot == kNone || dram_->FetchFrameOf(slot);
}

void Store::FetchFrame(const BlockKey& key) {
  const auto guard = index_->Lock(key);
  const Slot slot = guard.Find(key);
  if (slot != kNone) dram_->FetchFrame(index_->entry(slot).frame);
}

void Store::FetchChecksum(const BlockKey& key, uint32_t offset) {
  const auto guard = index_->Lock(key);
  const Slot slot = guard.Find(key);
  if (slot == kNone || index_->entry(slot).frame == kNone) return;
  Frame& frame = dram_->frame(index_->entry(slot).frame);
  if (offset < frame.length) __builtin_prefetch(&frame.trailer().crcs()[offset / kPageBytes]);
}

void Store::NoteRead(const BlockKey& key) {
  auto guard = index_->Lock(key);
  const Slot slot = guard.Find(key);
  if (slot == kNone) return;
  const Entry& entry = index_->entry(slot);
  const uint32_t pages = ImageLayout(entry.length).total_pages;
  NoteHit(guard, {.block = {key.Spread(), pages}, .frame = entry.frame, .slot = slot});
}

bool Store::ReadCached(const BlockKey& key, uint32_t offset, MutableBytes into, bool verify) {
  const View view = Lookup(key, offset, static_cast<uint32_t>(into.size()));
  if (!view) return false;
  if (verify) return view.CopyVerifiedTo(offset, into.data());
  std::memcpy(into.data(), view.bytes().data(), into.size());
  return true;
}

/// Begins a read of the disk copy, which then stays until EndRead. nullopt: there is none to read.
std::optional<DiskTier::Reading> Store::BeginRead(const BlockKey& key, uint64_t end,
                                                  DiskTier** disk) {
  auto guard = index_->Lock(key);
  const Slot slot = guard.Find(key);
  if (slot == kNone) return std::nullopt;
  Entry& entry = index_->entry(slot);
  if (entry.disk == kNoDisk || end > entry.length || disks_[entry.disk]->dead())
    return std::nullopt;
  // While it is rewritten, memory has all that it has.
  if (entry.has(Entry::kDoomedOnDisk) || entry.has(Entry::kDiskWriting)) return std::nullopt;
  if (entry.disk_readers == kMaxDiskReaders) return std::nullopt;
  ++entry.disk_readers;
  *disk = disks_[entry.disk].get();
  const DiskTier::Reading reading{.slot = slot,
                                  .first_page = entry.first_page,
                                  .length = entry.length,
                                  .domain = entry.domain,
                                  .block_class = entry.block_class};
  const uint32_t pages = ImageLayout(entry.length).total_pages;
  NoteHit(guard, {.block = {key.Spread(), pages}, .frame = kNone, .slot = slot});
  return reading;
}

Task<Result<bool>> Store::Read(Env& env, BlockKey key, uint32_t offset, MutableBytes into,
                               ReadOptions options) {
  if (ReadCached(key, offset, into, options.verify)) co_return true;
  if (options.promote) {
    const auto up = co_await BringUp(env, key);
    if (up && *up && ReadCached(key, offset, into, options.verify)) co_return true;
    // Without room in memory the disk serves directly.
    const bool no_room =
        !up && (up.error().code() == Code::kOverloaded || up.error().code() == Code::kNoSpace);
    if (!up && !no_room) co_return up;
  }
  DiskTier* disk = nullptr;
  const auto reading = BeginRead(key, uint64_t{offset} + into.size(), &disk);
  if (!reading) {
    FB_CO_TRY(CheckReachable(key));
    co_return false;
  }
  const auto read = co_await disk->Read(env, key, *reading, offset, into);
  disk->space().EndRead(reading->slot);
  co_return read;
}

/// A dirty block on a dead disk is no miss: nobody else has it.
Result<void> Store::CheckReachable(const BlockKey& key) {
  const auto guard = index_->Lock(key);
  const Slot slot = guard.Find(key);
  if (slot == kNone) return {};
  const Entry& entry = index_->entry(slot);
  if (entry.block_class != BlockClass::kDirty || entry.disk == kNoDisk) return {};
  const DiskTier& disk = *disks_[entry.disk];
  if (!disk.dead()) return {};
  return Fail(Code::kIoError, fmt::format("disk tier {} has failed with data on it that the origin "
                                          "does not have",
                                          disk.directory()));
}

Task<Result<View>> Store::Acquire(Env& env, BlockKey key, uint32_t offset, uint32_t size) {
  View view = Lookup(key, offset, size);
  if (view) co_return std::move(view);
  // Whether we brought it up or somebody else did meanwhile.
  FB_CO_TRY(co_await BringUp(env, key));
  view = Lookup(key, offset, size);
  if (!view) FB_CO_TRY(CheckReachable(key));
  co_return std::move(view);
}

/// Takes a block that only a disk holds up into memory. False: there is nothing to take up, or it
/// was rotten.
Task<Result<bool>> Store::BringUp(Env& env, BlockKey key) {
  DiskTier* disk = nullptr;
  const auto reading = BeginRead(key, 0, &disk);
  if (!reading) co_return false;
  // A dirty block that is on disk already may leave memory like any other.
  const auto memory_class =
      reading->block_class == BlockClass::kKv ? BlockClass::kKv : BlockClass::kData;
  const auto number = dram_->Allocate(key, dram_->AttachmentOf(reading->domain), reading->length,
                                      memory_class, false);
  if (!number) {
    disk->space().EndRead(reading->slot);
    co_return Fail(number.error());
  }
  Frame& frame = dram_->frame(*number);
  const auto read = co_await disk->ReadImage(env, key, *reading, frame);
  const bool attached = read && *read && AttachFrame(reading->slot, frame);
  if (attached) {
    dram_->Published(*number);
    dram_->Unpin(frame);
  } else {
    dram_->Release(*number);
  }
  disk->space().EndRead(reading->slot);
  if (!read) co_return read;
  co_return attached;
}

/// The slot is held by our read of it. The frame is pinned until the policies know of it. False:
/// another was first, or the block is to go.
bool Store::AttachFrame(Slot slot, Frame& frame) {
  auto guard = index_->Lock(frame.key);
  Entry& entry = index_->entry(slot);
  if (entry.frame != kNone || entry.has(Entry::kDoomedOnDisk)) return false;
  entry.frame = frame.number;
  frame.slot = slot;
  frame.filling = false;
  dram_->Pin(frame);
  dram_->TellReadable(frame);
  return true;
}

std::optional<Store::Presence> Store::Probe(const BlockKey& key) {
  const auto guard = index_->Lock(key);
  const Slot slot = guard.Find(key);
  if (slot == kNone) return std::nullopt;
  const Entry& entry = index_->entry(slot);
  Presence presence{.in_memory = entry.frame != kNone,
                    .on_disk = entry.disk != kNoDisk && !entry.has(Entry::kDoomedOnDisk),
                    .length = entry.length,
                    .block_class = entry.block_class};
  presence.complete = (presence.on_disk && entry.has(Entry::kCompleteOnDisk)) ||
                      (presence.in_memory && dram_->frame(entry.frame).complete);
  return presence;
}

Store::PageRun Store::RunAt(const BlockKey& key, uint32_t page, uint32_t end_page) {
  const auto guard = index_->Lock(key);
  const Slot slot = guard.Find(key);
  if (slot == kNone || index_->entry(slot).frame == kNone) return {false, end_page - page};
  Frame& frame = dram_->frame(index_->entry(slot).frame);
  if (frame.complete) return {true, end_page - page};
  const Trailer trailer = frame.trailer();
  PageRun run{trailer.filled(page), 1};
  while (page + run.pages < end_page && trailer.filled(page + run.pages) == run.filled) ++run.pages;
  return run;
}

void Store::Erase(const BlockKey& key) {
  DiskTier* disk = nullptr;
  uint32_t frame = kNone;
  {
    auto guard = index_->Lock(key);
    const Slot slot = guard.Find(key);
    if (slot == kNone) return;
    Entry& entry = index_->entry(slot);
    frame = std::exchange(entry.frame, kNone);
    if (frame != kNone) {
      dram_->TellDropped(dram_->frame(frame));
      dram_->frame(frame).slot = kNone;
    }
    if (entry.disk == kNoDisk) {
      guard.Remove(slot);
    } else {
      entry.set(Entry::kDoomedOnDisk, true);  // or a read under way would bring it back to memory
      disk = disks_[entry.disk].get();
    }
  }
  if (frame != kNone) dram_->Release(frame);
  if (disk != nullptr) disk->space().Drop(key, false);
  checksums_->Erase(key);
}

std::vector<BlockKey> Store::BlocksOf(uint64_t attachment, uint32_t stripe) {
  std::vector<BlockKey> keys;
  const auto domain = dram_->DomainOf(attachment);
  if (!domain) return keys;  // there are too many to have given it one
  const auto guard = index_->LockStripe(stripe);
  guard.ForEach([&](const Entry& entry) {
    const bool gone = entry.frame == kNone && entry.has(Entry::kDoomedOnDisk);
    if (entry.domain == *domain && entry.block_class == BlockClass::kData && !gone) {
      keys.push_back(entry.key);
    }
  });
  return keys;
}

std::vector<BlockKey> Store::DirtyBlocks() {
  std::vector<BlockKey> all;
  for (const auto& disk : disks_) {
    const auto keys = disk->space().Keys(BlockClass::kDirty);
    all.insert(all.end(), keys.begin(), keys.end());
  }
  return all;
}

StoreStats Store::stats() {
  StoreStats stats{.blocks = index_->entries(),
                   .memory_hits = index_->hits(),
                   .memory_misses = index_->misses(),
                   .memory_capacity_bytes = dram_->capacity_pages() * kPageBytes,
                   .memory_used_bytes = dram_->used_pages() * kPageBytes,
                   .memory_resident_bytes = dram_->resident_pages() * kPageBytes,
                   .memory_evictions = dram_->evictions()};
  for (size_t i = 0; i < disks_.size(); ++i) {
    const DiskSpace::Usage usage = disks_[i]->space().usage();
    const DiskCounters& counters = disks_[i]->counters();
    stats.disks.push_back({.directory = disks_[i]->directory(),
                           .dead = disks_[i]->dead(),
                           .size_bytes = usage.pages * kPageBytes,
                           .used_bytes = (usage.pages - usage.free_pages) * kPageBytes,
                           .blocks = usage.blocks,
                           .bad_bytes = usage.bad_pages * kPageBytes,
                           .evictions = usage.evictions,
                           .neighbour_evictions = usage.neighbour_evictions,
                           .reads = counters.reads,
                           .writes = counters.writes,
                           .data_bytes_written = counters.data_bytes_written,
                           .record_bytes_written = counters.record_bytes_written,
                           .block_bytes_flushed = counters.block_bytes_flushed,
                           .rotten_blocks = counters.rotten_blocks,
                           .io_errors = counters.io_errors,
                           .not_admitted = counters.not_admitted,
                           .skipped_behind = flushers_[i]->skipped(),
                           .pending_bytes = flushers_[i]->pending_bytes(),
                           .policy = usage.policy});
  }
  return stats;
}

Task<void> Store::AwaitFlush(Env& env, uint64_t pending_bytes_at_most) {
  for (const auto& flusher : flushers_) {
    while (flusher->pending_bytes() > pending_bytes_at_most) {
      if (pending_bytes_at_most < options_.flush_batch_bytes) flusher->Hurry();
      if (!co_await env.clock.Sleep(kFlushPoll)) co_return;
    }
  }
}

}  // namespace forebay
