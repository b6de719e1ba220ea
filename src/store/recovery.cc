// How a disk tier takes in what a former process left: by its records alone. A block's data is
// looked at when it is first read, and what the last moments before a crash left torn shows then,
// as a checksum that does not match.
#include <fmt/format.h>

#include <algorithm>

#include "src/base/units.h"
#include "src/store/disk_tier.h"

namespace forebay {

namespace {
constexpr uint64_t kRecordsPerRead = uint64_t{64} * 1024;
}  // namespace

struct DiskTier::Found {
  Record record;
  uint32_t slot;
  uint16_t domain;
  bool stale = false;

  uint32_t pages() const { return ImageLayout(record.length).total_pages; }
  uint32_t end() const { return record.first_page + pages(); }
};

/// Whether an intact record can be used in the tier as it is now. A tier that was made smaller must
/// not lose dirty data.
Result<bool> DiskTier::Usable(const Record& record, uint64_t slot) const {
  if (record.length == 0 || record.length > kMaxBlockBytes) return false;
  const uint64_t end = uint64_t{record.first_page} + ImageLayout(record.length).total_pages;
  if (slot < files_->super().records && end <= files_->super().data_pages) return true;
  if (record.block_class == BlockClass::kDirty) {
    return Fail(
        Code::kInvalidArgument,
        fmt::format("disk tier {}: data that the origin does not have yet lies past the end "
                    "of the new size; give the tier its former size",
                    files_->directory()));
  }
  return false;
}

Task<Result<std::vector<DiskTier::Found>>> DiskTier::LoadRecords(Env& env, uint64_t* highest) {
  std::vector<Found> found;
  for (uint64_t slot = 0;; slot += kRecordsPerRead) {
    FB_CO_ASSIGN(const auto bytes, co_await files_->ReadRecords(env, slot, kRecordsPerRead));
    for (uint64_t i = 0; i < bytes.size() / Record::kBytes; ++i) {
      const std::byte* raw = bytes.data() + i * Record::kBytes;
      const auto record = Record::Decode(raw, files_->super().tier_id, slot + i);
      if (!record) continue;
      // Also of records that this tier, made smaller, cannot use: it may grow again.
      *highest = std::max(*highest, record->sequence);
      FB_CO_ASSIGN(const bool usable, Usable(*record, slot + i));
      if (!usable) continue;
      FB_CO_ASSIGN(const uint16_t domain, dram_.DomainOf(record->attachment));
      found.push_back({*record, static_cast<uint32_t>(slot + i), domain});
    }
    if (bytes.size() < kRecordsPerRead * Record::kBytes) break;
  }
  co_return std::move(found);
}

/// Marks as stale what a later record has overwritten or replaced, and gives the rest to the index,
/// oldest first.
void DiskTier::Adopt(std::vector<Found> found) {
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return std::pair(a.record.key, a.record.sequence) < std::pair(b.record.key, b.record.sequence);
  });
  for (size_t i = 1; i < found.size(); ++i) {
    if (found[i].record.key == found[i - 1].record.key) found[i - 1].stale = true;
  }
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return a.record.first_page < b.record.first_page;
  });
  std::vector<size_t> kept;
  for (size_t i = 0; i < found.size(); ++i) {
    while (!kept.empty() && found[kept.back()].end() > found[i].record.first_page) {
      Found& before = found[kept.back()];
      const bool newer = found[i].record.sequence > before.record.sequence;
      (newer ? before : found[i]).stale = true;
      if (!newer) break;
      kept.pop_back();
    }
    const bool overlapped = !kept.empty() && found[kept.back()].end() > found[i].record.first_page;
    if (!overlapped) kept.push_back(i);
  }
  std::erase_if(found, [](const Found& f) { return f.stale; });
  std::sort(found.begin(), found.end(),
            [](const Found& a, const Found& b) { return a.record.sequence < b.record.sequence; });
  std::vector<bool> used(files_->super().records);
  std::vector<Extent> taken;
  taken.reserve(found.size());
  for (const Found& f : found) {
    used[f.slot] = true;
    taken.push_back({f.record.first_page, f.pages()});
    // Another disk has it, which a dead disk that came back explains. Its room stays taken here, in
    // case that it is this copy that somebody was promised.
    if (index_.Lock(f.record.key).Find(f.record.key) != kNone) continue;
    Entry entry{.key = f.record.key,
                .length = f.record.length,
                .first_page = f.record.first_page,
                .domain = f.domain,
                .disk = number_,
                .block_class = f.record.block_class};
    entry.set(Entry::kCompleteOnDisk, f.record.complete);
    entry.set(Entry::kDurable, f.record.block_class == BlockClass::kDirty);
    space_->Adopt(f.slot, entry);
  }
  std::sort(taken.begin(), taken.end(),
            [](const Extent& a, const Extent& b) { return a.first < b.first; });
  space_->AdoptGaps(taken);
  space_->AdoptFreeRecords(used);
}

Task<Result<void>> DiskTier::Recover(Env& env) {
  uint64_t highest = 0;
  FB_CO_ASSIGN(auto found, co_await LoadRecords(env, &highest));
  const size_t records = found.size();
  Adopt(std::move(found));
  next_sequence_.store(highest + 1);
  FB_CO_TRY(co_await files_->Trim(env));
  if (records > 0) {
    env.log.Info("store",
                 fmt::format("disk tier {}: {} blocks found", files_->directory(), records));
  }
  co_return Result<void>();
}

}  // namespace forebay
