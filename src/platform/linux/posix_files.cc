#include "src/platform/linux/posix_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "src/base/units.h"
#include "src/platform/linux/errors.h"

namespace forebay::platform {
namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirectoryMode = 0750;
constexpr uint64_t kStatBlock = 512;
constexpr size_t kMaxAttributeBytes = 64 * kKiB;  // the kernel's

std::unexpected<Error> FailErrno(std::string_view verb, std::string_view path) {
  return Fail(ErrnoError(errno, fmt::format("{} {}", verb, path)));
}

int OpenFlags(const OpenOptions& options) {
  int flags = O_CLOEXEC | O_NOCTTY | (options.write ? O_RDWR : O_RDONLY);
  // Or the open of a pipe that nobody writes to would hold a thread of the pool for ever.
  if (!options.write) flags |= O_NONBLOCK;
  if (options.create) flags |= O_CREAT;
  if (options.create && options.exclusive) flags |= O_EXCL;
  if (options.direct) flags |= O_DIRECT;
  return flags;
}

Result<void> Lock(int fd, const std::string& path) {
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return {};
  if (errno == EWOULDBLOCK) {
    return Fail(Code::kInUse, fmt::format("{} is held by another running process", path));
  }
  return FailErrno("lock", path);
}

int64_t NanosOf(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

FileInfo InfoOf(const struct stat& info) {
  return FileInfo{.size_bytes = static_cast<uint64_t>(info.st_size),
                  .allocated_bytes = static_cast<uint64_t>(info.st_blocks) * kStatBlock,
                  .directory = S_ISDIR(info.st_mode),
                  .regular = S_ISREG(info.st_mode),
                  .inode = info.st_ino,
                  .links = info.st_nlink,
                  .mtime_ns = NanosOf(info.st_mtim),
                  .ctime_ns = NanosOf(info.st_ctim)};
}

DirectoryEntry EntryOf(DIR* dir, const dirent& entry) {
  unsigned char type = entry.d_type;
  if (type == DT_LNK || type == DT_UNKNOWN) {
    struct stat info{};
    const bool there = fstatat(dirfd(dir), entry.d_name, &info, 0) == 0;
    type = there ? static_cast<unsigned char>(IFTODT(info.st_mode)) : DT_UNKNOWN;
  }
  return {.name = entry.d_name, .directory = type == DT_DIR, .regular = type == DT_REG};
}

bool IsSelfOrParent(std::string_view name) {
  return name == "." || name == "..";
}

}  // namespace

PosixFile::~PosixFile() {
  close(fd_);
}

PosixDirectory::~PosixDirectory() {
  closedir(dir_);
}

Result<std::shared_ptr<File>> OpenFile(const std::string& path, const OpenOptions& options) {
  const int flags = OpenFlags(options);
  const int fd = open(path.c_str(), flags, kFileMode);
  if (fd < 0) {
    if (options.direct && errno == EINVAL) {
      return Fail(Code::kUnsupported,
                  fmt::format("the file system of {} has no direct I/O (O_DIRECT)", path));
    }
    return FailErrno("open", path);
  }
  auto file = std::make_shared<PosixFile>(fd, path, options.direct);
  if ((flags & O_NONBLOCK) != 0 && fcntl(fd, F_SETFL, flags & O_DIRECT) != 0) {
    return FailErrno("open", path);
  }
  if (options.lock) FB_TRY(Lock(fd, path));
  // After the lock: nobody may empty a file that another process is using.
  if (options.truncate && ftruncate(fd, 0) != 0) return FailErrno("truncate", path);
  return file;
}

Result<void> ResizeFile(const PosixFile& file, uint64_t size, bool preallocate) {
  const std::string what = fmt::format("resize {} to {}", file.path(), FormatSize(size));
  if (ftruncate(file.fd(), static_cast<off_t>(size)) != 0) return Fail(ErrnoError(errno, what));
  if (!preallocate || size == 0) return {};
  int error = 0;
  do {
    error = fallocate(file.fd(), 0, 0, static_cast<off_t>(size)) == 0 ? 0 : errno;
  } while (error == EINTR);
  if (error == EOPNOTSUPP) {
    return Fail(
        Code::kUnsupported,
        what + ": the file system cannot reserve space (fallocate); turn preallocation off");
  }
  if (error != 0) return Fail(ErrnoError(error, what));
  return {};
}

Result<FileInfo> StatFile(const std::string& path) {
  struct stat info{};
  if (stat(path.c_str(), &info) != 0) return FailErrno("stat", path);
  return InfoOf(info);
}

Result<FileInfo> StatOpenFile(const PosixFile& file) {
  struct stat info{};
  if (fstat(file.fd(), &info) != 0) return FailErrno("stat", file.path());
  return InfoOf(info);
}

Result<void> SetFileAttribute(const PosixFile& file, const std::string& name,
                              const std::string& value) {
  if (fsetxattr(file.fd(), name.c_str(), value.data(), value.size(), 0) == 0) return {};
  // Each file system has a word of its own for "too long".
  if (errno == ERANGE || errno == E2BIG) errno = ENOSPC;
  return FailErrno("set " + name + " of", file.path());
}

Result<std::string> GetFileAttribute(const PosixFile& file, const std::string& name) {
  std::string value(kMaxAttributeBytes, '\0');
  const ssize_t size = fgetxattr(file.fd(), name.c_str(), value.data(), value.size());
  if (size < 0 && errno == ENODATA) {
    return Fail(Code::kNotFound, fmt::format("{} has no {}", file.path(), name));
  }
  if (size < 0) return FailErrno("get " + name + " of", file.path());
  value.resize(static_cast<size_t>(size));
  return value;
}

Result<SpaceInfo> SpaceOf(const std::string& directory) {
  struct statvfs info{};
  if (statvfs(directory.c_str(), &info) != 0) return FailErrno("statvfs", directory);
  // What an ordinary user may take, without the part kept for root.
  return SpaceInfo{.total_bytes = info.f_blocks * info.f_frsize,
                   .free_bytes = info.f_bavail * info.f_frsize};
}

Result<std::vector<std::string>> ListDirectory(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(directory.c_str()), &closedir);
  if (dir == nullptr) return FailErrno("list", directory);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(dir.get());
    if (entry == nullptr) break;
    if (!IsSelfOrParent(entry->d_name)) names.emplace_back(entry->d_name);
  }
  if (errno != 0) return FailErrno("list", directory);
  std::ranges::sort(names);
  return names;
}

