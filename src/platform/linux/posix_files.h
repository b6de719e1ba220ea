// File operations that block, as plain functions: they run on the file pool on either backend,
// because the kernel, too, would only hand them to a thread of its own. Any thread.
#pragma once

#include <dirent.h>

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

class PosixDirectory final : public Directory {
 public:
  PosixDirectory(DIR* dir, std::string path) : dir_(dir), path_(std::move(path)) {}
  PosixDirectory(const PosixDirectory&) = delete;
  PosixDirectory& operator=(const PosixDirectory&) = delete;
  ~PosixDirectory() override;

  DIR* dir() { return dir_; }
  const std::string& path() const { return path_; }

 private:
  DIR* const dir_;
  const std::string path_;
};

Result<std::shared_ptr<File>> OpenFile(const std::string& path, const OpenOptions& options);
Result<void> ResizeFile(const PosixFile& file, uint64_t size, bool preallocate);
Result<FileInfo> StatFile(const std::string& path);
Result<FileInfo> StatOpenFile(const PosixFile& file);
Result<void> SetFileAttribute(const PosixFile& file, const std::string& name,
                              const std::string& value);
Result<std::string> GetFileAttribute(const PosixFile& file, const std::string& name);
Result<SpaceInfo> SpaceOf(const std::string& directory);
Result<std::vector<std::string>> ListDirectory(const std::string& directory);
Result<std::shared_ptr<Directory>> OpenDirectoryAt(const std::string& path);
Result<std::vector<DirectoryEntry>> ReadEntries(PosixDirectory& directory, size_t most);
Result<void> MakeDirectories(const std::string& path);
Result<void> RenameFile(const std::string& from, const std::string& to);
Result<void> RenameFileExclusive(const std::string& from, const std::string& to);
Result<void> RemoveFile(const std::string& path);
Result<void> SyncDirectoryOf(const std::string& path);

}  // namespace forebay::platform
