#include "src/platform/linux/disk.h"

#include <fmt/format.h>

#include <cerrno>

#include "src/platform/linux/awaits.h"
#include "src/platform/linux/errors.h"
#include "src/platform/linux/io_parts.h"
#include "src/platform/linux/posix_files.h"

namespace forebay::platform {
namespace {

/// The kernel's own limit for one call lies just below 2 GiB.
constexpr uint64_t kMaxTransfer = 1u << 30;

const PosixFile& Posix(const File& file) {
  return static_cast<const PosixFile&>(file);
}

Error RangeError(int error, std::string_view verb, const File& file, uint64_t offset,
                 uint64_t size) {
  return ErrnoError(error,
                    fmt::format("{} {} at [{}, {})", verb, file.path(), offset, offset + size));
}

bool TryAgain(int32_t result) {
  return result == -EINTR || result == -EAGAIN;
}

}  // namespace

Task<Result<std::shared_ptr<File>>> LinuxDisk::Open(std::string path, OpenOptions options) {
  co_return co_await RunBlocking(reactor_, [&] { return OpenFile(path, options); });
}

Task<Result<size_t>> LinuxDisk::Read(File& file, uint64_t offset, MutableBytes into) {
  const PosixFile& posix = Posix(file);
  size_t done = 0;
  while (done < into.size()) {
    Op op{.code = OpCode::kRead,
          .fd = posix.fd(),
          .data = into.data() + done,
          .length = std::min<uint64_t>(into.size() - done, kMaxTransfer),
          .offset = offset + done};
    const int32_t result = co_await Perform(reactor_, op);
    if (TryAgain(result)) continue;
    if (result < 0) {
      co_return Fail(RangeError(-result, "read", file, offset + done, into.size() - done));
    }
    if (result == 0) break;
    done += static_cast<size_t>(result);
    // The end of a file whose size is odd; direct I/O could not even ask for what follows.
    if (posix.direct() && done % kDiskAlignment != 0) break;
  }
  co_return done;
}

Task<Result<void>> LinuxDisk::Write(File& file, uint64_t offset, std::span<const Bytes> parts) {
  return parts.size() == 1 ? WriteOne(file, offset, parts.front())
                           : WriteParts(file, offset, parts);
}

Task<Result<void>> LinuxDisk::WriteOne(File& file, uint64_t offset, Bytes bytes) {
  while (!bytes.empty()) {
    Op op{.code = OpCode::kWrite,
          .fd = Posix(file).fd(),
          .data = const_cast<std::byte*>(bytes.data()),
          .length = std::min<uint64_t>(bytes.size(), kMaxTransfer),
          .offset = offset};
    int32_t result = co_await Perform(reactor_, op);
    if (TryAgain(result)) continue;
    if (result == 0) result = -EIO;  // neither progress nor a reason
    if (result < 0) co_return Fail(RangeError(-result, "write", file, offset, bytes.size()));
    bytes = bytes.subspan(static_cast<size_t>(result));
    offset += static_cast<size_t>(result);
  }
  co_return Result<void>{};
}

Task<Result<void>> LinuxDisk::WriteParts(File& file, uint64_t offset,
                                         std::span<const Bytes> parts) {
  PartsCursor cursor(parts);
  while (!cursor.done()) {
    const std::span<iovec> window = cursor.Window();
    Op op{.code = OpCode::kWriteParts,
          .fd = Posix(file).fd(),
          .data = window.data(),
          .length = window.size(),
          .offset = offset};
    int32_t result = co_await Perform(reactor_, op);
    if (TryAgain(result)) continue;
    if (result == 0) result = -EIO;
    if (result < 0) {
      co_return Fail(RangeError(-result, "write", file, offset, window.front().iov_len));
    }
    cursor.Advance(static_cast<size_t>(result));
    offset += static_cast<size_t>(result);
  }
  co_return Result<void>{};
}

Task<Result<void>> LinuxDisk::Sync(File& file) {
  Op op{.code = OpCode::kSync, .fd = Posix(file).fd()};
  const int32_t result = co_await Perform(reactor_, op);
  // Not even EINTR is tried again: the kernel reports a lost write once.
  if (result < 0) co_return Fail(ErrnoError(-result, "sync " + file.path()));
  co_return Result<void>{};
}

Task<Result<void>> LinuxDisk::Resize(File& file, uint64_t size, bool preallocate) {
  co_return co_await RunBlocking(reactor_,
                                 [&] { return ResizeFile(Posix(file), size, preallocate); });
}

Task<Result<FileInfo>> LinuxDisk::Stat(std::string path) {
  co_return co_await RunBlocking(reactor_, [&] { return StatFile(path); });
}

Task<Result<std::vector<Result<FileInfo>>>> LinuxDisk::StatMany(std::vector<std::string> paths) {
  co_return co_await RunBlocking(reactor_, [&] {
    std::vector<Result<FileInfo>> infos;
    infos.reserve(paths.size());
    for (const std::string& path : paths) infos.push_back(StatFile(path));
    return infos;
  });
}

Task<Result<FileInfo>> LinuxDisk::StatOpen(File& file) {
  co_return co_await RunBlocking(reactor_, [&] { return StatOpenFile(Posix(file)); });
}

Task<Result<void>> LinuxDisk::SetAttribute(File& file, std::string name, std::string value) {
  co_return co_await RunBlocking(reactor_,
                                 [&] { return SetFileAttribute(Posix(file), name, value); });
}

Task<Result<std::string>> LinuxDisk::GetAttribute(File& file, std::string name) {
  co_return co_await RunBlocking(reactor_, [&] { return GetFileAttribute(Posix(file), name); });
}

Task<Result<SpaceInfo>> LinuxDisk::Space(std::string directory) {
  co_return co_await RunBlocking(reactor_, [&] { return SpaceOf(directory); });
}

Task<Result<std::vector<std::string>>> LinuxDisk::List(std::string directory) {
  co_return co_await RunBlocking(reactor_, [&] { return ListDirectory(directory); });
}

Task<Result<std::shared_ptr<Directory>>> LinuxDisk::OpenDirectory(std::string path) {
  co_return co_await RunBlocking(reactor_, [&] { return OpenDirectoryAt(path); });
}

Task<Result<std::vector<DirectoryEntry>>> LinuxDisk::ReadDirectory(Directory& directory,
                                                                   size_t most) {
  auto& posix = static_cast<PosixDirectory&>(directory);
  co_return co_await RunBlocking(reactor_, [&] { return ReadEntries(posix, most); });
}

Task<Result<void>> LinuxDisk::MakeDirectory(std::string path) {
  co_return co_await RunBlocking(reactor_, [&] { return MakeDirectories(path); });
}

Task<Result<void>> LinuxDisk::Rename(std::string from, std::string to) {
  co_return co_await RunBlocking(reactor_, [&] { return RenameFile(from, to); });
}

Task<Result<void>> LinuxDisk::RenameExclusive(std::string from, std::string to) {
  co_return co_await RunBlocking(reactor_, [&] { return RenameFileExclusive(from, to); });
}

Task<Result<void>> LinuxDisk::Remove(std::string path) {
  co_return co_await RunBlocking(reactor_, [&] { return RemoveFile(path); });
}

Task<Result<void>> LinuxDisk::SyncDirectory(std::string path) {
  co_return co_await RunBlocking(reactor_, [&] { return SyncDirectoryOf(path); });
}

}  // namespace forebay::platform