Result<std::shared_ptr<Directory>> OpenDirectoryAt(const std::string& path) {
  DIR* dir = opendir(path.c_str());
  if (dir == nullptr) return FailErrno("list", path);
  return std::make_shared<PosixDirectory>(dir, path);
}

Result<std::vector<DirectoryEntry>> ReadEntries(PosixDirectory& directory, size_t most) {
  std::vector<DirectoryEntry> entries;
  while (entries.size() < most) {
    errno = 0;
    const dirent* entry = readdir(directory.dir());
    if (entry == nullptr) {
      if (errno != 0) return FailErrno("list", directory.path());
      break;
    }
    if (!IsSelfOrParent(entry->d_name)) entries.push_back(EntryOf(directory.dir(), *entry));
  }
  return entries;
}

Result<void> MakeDirectories(const std::string& path) {
  if (path.empty()) return Fail(Code::kInvalidArgument, "make directory: empty path");
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (mkdir(part.c_str(), kDirectoryMode) != 0) {
      const int error = errno;
      struct stat info{};
      const bool there = stat(part.c_str(), &info) == 0;
      if (!there) return Fail(ErrnoError(error, "make directory " + part));
      if (!S_ISDIR(info.st_mode)) return Fail(ErrnoError(ENOTDIR, "make directory " + part));
    }
    if (end == std::string::npos) return {};
  }
}

Result<void> RenameFile(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) {
    return Fail(ErrnoError(errno, fmt::format("rename {} to {}", from, to)));
  }
  return {};
}

Result<void> RenameFileExclusive(const std::string& from, const std::string& to) {
  const std::string what = fmt::format("rename {} to {}", from, to);
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS) return Fail(ErrnoError(errno, what));
  // NFS knows no such rename. Between the two calls the file has both names, which harms nobody.
  if (link(from.c_str(), to.c_str()) != 0) return Fail(ErrnoError(errno, what));
  if (unlink(from.c_str()) != 0) return Fail(ErrnoError(errno, "remove " + from));
  return {};
}

Result<void> RemoveFile(const std::string& path) {
  if (remove(path.c_str()) != 0) return FailErrno("remove", path);
  return {};
}

Result<void> SyncDirectoryOf(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FailErrno("sync directory", path);
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  if (error != 0) return Fail(ErrnoError(error, "sync directory " + path));
  return {};
}

}  // namespace forebay::platform
