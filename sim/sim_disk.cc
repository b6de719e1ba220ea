#include "sim/sim_disk.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sim/node.h"
#include "sim/sim_device.h"
#include "sim/world.h"
#include "src/base/hash.h"

namespace forebay::sim {
namespace {

class SimFile final : public File {
 public:
  SimFile(SimDevice& device, InodeRef inode, std::string path, OpenOptions options)
      : device_(device), inode_(std::move(inode)), path_(std::move(path)), options_(options) {
    if (options_.lock) inode_->locked_by = this;
    inode_->Hold();
  }
  ~SimFile() override {
    if (inode_->locked_by == this) inode_->locked_by = nullptr;
    if (inode_->used_bytes == counted_in_) inode_->Release();
  }

  const std::string& path() const override { return path_; }
  SimDevice& device() { return device_; }
  Inode& inode() { return *inode_; }
  const OpenOptions& options() const { return options_; }

 private:
  SimDevice& device_;
  const InodeRef inode_;
  const std::string path_;
  const OpenOptions options_;
  /// Another one after a crash, which closed this file already.
  const std::shared_ptr<uint64_t> counted_in_ = inode_->used_bytes;
};

std::unexpected<Error> IoFailure(std::string_view what, const SimFile& file, uint64_t offset,
                                 uint64_t size) {
  return Fail(Code::kIoError,
              fmt::format("{} {} [{}, +{}): input/output error", what, file.path(), offset, size));
}

Result<void> CheckAligned(const SimFile& file, uint64_t offset, Bytes part) {
  if (!file.options().direct) return {};
  const auto address = reinterpret_cast<uintptr_t>(part.data());
  if (offset % kDiskAlignment == 0 && part.size() % kDiskAlignment == 0 &&
      address % kDiskAlignment == 0) {
    return {};
  }
  // No address in the text: it would differ from run to run.
  return Fail(
      Code::kInvalidArgument,
      fmt::format("{}: direct I/O at offset {} of {} bytes, memory {}: all must be "
                  "multiples of {}",
                  file.path(), offset, part.size(),
                  address % kDiskAlignment == 0 ? "aligned" : "not aligned", kDiskAlignment));
}

class SimDirectory final : public Directory {
 public:
  SimDirectory(SimDevice& on, std::string at, std::vector<std::string> found)
      : device(on), path(std::move(at)), names(std::move(found)) {
    // In an order that is nobody's friend, as on a real disk.
    std::ranges::sort(names, {},
                      [](const std::string& name) { return HashBytes(AsBytes(name), 7); });
  }
  SimDevice& device;
  const std::string path;
  std::vector<std::string> names;
  size_t next = 0;
};

FileInfo InfoOf(const Inode& inode) {
  return FileInfo{.size_bytes = inode.image.size_bytes(),
                  .allocated_bytes = inode.image.allocated_bytes(),
                  .directory = inode.directory,
                  .regular = !inode.directory,
                  .inode = inode.number,
                  .links = inode.links,
                  .mtime_ns = inode.mtime_ns,
                  .ctime_ns = inode.ctime_ns};
}

uint64_t HashOf(std::span<const Bytes> parts) {
  uint64_t hash = 0;
  for (const Bytes part : parts) hash = HashBytes(part, hash).lo;
  return hash;
}

}  // namespace

SimDevice& SimDisk::DeviceOf(const std::string& path) {
  return process_.node().disk(path);
}

Task<Result<void>> SimDisk::NameOperation(SimDevice& device, std::string path) {
  FB_CO_TRY(process_.CheckAlive());
  FB_CO_TRY(co_await process_.Until(device.Admit(DiskOp::kName, 0), "disk"));
  process_.Note(Happening::kName, HashBytes(AsBytes(path), 0).lo);
  if (device.dead()) co_return Fail(Code::kIoError, path + ": the disk is dead");
  co_return Result<void>();
}

Result<InodeRef> SimDisk::FindDirectory(SimDevice& device, const std::string& path) {
  InodeRef inode = device.Find(path);
  if (inode == nullptr) return Fail(Code::kNotFound, path + ": no such directory");
  if (!inode->directory) return Fail(Code::kInvalidArgument, path + ": not a directory");
  return inode;
}

Result<InodeRef> SimDisk::FindOrMake(SimDevice& device, const std::string& path,
                                     OpenOptions options) {
  InodeRef inode = device.Find(path);
  if (inode == nullptr) {
    if (!options.create) return Fail(Code::kNotFound, path + ": no such file");
    FB_TRY(FindDirectory(device, ParentPath(path)));
    inode = device.NewInode(false);
    device.names().Link(path, inode);
    device.TouchContents(*device.Find(ParentPath(path)));
    return inode;
  }
  if (options.create && options.exclusive) {
    return Fail(Code::kAlreadyExists, path + ": is there already");
  }
  if (inode->directory) return Fail(Code::kInvalidArgument, path + ": is a directory");
  return inode;
}

Task<Result<std::shared_ptr<File>>> SimDisk::Open(std::string path, OpenOptions options) {
  path = NormalPath(path);
  SimDevice& device = DeviceOf(path);
  FB_CO_TRY(co_await NameOperation(device, path));
  if (options.direct && !device.options().direct_supported) {
    co_return Fail(Code::kUnsupported, path + ": the file system has no direct I/O");
  }
  if (options.truncate && !options.write) {
    co_return Fail(Code::kInvalidArgument, path + ": truncate needs write");
  }
  FB_CO_ASSIGN(const InodeRef inode, FindOrMake(device, path, options));
  if (options.lock && inode->locked_by != nullptr) {
    co_return Fail(Code::kInUse, path + ": locked by another process");
  }
  if (options.truncate && inode->image.size_bytes() > 0) device.Resize(*inode, 0, false);
  co_return std::make_shared<SimFile>(device, inode, path, options);
}

Task<Result<size_t>> SimDisk::Read(File& file, uint64_t offset, MutableBytes into) {
  FB_CO_TRY(process_.CheckAlive());
  auto& sim = static_cast<SimFile&>(file);
  FB_CO_TRY(CheckAligned(sim, offset, into));
  SimDevice& device = sim.device();
  FB_CO_TRY(co_await process_.Until(device.Admit(DiskOp::kRead, into.size()), "disk read"));
  if (device.Fails(DiskOp::kRead, sim.inode(), offset, into.size())) {
    std::fill_n(into.data(), std::min<size_t>(into.size(), kSectorBytes), std::byte{0xdb});
    co_return IoFailure("read", sim, offset, into.size());
  }
  const size_t size = device.Read(sim.inode(), offset, into);
  process_.Note(Happening::kRead, offset ^ HashBytes(into.first(size), 0).lo);
  co_return size;
}

Task<Result<void>> SimDisk::Write(File& file, uint64_t offset, std::span<const Bytes> parts) {
  FB_CO_TRY(process_.CheckAlive());
  auto& sim = static_cast<SimFile&>(file);
  if (!sim.options().write) {
    co_return Fail(Code::kPermissionDenied, sim.path() + ": was opened for reading only");
  }
  uint64_t size = 0;
  for (const Bytes part : parts) {
    FB_CO_TRY(CheckAligned(sim, offset + size, part));
    size += part.size();
  }
  SimDevice& device = sim.device();
  const Instant done = device.Admit(DiskOp::kWrite, size);
  FB_CO_TRY(co_await process_.Until(device.Between(done), "disk write"));
  process_.Note(Happening::kWrite, offset ^ HashOf(parts));
  const bool fails = device.Fails(DiskOp::kWrite, sim.inode(), offset, size);
  const bool fits = fails || device.Write(sim.inode(), offset, parts);
  if (fails && !device.dead()) device.WriteFrontPart(sim.inode(), offset, parts);
  FB_CO_TRY(co_await process_.Until(done, "disk write"));
  if (fails) co_return IoFailure("write", sim, offset, size);
  if (!fits) {
    co_return Fail(Code::kNoSpace,
                   fmt::format("write {} [{}, +{}): the disk is full", sim.path(), offset, size));
  }
  co_return Result<void>();
}

Task<Result<void>> SimDisk::Sync(File& file) {
  FB_CO_TRY(process_.CheckAlive());
  auto& sim = static_cast<SimFile&>(file);
  SimDevice& device = sim.device();
  const uint64_t mark = sim.inode().image.mark();
  FB_CO_TRY(co_await process_.Until(device.Admit(DiskOp::kSync, 0), "disk sync"));
  process_.Note(Happening::kSync, mark);
  if (device.Fails(DiskOp::kSync, sim.inode(), 0, 0)) {
    if (!device.dead()) device.FailSync(sim.inode(), mark);
    co_return Fail(Code::kIoError, sim.path() + ": sync failed: what it covered is lost");
  }
  sim.inode().image.SyncThrough(mark);
  co_return Result<void>();
}

Task<Result<void>> SimDisk::Resize(File& file, uint64_t size, bool preallocate) {
  FB_CO_TRY(process_.CheckAlive());
  auto& sim = static_cast<SimFile&>(file);
  if (!sim.options().write) {
    co_return Fail(Code::kPermissionDenied, sim.path() + ": was opened for reading only");
  }
  FB_CO_TRY(co_await NameOperation(sim.device(), sim.path()));
  if (!sim.device().Resize(sim.inode(), size, preallocate)) {
    co_return Fail(Code::kNoSpace, fmt::format("{}: no room for {} of {} bytes", sim.path(), size,
                                               sim.device().free_bytes()));
  }
  co_return Result<void>();
}

Task<Result<FileInfo>> SimDisk::Stat(std::string path) {
  path = NormalPath(path);
  SimDevice& device = DeviceOf(path);
  FB_CO_TRY(co_await NameOperation(device, path));
  const InodeRef inode = device.Find(path);
  if (inode == nullptr) co_return Fail(Code::kNotFound, path + ": no such file or directory");
  co_return InfoOf(*inode);
}

Task<Result<std::vector<Result<FileInfo>>>> SimDisk::StatMany(std::vector<std::string> paths) {
  std::vector<Result<FileInfo>> infos;
  for (std::string& path : paths) {
    infos.push_back(co_await Stat(std::move(path)));
    if (!infos.back() && infos.back().error().code() == Code::kCancelled) {
      co_return Fail(infos.back().error());
    }
  }
  co_return infos;
}

Task<Result<FileInfo>> SimDisk::StatOpen(File& file) {
  FB_CO_TRY(process_.CheckAlive());
  auto& sim = static_cast<SimFile&>(file);
  FB_CO_TRY(co_await NameOperation(sim.device(), sim.path()));
  co_return InfoOf(sim.inode());
}

Task<Result<SpaceInfo>> SimDisk::Space(std::string directory) {
  directory = NormalPath(directory);
  SimDevice& device = DeviceOf(directory);
  FB_CO_TRY(co_await NameOperation(device, directory));
  FB_CO_TRY(FindDirectory(device, directory));
  co_return SpaceInfo{.total_bytes = device.options().capacity_bytes,
                      .free_bytes = device.free_bytes()};
}

Task<Result<std::vector<std::string>>> SimDisk::List(std::string directory) {
  directory = NormalPath(directory);
  SimDevice& device = DeviceOf(directory);
  FB_CO_TRY(co_await NameOperation(device, directory));
  FB_CO_TRY(FindDirectory(device, directory));
  co_return device.names().ChildrenOf(directory);
}

Task<Result<std::shared_ptr<Directory>>> SimDisk::OpenDirectory(std::string path) {
  FB_CO_ASSIGN(auto names, co_await List(path));
  path = NormalPath(path);
  SimDevice& device = DeviceOf(path);
  co_return std::make_shared<SimDirectory>(device, std::move(path), std::move(names));
}

Task<Result<std::vector<DirectoryEntry>>> SimDisk::ReadDirectory(Directory& directory,
                                                                 size_t most) {
  FB_CO_TRY(process_.CheckAlive());
  auto& sim = static_cast<SimDirectory&>(directory);
  FB_CO_TRY(co_await NameOperation(sim.device, sim.path));
  std::vector<DirectoryEntry> entries;
  for (; entries.size() < most && sim.next < sim.names.size(); ++sim.next) {
    const std::string& name = sim.names[sim.next];
    const InodeRef inode = sim.device.Find(NormalPath(sim.path + "/" + name));
    if (inode == nullptr) continue;  // removed since
    entries.push_back({.name = name, .directory = inode->directory, .regular = !inode->directory});
  }
  co_return entries;
}

Task<Result<void>> SimDisk::MakeDirectory(std::string path) {
  path = NormalPath(path);
  SimDevice& device = DeviceOf(path);
  FB_CO_TRY(co_await NameOperation(device, path));
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (part.size() >= device.mount().size()) {
      const InodeRef there = device.Find(part);
      if (there == nullptr) {
        device.names().Link(part, device.NewInode(true));
        if (const InodeRef parent = device.Find(ParentPath(part))) device.TouchContents(*parent);
      } else if (!there->directory) {
        co_return Fail(Code::kInvalidArgument, part + ": is there and is not a directory");
      }
    }
    if (slash == std::string::npos) co_return Result<void>();
  }
}

