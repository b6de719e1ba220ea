#include "sim/sim_memory.h"

#include <sys/mman.h>

#include <fmt/format.h>

#include "sim/node.h"
#include "sim/sparse_bytes.h"
#include "sim/world.h"
#include "src/base/units.h"

namespace forebay::sim {
namespace {

class Mapping final : public SharedMemory {
 public:
  Mapping(void* start, uint64_t size) : bytes_(static_cast<std::byte*>(start), size) {}
  ~Mapping() override { munmap(bytes_.data(), bytes_.size()); }

  MutableBytes bytes() override { return bytes_; }
  int ReadOnlyDescriptor() override { return -1; }

  Result<void> Punch(uint64_t offset, uint64_t size) override {
    const bool aligned = offset % kPageBytes == 0 && size % kPageBytes == 0;
    if (!aligned || offset > RoundUp(bytes_.size(), kPageBytes) ||
        size > RoundUp(bytes_.size(), kPageBytes) - offset) {
      return Fail(
          Code::kInvalidArgument,
          fmt::format("punch [{}, +{}) of {} bytes: not pages of it", offset, size, bytes_.size()));
    }
    if (size > 0 && madvise(bytes_.data() + offset, size, MADV_DONTNEED) != 0) {
      return Fail(Code::kIoError, "madvise failed");
    }
    return {};
  }

 private:
  MutableBytes bytes_;
};

}  // namespace

Result<std::unique_ptr<SharedMemory>> SimMemory::Reserve(std::string_view name, uint64_t size) {
  FB_TRY(process_.CheckAlive());
  if (size == 0) {
    return Fail(Code::kInvalidArgument, fmt::format("memory '{}': a size of 0", name));
  }
  World& world = process_.world();
  if (world.memory_refused().Chance(world.chance(), world.options().memory_refused)) {
    return Fail(Code::kNoSpace, fmt::format("memory '{}': {} refused", name, FormatSize(size)));
  }
  const uint64_t mapped = RoundUp(size, kPageBytes);
  void* start = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) {
    return Fail(Code::kNoSpace, fmt::format("memory '{}': cannot map {}", name, FormatSize(size)));
  }
  return std::make_unique<Mapping>(start, size);
}

}  // namespace forebay::sim
