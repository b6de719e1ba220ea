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

struct FileInfo {
  uint64_t size_bytes = 0;
  uint64_t allocated_bytes = 0;
  bool directory = false;
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
  virtual Task<Result<SpaceInfo>> Space(std::string directory) = 0;
  /// Names within the directory, sorted, without "." and "..".
  virtual Task<Result<std::vector<std::string>>> List(std::string directory) = 0;
  /// Makes the directory and its parents; fine if it is there.
  virtual Task<Result<void>> MakeDirectory(std::string path) = 0;
  virtual Task<Result<void>> Rename(std::string from, std::string to) = 0;
  virtual Task<Result<void>> Remove(std::string path) = 0;
  /// Makes the creation, renaming and removal of names within the directory durable.
  virtual Task<Result<void>> SyncDirectory(std::string path) = 0;
};

}  // namespace forebay
