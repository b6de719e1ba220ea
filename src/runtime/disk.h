// Files. The contract is that of a POSIX file system, with its dangers kept: what was not synced
// may be lost, torn or reordered by a crash, and a failed sync means that what it covered is gone.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/result.h"
#include "src/runtime/task.h"

namespace forebay {

/// Offsets, sizes and memory of direct I/O are multiples of this.
inline constexpr uint64_t kDiskAlignment = 4096;

/// An open file. Any loop's Disk may use it; the last owner closes it.
class File {
 public:
  virtual ~File() = default;
  virtual const std::string& path() const = 0;
};

struct OpenOptions {
  bool write = false;
  bool create = false;     // make it if it is not there
  bool exclusive = false;  // with create: fail with kAlreadyExists if it is there
  bool truncate = false;
  bool direct =
      false;          // bypass the page cache (O_DIRECT); kUnsupported where the file system cannot
  bool lock = false;  // hold it against other processes until closed; kInUse if another holds it
};

/// An open directory that is being read. Used from the loop that opened it.
class Directory {
 public:
  virtual ~Directory() = default;
};

/// A symbolic link counts as what it points to.
struct DirectoryEntry {
  std::string name;
  bool directory = false;
  bool regular = false;  // neither: a device, a pipe, a link to nothing
};

struct FileInfo {
  uint64_t size_bytes = 0;
  uint64_t allocated_bytes = 0;
  bool directory = false;
  bool regular = false;
  uint64_t inode = 0;  // another file's may have it once no name and no open file holds this one
  uint64_t links = 0;  // names; 0 of an open file that was removed or replaced
  // Since 1970, by the file system's own clock, which may tick only every few milliseconds.
  int64_t mtime_ns = 0;  // of the contents; anybody may set it
  int64_t ctime_ns = 0;  // of anything: contents, names, mtime
};

struct SpaceInfo {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;
};

/// Used from its own loop only. Buffers must live until the returned task is done; an operation
/// once begun is not cancelled, because the kernel owns the buffer until it ends.
class Disk {
 public:
  virtual ~Disk() = default;

  virtual Task<Result<std::shared_ptr<File>>> Open(std::string path, OpenOptions options) = 0;

  /// Reads up to into.size() bytes; fewer only where the file ends. kIoError names the file and the
  /// range.
  virtual Task<Result<size_t>> Read(File& file, uint64_t offset, MutableBytes into) = 0;

  /// Writes all parts, one after the other, from `offset` on. Not durable before Sync. After an
  /// error any part of the range may hold old, new or torn bytes. `parts` itself must live until
  /// the task is done.
  virtual Task<Result<void>> Write(File& file, uint64_t offset, std::span<const Bytes> parts) = 0;

  /// Data and size are durable when it returns without an error. On an error what had been written
  /// since the last good Sync is lost: never try again, write anew.
  virtual Task<Result<void>> Sync(File& file) = 0;

  /// Makes the file `size` bytes long. With `preallocate` the space is taken from the device now
  /// (kNoSpace if it is not there); otherwise holes are left.
  virtual Task<Result<void>> Resize(File& file, uint64_t size, bool preallocate) = 0;

  virtual Task<Result<FileInfo>> Stat(std::string path) = 0;
  /// Of many paths at the cost of one: an answer for each.
  virtual Task<Result<std::vector<Result<FileInfo>>>> StatMany(std::vector<std::string> paths) = 0;
  /// Of an open file, whatever its name has come to mean.
  virtual Task<Result<FileInfo>> StatOpen(File& file) = 0;
  /// What goes with an open file beside its bytes, by the file system's extended attributes;
  /// durable with the next Sync. kUnsupported where there are none, which is the default; kNoSpace
  /// where it is too long.
  virtual Task<Result<void>> SetAttribute(File& file, std::string name, std::string value);
  /// kNotFound where the file has none of that name.
  virtual Task<Result<std::string>> GetAttribute(File& file, std::string name);
  virtual Task<Result<SpaceInfo>> Space(std::string directory) = 0;
  /// Names within the directory, sorted, without "." and "..".
  virtual Task<Result<std::vector<std::string>>> List(std::string directory) = 0;
  /// The same for directories of any size: what they hold, batch by batch and in no order. Names
  /// that come or go meanwhile may or may not be told.
  virtual Task<Result<std::shared_ptr<Directory>>> OpenDirectory(std::string path) = 0;
  /// At most `most` (at least 1) further entries; none at the end.
  virtual Task<Result<std::vector<DirectoryEntry>>> ReadDirectory(Directory& directory,
                                                                  size_t most) = 0;
  /// Makes the directory and its parents; fine if it is there.
  virtual Task<Result<void>> MakeDirectory(std::string path) = 0;
  /// Replaces what file has the name `to`.
  virtual Task<Result<void>> Rename(std::string from, std::string to) = 0;
  /// kAlreadyExists, and nothing happens, where the name `to` is taken: decided by the file system,
  /// so that it holds among all processes.
  virtual Task<Result<void>> RenameExclusive(std::string from, std::string to) = 0;
  virtual Task<Result<void>> Remove(std::string path) = 0;
  /// Makes the creation, renaming and removal of names within the directory durable.
  virtual Task<Result<void>> SyncDirectory(std::string path) = 0;
};

inline Task<Result<void>> Disk::SetAttribute(File& file, std::string, std::string) {
  co_return Fail(Code::kUnsupported, file.path() + ": no attributes of files here");
}
inline Task<Result<std::string>> Disk::GetAttribute(File& file, std::string) {
  co_return Fail(Code::kUnsupported, file.path() + ": no attributes of files here");
}

}  // namespace forebay
