// How blocks come from memory to their disk: claimed, given room, sealed, written, recorded,
// published. Every step looks again at what the steps before it left, because the world went on
// meanwhile.
#include <fmt/format.h>

#include <algorithm>

#include "src/base/assert.h"
#include "src/base/units.h"
#include "src/runtime/sync.h"
#include "src/runtime/task_group.h"
#include "src/store/aligned_buffer.h"
#include "src/store/disk_tier.h"

namespace forebay {
namespace {

/// Images that lie side by side on disk go out together, up to this size.
constexpr uint64_t kMaxWriteBytes = 1 * kMiB;
/// How many writes of one batch are under way at a time.
constexpr size_t kWriteDepth = 16;

struct PageRun {
  uint32_t first;
  uint32_t pages;
};

}  // namespace

/// One block on its way. The frame is pinned from Claim to Finish.
struct DiskTier::Job {
  BlockKey key;
  Frame* frame = nullptr;
  BlockClass block_class = BlockClass::kData;
  forebay::Place place;
  bool in_place = false;  // the disk has a part of it already
  bool complete = false;  // nothing is missing in memory
  bool written = false;
  std::vector<PageRun> runs;  // of a partial block: what the disk lacks
  AlignedBuffer trailer;      // of a partial block: sealed as it was when it was claimed
};

/// Takes the right to flush a block, and what there is to flush of it. False: there is nothing to
/// do now.
bool DiskTier::Claim(Job& job) {
  auto guard = index_.Lock(job.key);
  const Slot slot = guard.Find(job.key);
  if (slot == kNone) return false;
  Entry& entry = index_.entry(slot);
  if (entry.frame == kNone) return false;
  Frame& frame = dram_.frame(entry.frame);
  frame.flush_queued = false;
  if (frame.flushing || frame.flushed || frame.filled_pages == 0) return false;
  job.in_place = entry.disk == number_;
  if (job.in_place && (entry.disk_readers > 0 || entry.has(Entry::kDoomedOnDisk))) return false;
  if (!job.in_place && entry.disk != kNoDisk) return false;
  if (job.in_place) {
    entry.set(Entry::kDiskWriting, true);
    job.place.extent = {entry.first_page, frame.layout().total_pages};
    job.place.record = slot - space_->SlotOf(0);
  }
  frame.flushing = true;
  dram_.Pin(frame);
  job.frame = &frame;
  job.block_class = entry.block_class;
  job.complete = frame.complete;
  Seal(job);
  return true;
}

/// With the stripe's lock held. A complete image is sealed where it is, for nothing in it will
/// change; of a partial one the trailer is copied, because its pages go on being filled while it is
/// written.
void DiskTier::Seal(Job& job) {
  const ImageLayout layout = job.frame->layout();
  Trailer trailer = job.frame->trailer();
  if (job.complete && !job.in_place) {
    trailer.Seal(job.key);
    return;
  }
  for (uint32_t page = 0; page < layout.data_pages; ++page) {
    // A disk copy that was evicted since has taken its pages with it.
    if (!trailer.filled(page) || (job.in_place && trailer.flushed(page))) continue;
    if (!job.runs.empty() && job.runs.back().first + job.runs.back().pages == page) {
      ++job.runs.back().pages;
    } else {
      job.runs.push_back({page, 1});
    }
  }
  const uint32_t first = layout.trailer_page();
  const uint64_t bytes = uint64_t{layout.total_pages - first} * kPageBytes;
  job.trailer = AlignedBuffer(bytes);
  std::memset(job.trailer.data(), 0, bytes);
  const uint32_t last = layout.data_pages - 1;
  if (last == first && trailer.filled(last)) {
    std::memcpy(job.trailer.data(), job.frame->image + uint64_t{last} * kPageBytes,
                layout.PageLength(last));
  }
  Trailer copy(job.trailer.data() + layout.trailer_offset % kPageBytes, layout);
  trailer.CopyFilledTo(copy);
  copy.Seal(job.key);
}

bool DiskTier::FindRoom(Env& env, Job& job) {
  if (job.in_place) return true;
  const uint32_t pages = job.frame->layout().total_pages;
  if (job.block_class != BlockClass::kDirty &&
      !space_->Admit({job.key.Spread(), pages}, job.block_class)) {
    counters_.not_admitted.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  auto place = space_->Allocate(pages, job.block_class);
  if (!place) {
    env.log.Warning("store",
                    fmt::format("disk tier {}: {}", directory(), place.error().ToString()));
    return false;
  }
  job.place = *place;
  return true;
}

/// Ends a job: publishes what was written, gives back what was not.
void DiskTier::Finish(Job& job, bool has_room) {
  if (has_room && !job.in_place) {
    if (job.written) {
      space_->Publish(job.place, *job.frame, job.block_class, job.complete);
    } else {
      space_->Abandon(job.place, job.block_class);
    }
  }
  const Slot in_place = job.in_place ? space_->SlotOf(job.place.record) : kNone;
  {
    auto guard = index_.Lock(job.key);
    Frame& frame = *job.frame;
    frame.flushing = false;
    Trailer trailer = frame.trailer();
    if (job.written) {
      for (const PageRun& run : job.runs) trailer.SetFlushed(run.first, run.pages);
    }
    // What came in meanwhile is for the next time. What could not be written is not tried for ever.
    frame.flushed = job.complete || !job.written || !frame.flush_queued;
    if (job.in_place) {
      // Erased meanwhile or not, the entry has waited for us: the frame may have left it.
      Entry& entry = index_.entry(in_place);
      entry.set(Entry::kDiskWriting, false);
      if (job.written && job.complete) entry.set(Entry::kCompleteOnDisk, true);
      if (!job.written) entry.set(Entry::kDoomedOnDisk, true);
    }
  }
  checksums_.Erase(job.key);  // of a former state of a partial block
  if (job.in_place) space_->DropDoomed(in_place, job.key);
  dram_.Unpin(*job.frame);
}

Task<Result<void>> DiskTier::Flush(Env& env, std::vector<BlockKey> keys) {
  std::vector<Job> jobs;
  for (const BlockKey& key : keys) {
    Job job{.key = key};
    if (dead() || !Claim(job)) continue;
    if (FindRoom(env, job)) {
      jobs.push_back(std::move(job));
    } else {
      Finish(job, false);
    }
  }
  std::sort(jobs.begin(), jobs.end(),
            [](const Job& a, const Job& b) { return a.place.extent.first < b.place.extent.first; });
  const auto written = co_await WriteJobs(env, jobs);
  const auto recorded = co_await WriteRecords(env, jobs);
  for (Job& job : jobs) Finish(job, true);
  if (!written) co_return Fail(written.error());
  co_return recorded;
}

namespace {

/// Writes that run side by side, at most kWriteDepth of them, and the first error among them.
class Writes {
 public:
  Writes(Env& env, TierFiles& files, DiskCounters& counters)
      : env_(env),
        files_(files),
        counters_(counters),
        group_(env.executor),
        depth_(env.executor, kWriteDepth) {}

  /// `done` is set when the parts are written; it and the memory of the parts must live until Join.
  Task<void> Start(uint64_t page, std::vector<Bytes> parts, std::vector<bool*> done) {
    co_await depth_.Acquire();
    group_.Spawn(Run(page, std::move(parts), std::move(done)));
  }
  auto Join() { return group_.Join(); }
  const Result<void>& result() const { return result_; }

 private:
  Task<void> Run(uint64_t page, std::vector<Bytes> parts, std::vector<bool*> done) {
    uint64_t bytes = 0;
    for (const Bytes& part : parts) bytes += part.size();
    const auto written = co_await files_.WriteData(env_, page, parts);
    if (written) {
      counters_.writes.fetch_add(1, std::memory_order_relaxed);
      counters_.data_bytes_written.fetch_add(bytes, std::memory_order_relaxed);
      for (bool* flag : done) *flag = true;
    } else if (result_) {
      result_ = written;
    }
    depth_.Release();
  }

  Env& env_;
  TierFiles& files_;
  DiskCounters& counters_;
  TaskGroup group_;
  Semaphore depth_;
  Result<void> result_;
};

}  // namespace

Task<Result<void>> DiskTier::WriteJobs(Env& env, std::vector<Job>& jobs) {
  Writes writes(env, *files_, counters_);
  Result<void> partials;
  // One flag a job, in memory that does not move; vector<bool> has no bool to point at.
  const std::unique_ptr<bool[]> done(new bool[jobs.size()]());
  for (size_t i = 0; i < jobs.size();) {
    if (!jobs[i].runs.empty() || jobs[i].in_place || !jobs[i].complete) {
      const auto partial = co_await WritePartial(env, jobs[i]);
      done[i] = partial.has_value();
      if (!partial && partials) partials = partial;
      ++i;
      continue;
    }
    const uint32_t first = jobs[i].place.extent.first;
    uint32_t end = first;
    std::vector<Bytes> parts;
    std::vector<bool*> flags;
    for (; i < jobs.size() && jobs[i].place.extent.first == end && jobs[i].complete &&
           jobs[i].runs.empty() && !jobs[i].in_place;
         ++i) {
      const uint64_t bytes = uint64_t{jobs[i].place.extent.pages} * kPageBytes;
      if (!parts.empty() && uint64_t{end - first} * kPageBytes + bytes > kMaxWriteBytes) break;
      parts.emplace_back(jobs[i].frame->image, bytes);
      flags.push_back(&done[i]);
      end += jobs[i].place.extent.pages;
    }
    co_await writes.Start(first, std::move(parts), std::move(flags));
  }
  co_await writes.Join();
  for (size_t i = 0; i < jobs.size(); ++i) {
    jobs[i].written = done[i];
    if (done[i]) counters_.block_bytes_flushed.fetch_add(jobs[i].frame->length);
  }
  const Result<void>& result = partials ? writes.result() : partials;
  if (!result) {
    Failed(env, result.error());
  } else if (!jobs.empty()) {
    failures_in_a_row_.store(0, std::memory_order_relaxed);
  }
  co_return result;
}

/// The pages that the disk lacks, then the trailer that speaks of them.
Task<Result<void>> DiskTier::WritePartial(Env& env, Job& job) {
  const ImageLayout layout = job.frame->layout();
  uint64_t bytes = 0;
  for (const PageRun& run : job.runs) {
    // The pages that the trailer's copy holds come with it.
    const uint32_t end = std::min(run.first + run.pages, layout.trailer_page());
    if (run.first >= end) continue;
    const Bytes part(job.frame->image + uint64_t{run.first} * kPageBytes,
                     uint64_t{end - run.first} * kPageBytes);
    FB_CO_TRY(
        co_await files_->WriteData(env, job.place.extent.first + run.first, std::span(&part, 1)));
    bytes += part.size();
  }
  const Bytes trailer =
      job.trailer.bytes().first(uint64_t{layout.total_pages - layout.trailer_page()} * kPageBytes);
  FB_CO_TRY(co_await files_->WriteData(env, job.place.extent.first + layout.trailer_page(),
                                       std::span(&trailer, 1)));
  counters_.writes.fetch_add(job.runs.size() + 1, std::memory_order_relaxed);
  counters_.data_bytes_written.fetch_add(bytes + trailer.size(), std::memory_order_relaxed);
  co_return Result<void>();
}

/// The records of what was written, runs of neighbours in one write each.
Task<Result<void>> DiskTier::WriteRecords(Env& env, std::vector<Job>& jobs) {
  std::vector<Job*> fresh;
  for (Job& job : jobs) {
    if (job.written && (!job.in_place || job.complete)) fresh.push_back(&job);
  }
  std::sort(fresh.begin(), fresh.end(),
            [](const Job* a, const Job* b) { return a->place.record < b->place.record; });
  for (size_t i = 0; i < fresh.size();) {
    const size_t begin = i;
    std::vector<std::byte> raw;
    for (; i < fresh.size() && fresh[i]->place.record == fresh[begin]->place.record + (i - begin);
         ++i) {
      const Job& job = *fresh[i];
      const Record record{.key = job.key,
                          .attachment = job.frame->attachment,
                          .sequence = next_sequence_.fetch_add(1),
                          .first_page = job.place.extent.first,
                          .length = job.frame->length,
                          .block_class = job.block_class,
                          .complete = job.complete};
      raw.resize(raw.size() + Record::kBytes);
      record.Encode(raw.data() + raw.size() - Record::kBytes, files_->super().tier_id,
                    job.place.record);
    }
    const auto written = co_await files_->WriteRecords(env, fresh[begin]->place.record, raw);
    counters_.record_bytes_written.fetch_add(raw.size(), std::memory_order_relaxed);
    if (!written) {
      for (size_t k = begin; k < fresh.size(); ++k) fresh[k]->written = false;
      Failed(env, written.error());
      co_return Fail(written.error());
    }
  }
  co_return Result<void>();
}

/// The record first, durable, then the class: as long as a power cut could bring the dirty record
/// back, the block must not be evicted and its pages not be another's.
Task<Result<void>> DiskTier::MarkClean(Env& env, BlockKey key) {
  const uint64_t mark = sync_->Mark();
  FB_CO_ASSIGN(const Slot held, HoldDirty(key));
  const Entry entry =
      index_.entry(held);  // what is read of it here does not change while it is held
  const Record record{.key = key,
                      .attachment = dram_.AttachmentOf(entry.domain),
                      .sequence = next_sequence_.fetch_add(1),
                      .first_page = entry.first_page,
                      .length = entry.length,
                      .block_class = BlockClass::kData,
                      .complete = true};
  std::byte raw[Record::kBytes];
  const uint32_t slot = held - space_->SlotOf(0);
  record.Encode(raw, files_->super().tier_id, slot);
  auto cleaned = co_await files_->WriteRecords(env, slot, raw);
  if (cleaned) cleaned = co_await sync_->Sync(env, mark);
  if (cleaned) {
    space_->Reclassify(key, BlockClass::kData);
  } else {
    Failed(env, cleaned.error());
  }
  space_->EndRead(held);
  co_return cleaned;
}

/// Counts as a reader of a durable dirty block, so that nothing of it becomes another block's.
Result<Slot> DiskTier::HoldDirty(const BlockKey& key) {
  auto guard = index_.Lock(key);
  const Slot slot = guard.Find(key);
  const bool ours = slot != kNone && space_->Owns(slot);
  if (!ours || index_.entry(slot).block_class != BlockClass::kDirty) {
    return Fail(Code::kNotFound, "no such dirty block");
  }
  Entry& entry = index_.entry(slot);
  if (entry.has(Entry::kSettling)) {
    return Fail(Code::kInUse, "somebody makes the block durable now");
  }
  if (!entry.has(Entry::kDurable)) {
    return Fail(Code::kInvalidArgument, "the block was never made durable");
  }
  if (entry.disk_readers == kMaxDiskReaders) {
    return Fail(Code::kOverloaded, "too many readers of one block");
  }
  ++entry.disk_readers;
  return slot;
}

}  // namespace forebay
