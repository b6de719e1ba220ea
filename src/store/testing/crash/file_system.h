// File systems on loop devices, in a mount namespace that dies with the process, so that a test
// that is killed leaves nothing mounted either.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "src/base/result.h"

namespace forebay::store_testing {

/// From now on what this thread, and what it starts, mounts is theirs alone. kUnsupported with the
/// reason where that is not allowed.
Result<void> EnterOwnMountNamespace();

/// A loop device over a file; it goes when the last user of it does.
class LoopDevice {
 public:
  static Result<LoopDevice> Attach(const std::string& file);
  LoopDevice(LoopDevice&& other) noexcept;
  LoopDevice& operator=(LoopDevice&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(path_, other.path_);
    return *this;
  }
  ~LoopDevice();
  const std::string& path() const { return path_; }

 private:
  LoopDevice(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_;
  std::string path_;
};

/// A mounted file system, detached from its directory when this object goes; it ends when the last
/// open file on it does.
class Mount {
 public:
  static Result<Mount> Make(const std::string& source, const std::string& directory,
                            const std::string& type, const std::string& options = "");
  Mount(Mount&& other) noexcept : directory_(std::move(other.directory_)) {
    other.directory_.clear();
  }
  Mount& operator=(Mount&&) = delete;
  ~Mount();

 private:
  explicit Mount(std::string directory) : directory_(std::move(directory)) {}
  std::string directory_;
};

/// Makes an empty file system ("ext4", "xfs") on a device. kUnsupported where its program is not
/// installed.
Result<void> MakeFileSystem(const std::string& type, const std::string& device);

}  // namespace forebay::store_testing
