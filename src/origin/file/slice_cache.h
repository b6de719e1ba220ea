// Sorted names of large directories, kept from one page of a listing to the next: otherwise every
// page of a directory of a million names would read all of them again.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "src/runtime/disk.h"

namespace forebay::file_origin {

/// Names of one directory, in order, from some name on. A directory's name ends with '/'.
struct Slice {
  std::vector<std::string> names;
  bool more = false;  // there are names after the last one
};
using SliceRef = std::shared_ptr<const Slice>;

/// Which names of a directory are wanted.
struct Wanted {
  std::string prefix;       // of the directory: "" or "a/b/"
  std::string name_prefix;  // names that begin so,
  std::string from;         // and come after this one,
  bool inclusive = false;   // or are it
  bool Admits(std::string_view name) const {
    return (inclusive ? name >= from : name > from) && name.starts_with(name_prefix);
  }
};

/// Any loop.
class SliceCache {
 public:
  /// A slice of the directory, in the state `now`, that goes on where `wanted` begins. Null if
  /// there is none.
  SliceRef Find(const Wanted& wanted, const FileInfo& now) const;
  void Keep(const Wanted& wanted, const FileInfo& state, SliceRef slice);

 private:
  static constexpr size_t kMaxSlices = 4;
  struct Entry {
    Wanted wanted;
    FileInfo state;
    SliceRef slice;
  };
  mutable std::mutex mutex_;
  std::array<Entry, kMaxSlices> entries_;  // guarded by mutex_
  size_t next_ = 0;                        // guarded by mutex_; the oldest
};

}  // namespace forebay::file_origin
