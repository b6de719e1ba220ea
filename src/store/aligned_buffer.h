// Memory that direct I/O accepts, recycled by each thread.
#pragma once

#include <cstddef>
#include <utility>

#include "src/base/bytes.h"

namespace forebay {

/// Owns memory aligned to 4 KiB, of at least the size asked for, whole pages. Buffers of the usual
/// sizes are kept by the thread that frees them, within a bound.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t bytes);
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~AlignedBuffer();

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  MutableBytes bytes() const { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace forebay
