#include "src/app/private_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

namespace forebay::app {
namespace {

constexpr mode_t kOwnersAlone = 0600;
constexpr mode_t kOthers = 0007;
constexpr size_t kSecretBytes = 32;

std::unexpected<Error> SystemError(int error, const std::string& path) {
  const Code code = error == ENOENT   ? Code::kNotFound
                    : error == ENOSPC ? Code::kNoSpace
                    : error == EACCES ? Code::kPermissionDenied
                    : error == EPERM  ? Code::kPermissionDenied
                                      : Code::kIoError;
  return Fail(code, fmt::format("{}: {}", path, std::strerror(error)));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

/// Removes what got no name.
class Draft {
 public:
  explicit Draft(std::string path) : path_(std::move(path)) { unlink(path_.c_str()); }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  ~Draft() {
    if (!path_.empty()) unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }
  void Named() { path_.clear(); }

 private:
  std::string path_;
};

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

/// As the file that it stands in for.
bool TakeAfter(int fd, const struct stat& old) {
  struct stat now{};
  if (fstat(fd, &now) != 0) return false;
  const bool same = now.st_uid == old.st_uid && now.st_gid == old.st_gid;
  if (!same && fchown(fd, old.st_uid, old.st_gid) != 0) return false;
  return fchmod(fd, old.st_mode & ~kOthers & ACCESSPERMS) == 0;
}

}  // namespace

Result<std::string> RandomBytes(size_t size) {
  std::string bytes(size, '\0');
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return Fail(Code::kInternal, "the kernel gives no random bytes");
  }
  return bytes;
}

Result<PrivateFile> PrivateFile::Lock(const std::string& path) {
  std::error_code error;
  const auto whole = std::filesystem::absolute(path, error);  // its folder has a name then
  const auto meant = error ? whole : std::filesystem::weakly_canonical(whole, error);
  if (error) return SystemError(error.value(), path);
  const std::string directory = meant.parent_path().string();
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return SystemError(errno, directory);
  PrivateFile file(meant.string(), fd);
  while (flock(fd, LOCK_EX) != 0) {
    if (errno != EINTR) return SystemError(errno, directory);
  }
  return file;
}

PrivateFile::PrivateFile(PrivateFile&& other) noexcept
    : path_(std::move(other.path_)), directory_(std::exchange(other.directory_, -1)) {}

PrivateFile::~PrivateFile() {
  if (directory_ >= 0) close(directory_);
}

Result<std::string> PrivateFile::Read(size_t at_most) const {
  const Descriptor file(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return SystemError(errno, path_);
  std::string text(at_most + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(errno, path_);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > at_most) {
    return Fail(Code::kInvalidArgument,
                fmt::format("{}: more than {} bytes; is it the right file?", path_, at_most));
  }
  text.resize(size);
  return text;
}

Result<void> PrivateFile::Replace(std::string_view text) const {
  struct stat old{};
  const bool is_there = stat(path_.c_str(), &old) == 0;
  if (!is_there && errno != ENOENT) return SystemError(errno, path_);
  Draft draft(path_ + ".new");
  const Descriptor file(
      open(draft.path().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kOwnersAlone));
  if (file.get() < 0) return SystemError(errno, draft.path());
  if (is_there && !TakeAfter(file.get(), old)) return SystemError(errno, draft.path());
  if (!WriteAll(file.get(), text) || fsync(file.get()) != 0) {
    return SystemError(errno, draft.path());
  }
  if (rename(draft.path().c_str(), path_.c_str()) != 0) return SystemError(errno, path_);
  draft.Named();
  if (fsync(directory_) != 0) return SystemError(errno, path_);
  return {};
}

Result<std::string> ReadOrMakeSecret(const std::string& path) {
  FB_ASSIGN(const PrivateFile file, PrivateFile::Lock(path));
  auto secret = file.Read(kSecretBytes);
  if (!secret && secret.error().code() == Code::kNotFound) {
    FB_ASSIGN(std::string made, RandomBytes(kSecretBytes));
    FB_TRY(file.Replace(made));
    return made;
  }
  if (secret && secret->size() != kSecretBytes) {
    return Fail(Code::kCorrupt,
                fmt::format("{}: not a secret of a node; restore the file, or remove it, and with "
                            "it what was made under it",
                            path));
  }
  return secret;
}

}  // namespace forebay::app
