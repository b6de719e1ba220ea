#include "src/app/cli/local_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace forebay::app {
namespace {

constexpr int kFileMode = 0666;  // cut by the umask

std::unexpected<Error> SystemError(int error, const std::string& path) {
  const Code code = error == ENOENT   ? Code::kNotFound
                    : error == ENOSPC ? Code::kNoSpace
                                      : Code::kIoError;
  return Fail(code, fmt::format("{}: {}", path, std::strerror(error)));
}

/// Several threads of one process copy at a time.
std::string DraftOf(const std::string& path) {
  static std::atomic<unsigned> next{0};
  const std::filesystem::path whole(path);
  // Short, because the name itself may be as long as names can be.
  return (whole.parent_path() / fmt::format(".forebay-{}-{}.part", getpid(), next++)).string();
}

/// A link stays, and what it leads to is written, if there is anything.
std::string BehindLinks(const std::string& path) {
  std::error_code error;
  const auto meant = std::filesystem::canonical(path, error);
  return error ? path : meant.string();
}

struct FileId {
  dev_t device;
  ino_t inode;
  bool operator==(const FileId&) const = default;
};

/// Nothing is left out: what cannot be copied, and what would never end, fails.
Result<void> Collect(const std::string& directory, const std::string& below,
                     std::vector<FileId>& above, std::vector<LocalFile>& files) {
  std::error_code error;
  std::filesystem::directory_iterator at(directory, error);
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    const std::string path = at->path().string();
    const std::string name = below + at->path().filename().string();
    struct stat info{};
    if (stat(path.c_str(), &info) != 0) {
      if (errno != ENOENT) return SystemError(errno, path);
      if (lstat(path.c_str(), &info) != 0) continue;  // it has gone meanwhile
      return Fail(Code::kNotFound, path + ": leads to nothing");
    }
    if (S_ISREG(info.st_mode)) {
      files.push_back({name, static_cast<uint64_t>(info.st_size)});
      continue;
    }
    if (!S_ISDIR(info.st_mode)) {
      return Fail(Code::kInvalidArgument, path + ": neither a file nor a folder");
    }
    const FileId id{info.st_dev, info.st_ino};
    if (std::ranges::find(above, id) != above.end()) {
      return Fail(Code::kInvalidArgument, path + ": leads to a folder that it lies in");
    }
    above.push_back(id);
    FB_TRY(Collect(path, name + "/", above, files));
    above.pop_back();
  }
  if (error) return SystemError(error.value(), directory);
  return {};
}

}  // namespace

bool IsDirectory(const std::string& path) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool IsStandardOutput(const std::string& path) {
  struct stat there{}, out{};
  return stat(path.c_str(), &there) == 0 && fstat(STDOUT_FILENO, &out) == 0 &&
         FileId{there.st_dev, there.st_ino} == FileId{out.st_dev, out.st_ino};
}

Result<void> MakeDirectories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return SystemError(error.value(), path);
  return {};
}

Result<std::vector<LocalFile>> FilesBelow(const std::string& directory) {
  std::vector<LocalFile> files;
  struct stat info{};
  if (stat(directory.c_str(), &info) != 0) return SystemError(errno, directory);
  std::vector<FileId> above{{info.st_dev, info.st_ino}};
  FB_TRY(Collect(directory, "", above, files));
  std::ranges::sort(files, {}, &LocalFile::name);
  return files;
}

WholeFile::WholeFile(const std::string& path) : path_(BehindLinks(path)) {
  struct stat info{};
  const bool there = stat(path_.c_str(), &info) == 0;
  if (!there || S_ISREG(info.st_mode)) draft_ = DraftOf(path_);
  fd_ = draft_.empty() ? open(path_.c_str(), O_WRONLY | O_CLOEXEC)
                       : open(draft_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode);
  if (fd_ < 0) open_error_ = errno;
}

WholeFile::~WholeFile() {
  if (fd_ < 0) return;
  close(fd_);
  if (!named_ && !draft_.empty()) unlink(draft_.c_str());
}

Result<int> WholeFile::fd() const {
  if (fd_ < 0) return SystemError(open_error_, path_);
  return fd_;
}

Result<void> WholeFile::Name() {
  if (draft_.empty()) return {};
  if (rename(draft_.c_str(), path_.c_str()) != 0) return SystemError(errno, path_);
  named_ = true;
  return {};
}

InputFile::~InputFile() {
  if (fd > STDIN_FILENO) close(fd);
}

Result<void> InputFile::Open(const std::string& path) {
  if (path == "-") return fd = STDIN_FILENO, Result<void>();
  fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info{};
  if (fd < 0 || fstat(fd, &info) != 0) return SystemError(errno, path);
  if (S_ISDIR(info.st_mode)) {
    return Fail(Code::kInvalidArgument,
                fmt::format("{}: is a directory; give it a PATH that ends with /", path));
  }
  size = static_cast<uint64_t>(info.st_size);
  return {};
}

}  // namespace forebay::app
