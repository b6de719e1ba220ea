// Disk for simulated nodes.
#pragma once

#include "src/runtime/disk.h"

#include "sim/process.h"
#include "sim/sim_names.h"

namespace forebay::sim {

class SimDevice;

/// Finds the device by the path and keeps to the contract of Disk as strictly as a device may: the
/// bytes of a write are taken from the caller's memory at some moment before it is done, a failed
/// read leaves rubbish, direct I/O insists on its alignment.
class SimDisk final : public Disk {
 public:
  explicit SimDisk(Process& process) : process_(process) {}

  Task<Result<std::shared_ptr<File>>> Open(std::string path, OpenOptions options) override;
  Task<Result<size_t>> Read(File& file, uint64_t offset, MutableBytes into) override;
  Task<Result<void>> Write(File& file, uint64_t offset, std::span<const Bytes> parts) override;
  Task<Result<void>> Sync(File& file) override;
  Task<Result<void>> Resize(File& file, uint64_t size, bool preallocate) override;
  Task<Result<FileInfo>> Stat(std::string path) override;
  Task<Result<std::vector<Result<FileInfo>>>> StatMany(std::vector<std::string> paths) override;
  Task<Result<FileInfo>> StatOpen(File& file) override;
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
  SimDevice& DeviceOf(const std::string& path);
  /// Takes the time of an operation on names; fails where the device is dead.
  Task<Result<void>> NameOperation(SimDevice& device, std::string path);
  Task<Result<void>> RenameTo(std::string from, std::string to, bool exclusive);
  Result<InodeRef> FindOrMake(SimDevice& device, const std::string& path, OpenOptions options);
  Result<InodeRef> FindDirectory(SimDevice& device, const std::string& path);

  Process& process_;
};

}  // namespace forebay::sim
