#include "src/origin/file/slice_cache.h"

#include "src/origin/file/version.h"

namespace forebay::file_origin {

SliceRef SliceCache::Find(const Wanted& wanted, const FileInfo& now) const {
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_) {
    if (entry.slice == nullptr || entry.wanted.prefix != wanted.prefix) continue;
    if (entry.wanted.name_prefix != wanted.name_prefix || !SameState(entry.state, now)) continue;
    const bool begins_before =
        entry.wanted.from < wanted.from ||
        (entry.wanted.from == wanted.from && (entry.wanted.inclusive || !wanted.inclusive));
    const Slice& slice = *entry.slice;
    if (begins_before && (!slice.more || wanted.from < slice.names.back())) return entry.slice;
  }
  return nullptr;
}

void SliceCache::Keep(const Wanted& wanted, const FileInfo& state, SliceRef slice) {
  const std::lock_guard lock(mutex_);
  entries_[next_] = {wanted, state, std::move(slice)};
  next_ = (next_ + 1) % kMaxSlices;
}

}  // namespace forebay::file_origin
