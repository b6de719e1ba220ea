// File operations that block, as plain functions: they run on the file pool on either backend,
// because the kernel, too, would only hand them to a thread of its own. Any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "src/runtime/disk.h"

namespace forebay::platform {

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path, bool direct)
      : fd_(fd), path_(std::move(path)), direct_(direct) {}
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;
  ~PosixFile() override;

  const std::string& path() const override { return path_; }
  int fd() const { return fd_; }
  bool direct() const { return direct_; }

 private:
  const int fd_;
  const std::string path_;
  const bool direct_;
};

Result<std::shared_ptr<File>> OpenFile(const std::string& path, const OpenOptions& options);
Result<void> ResizeFile(const PosixFile& file, uint64_t size, bool preallocate);
Result<FileInfo> StatFile(const std::string& path);
Result<SpaceInfo> SpaceOf(const std::string& directory);
Result<std::vector<std::string>> ListDirectory(const std::string& directory);
Result<void> MakeDirectories(const std::string& path);
Result<void> RenameFile(const std::string& from, const std::string& to);
Result<void> RemoveFile(const std::string& path);
Result<void> SyncDirectoryOf(const std::string& path);

}  // namespace forebay::platform
