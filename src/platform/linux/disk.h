// Disk over the loop: data by the backend (ring operations, or the pool with epoll), names by the
// pool.
#pragma once

#include "src/platform/linux/reactor.h"
#include "src/runtime/disk.h"

namespace forebay::platform {

class LinuxDisk final : public Disk {
 public:
  explicit LinuxDisk(Reactor& reactor) : reactor_(reactor) {}

  Task<Result<std::shared_ptr<File>>> Open(std::string path, OpenOptions options) override;
  Task<Result<size_t>> Read(File& file, uint64_t offset, MutableBytes into) override;
  Task<Result<void>> Write(File& file, uint64_t offset, std::span<const Bytes> parts) override;
  Task<Result<void>> Sync(File& file) override;
  Task<Result<void>> Resize(File& file, uint64_t size, bool preallocate) override;
  Task<Result<FileInfo>> Stat(std::string path) override;
  Task<Result<std::vector<Result<FileInfo>>>> StatMany(std::vector<std::string> paths) override;
  Task<Result<FileInfo>> StatOpen(File& file) override;
  Task<Result<void>> SetAttribute(File& file, std::string name, std::string value) override;
  Task<Result<std::string>> GetAttribute(File& file, std::string name) override;
  Task<Result<SpaceInfo>> Space(std::string directory) override;
  Task<Result<std::vector<std::string>>> List(std::string directory) override;
  Task<Result<std::shared_ptr<Directory>>> OpenDirectory(std::string path) override;
  Task<Result<std::vector<DirectoryEntry>>> ReadDirectory(Directory& directory,
                                                          size_t most) override;
  Task<Result<void>> MakeDirectory(std::string path) override;
  Task<Result<void>> Rename(std::string from, std::string to) override;
  Task<Result<void>> RenameExclusive(std::string from, std::string to) override;
  Task<Result<void>> Remove(std::string path) override;
  Task<Result<void>> SyncDirectory(std::string path) override;

 private:
  Task<Result<void>> WriteOne(File& file, uint64_t offset, Bytes bytes);
  Task<Result<void>> WriteParts(File& file, uint64_t offset, std::span<const Bytes> parts);

  Reactor& reactor_;
};

}  // namespace forebay::platform
