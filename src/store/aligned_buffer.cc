#include "src/store/aligned_buffer.h"

#include <bit>
#include <cstdlib>
#include <vector>

#include "src/base/assert.h"
#include "src/base/units.h"
#include "src/runtime/disk.h"

namespace forebay {
namespace {

constexpr int kClasses = 12;             // 4 KiB, 8 KiB, ... 8 MiB
constexpr size_t kKeptPerClass = 16;     // at most so many
constexpr size_t kKeptBytes = 4 * kMiB;  // and at most so much, of each class and thread

struct Kept {
  std::vector<std::byte*> buffers[kClasses];
  ~Kept() {
    for (auto& buffers_of_class : buffers) {
      for (std::byte* buffer : buffers_of_class) std::free(buffer);
    }
  }
};

Kept& ThisThreads() {
  thread_local Kept kept;
  return kept;
}

int ClassOf(size_t bytes) {
  return std::countr_zero(bytes / kDiskAlignment);
}

}  // namespace

AlignedBuffer::AlignedBuffer(size_t bytes) {
  size_ = std::bit_ceil(RoundUp(bytes == 0 ? 1 : bytes, kDiskAlignment));
  const int index = ClassOf(size_);
  if (index < kClasses && !ThisThreads().buffers[index].empty()) {
    data_ = ThisThreads().buffers[index].back();
    ThisThreads().buffers[index].pop_back();
    return;
  }
  data_ = static_cast<std::byte*>(std::aligned_alloc(kDiskAlignment, size_));
  FB_ASSERT(data_ != nullptr);
}

AlignedBuffer::~AlignedBuffer() {
  if (data_ == nullptr) return;
  const int index = ClassOf(size_);
  if (index < kClasses) {
    auto& kept = ThisThreads().buffers[index];
    if (kept.size() < kKeptPerClass && (kept.size() + 1) * size_ <= kKeptBytes) {
      kept.push_back(data_);
      return;
    }
  }
  std::free(data_);
}

}  // namespace forebay
