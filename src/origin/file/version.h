// When two looks at a file saw the same state of it.
//
// File systems stamp files by a clock that may tick only every few milliseconds, and give the
// number of a file that is gone to the next one at once: within a tick two different files under
// one name can look the same. So a file is read only once its last change lies kSettleNanos back,
// while it is held open, because a file that is held keeps its number to itself: whatever comes
// later under the same number has a later stamp. What only Head, List or Commit have told is a name
// for a state, of which no byte has been given yet, and needs no such care.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "src/origin/origin.h"
#include "src/runtime/disk.h"

namespace forebay::file_origin {

/// Two ticks of the slowest clock that Linux has (100 Hz).
inline constexpr int64_t kSettleNanos = 20'000'000;

inline std::string EtagOf(const FileInfo& info) {
  return fmt::format("{:x}-{:x}-{:x}-{:x}", info.size_bytes, info.mtime_ns, info.ctime_ns,
                     info.inode);
}

inline ObjectInfo ObjectOf(const FileInfo& info) {
  return {.etag = EtagOf(info), .size = info.size_bytes, .modified_ns = info.mtime_ns};
}

/// Whether an open file still is in the state that it was in at `then`. Losing its last name
/// changes a file's ctime, but no byte of it.
inline bool SameState(const FileInfo& then, const FileInfo& now) {
  return now.size_bytes == then.size_bytes && now.mtime_ns == then.mtime_ns &&
         now.inode == then.inode && (now.ctime_ns == then.ctime_ns || now.links == 0);
}

}  // namespace forebay::file_origin