Task<Result<void>> SimDisk::Rename(std::string from, std::string to) {
  return RenameTo(std::move(from), std::move(to), false);
}

Task<Result<void>> SimDisk::RenameExclusive(std::string from, std::string to) {
  return RenameTo(std::move(from), std::move(to), true);
}

Task<Result<void>> SimDisk::RenameTo(std::string from, std::string to, bool exclusive) {
  from = NormalPath(from);
  to = NormalPath(to);
  SimDevice& device = DeviceOf(from);
  FB_CO_TRY(co_await NameOperation(device, from));
  const InodeRef inode = device.Find(from);
  if (inode == nullptr) co_return Fail(Code::kNotFound, from + ": no such file");
  if (&DeviceOf(to) != &device) {
    co_return Fail(Code::kUnsupported, from + " and " + to + " are on different disks");
  }
  const InodeRef target = device.Find(to);
  if (target != nullptr && exclusive) {
    co_return Fail(Code::kAlreadyExists, to + ": is there already");
  }
  if (inode->directory) {
    co_return Fail(Code::kUnsupported, from + ": directories are not renamed here");
  }
  if (target != nullptr && target->directory) {
    co_return Fail(Code::kInvalidArgument, to + ": is a directory");
  }
  FB_CO_ASSIGN(const InodeRef into, FindDirectory(device, ParentPath(to)));
  if (inode == target) co_return Result<void>();
  device.names().Rename(from, to);
  if (target != nullptr) device.TouchName(*target);
  device.TouchName(*inode);
  device.TouchContents(*into);
  if (const InodeRef parent = device.Find(ParentPath(from))) device.TouchContents(*parent);
  co_return Result<void>();
}

Task<Result<void>> SimDisk::Remove(std::string path) {
  path = NormalPath(path);
  SimDevice& device = DeviceOf(path);
  FB_CO_TRY(co_await NameOperation(device, path));
  const InodeRef inode = device.Find(path);
  if (inode == nullptr) co_return Fail(Code::kNotFound, path + ": no such file or directory");
  const bool busy =
      path == device.mount() || (inode->directory && !device.names().ChildrenOf(path).empty());
  if (busy) co_return Fail(Code::kInvalidArgument, path + ": the directory is not empty");
  device.names().Unlink(path);
  device.TouchName(*inode);
  if (const InodeRef parent = device.Find(ParentPath(path))) device.TouchContents(*parent);
  co_return Result<void>();
}

Task<Result<void>> SimDisk::SyncDirectory(std::string path) {
  path = NormalPath(path);
  SimDevice& device = DeviceOf(path);
  FB_CO_TRY(co_await NameOperation(device, path));
  FB_CO_TRY(FindDirectory(device, path));
  device.names().SyncDirectory(path);
  co_return Result<void>();
}

}  // namespace forebay::sim
