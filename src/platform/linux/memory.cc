#include "src/platform/linux/memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <string>
#include <utility>

#include "src/base/units.h"
#include "src/platform/linux/errors.h"

namespace forebay::platform {
namespace {

constexpr uint64_t kPage = 4 * kKiB;
constexpr uint64_t kHugePage = 2 * kMiB;

class Memfd final : public SharedMemory {
 public:
  Memfd(std::string name, int fd, MutableBytes bytes, std::shared_ptr<MemoryAhead> ahead)
      : name_(std::move(name)), fd_(fd), bytes_(bytes), ahead_(std::move(ahead)) {}
  Memfd(const Memfd&) = delete;
  Memfd& operator=(const Memfd&) = delete;
  ~Memfd() override {
    ahead_->Forget(bytes_);
    munmap(bytes_.data(), bytes_.size());
    close(fd_);
  }

  MutableBytes bytes() override { return bytes_; }
  Result<void> Punch(uint64_t offset, uint64_t size) override;
  void WillUse(uint64_t offset, uint64_t size) override {
    ahead_->Ask(bytes_.subspan(offset, size));
  }
  int ReadOnlyDescriptor() override { return Seal(F_SEAL_FUTURE_WRITE); }
  int WritableDescriptor() override { return Seal(0); }

 private:
  int Seal(int more);

  const std::string name_;
  const int fd_;
  const MutableBytes bytes_;
  const std::shared_ptr<MemoryAhead> ahead_;
  std::mutex seal_mutex_;
  int seals_ = 0;  // guarded by seal_mutex_
};

Result<void> Memfd::Punch(uint64_t offset, uint64_t size) {
  if (offset % kPage != 0 || size % kPage != 0 || offset + size > bytes_.size()) {
    return Fail(Code::kInvalidArgument,
                fmt::format("punch [{}, {}) of {}", offset, offset + size, name_));
  }
  if (size == 0) return {};
  if (fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                static_cast<off_t>(size)) == 0) {
    return {};
  }
  if (errno == EPERM) {
    return Fail(Code::kUnsupported,
                fmt::format("{} is sealed for its readers: it goes back as a whole or not", name_));
  }
  return Fail(ErrnoError(errno, "punch " + name_));
}

int Memfd::Seal(int more) {
  // A descriptor opened for reading alone can be opened anew for writing through /proc; only the
  // seal makes that useless. Our own writable mapping is older than the seal and stays.
  const std::lock_guard lock(seal_mutex_);
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | more;
  if (seals_ == 0 && fcntl(fd_, F_ADD_SEALS, seals) == 0) seals_ = seals;
  return seals_ == seals ? fd_ : -1;  // sealed for good: one kind of descriptor, or the other
}

/// Maps all of `fd` where huge pages can lie: with them a device transfer of 1 MiB is one piece
/// instead of 256, and there are fewer faults. Where a first use brings none, because
/// /sys/kernel/mm/transparent_hugepage/shmem_enabled grants none, WillUse does.
void* MapAligned(int fd, uint64_t size, int protection) {
  const uint64_t room = size + kHugePage;
  void* reserved =
      mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return MAP_FAILED;
  auto* begin = static_cast<std::byte*>(reserved);
  auto* aligned = begin + (RoundUp(reinterpret_cast<uintptr_t>(begin), kHugePage) -
                           reinterpret_cast<uintptr_t>(begin));
  void* at = mmap(aligned, size, protection, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0);
  if (at == MAP_FAILED) {
    const int error = errno;
    munmap(reserved, room);
    errno = error;
    return MAP_FAILED;
  }
  if (aligned > begin) munmap(begin, static_cast<size_t>(aligned - begin));
  munmap(aligned + size, static_cast<size_t>(begin + room - (aligned + size)));
  madvise(at, size, MADV_HUGEPAGE);
  return at;
}

class Mapping final : public MappedMemory {
 public:
  explicit Mapping(MutableBytes bytes) : bytes_(bytes) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() override { munmap(bytes_.data(), bytes_.size()); }
  MutableBytes bytes() override { return bytes_; }

 private:
  const MutableBytes bytes_;
};

}  // namespace

Result<std::unique_ptr<MappedMemory>> LinuxMemory::Map(int descriptor, MapAccess access) {
  const std::string what = fmt::format("map the memory behind descriptor {}", descriptor);
  const int seals = fcntl(descriptor, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    return Fail(Code::kInvalidArgument, what + ": its owner could still shrink it");
  }
  struct stat info{};
  if (fstat(descriptor, &info) != 0) return Fail(ErrnoError(errno, what));
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size == 0 || size % kPage != 0) return Fail(Code::kInvalidArgument, what + ": an odd size");
  const int protection = access == MapAccess::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
  void* at = MapAligned(descriptor, size, protection);
  if (at == MAP_FAILED) return Fail(ErrnoError(errno, what));
  return std::make_unique<Mapping>(MutableBytes(static_cast<std::byte*>(at), size));
}

Result<std::unique_ptr<SharedMemory>> LinuxMemory::Reserve(std::string_view name, uint64_t size) {
  const std::string label = fmt::format("forebay:{}", name);
  const std::string what = fmt::format("reserve {} for {}", FormatSize(size), name);
  if (size == 0 || size % kPage != 0) {
    return Fail(Code::kInvalidArgument, what + ": not a multiple of 4 KiB");
  }
  const int fd = memfd_create(label.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return Fail(ErrnoError(errno, what));
  void* at = MAP_FAILED;
  if (ftruncate(fd, static_cast<off_t>(size)) == 0) {
    at = MapAligned(fd, size, PROT_READ | PROT_WRITE);
  }
  if (at == MAP_FAILED) {
    const int error = errno;
    close(fd);
    return Fail(ErrnoError(error, what));
  }
  return std::make_unique<Memfd>(label, fd, MutableBytes(static_cast<std::byte*>(at), size),
                                 ahead_);
}

}  // namespace forebay::platform
