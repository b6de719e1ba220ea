// Walks over a list of byte ranges, a window of iovecs at a time, and knows how far the kernel got.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "src/base/bytes.h"

namespace forebay::platform {

inline uint64_t SizeOf(std::span<const iovec> parts) {
  uint64_t bytes = 0;
  for (const iovec& part : parts) bytes += part.iov_len;
  return bytes;
}

class PartsCursor {
 public:
  /// Few enough to live in a coroutine's frame, enough for a frame's head and its pages.
  static constexpr size_t kWindow = 32;

  explicit PartsCursor(std::span<const Bytes> parts) : parts_(parts) { SkipEmpty(); }

  bool done() const { return index_ == parts_.size(); }

  /// The next parts as iovecs; they live in the cursor until the next call.
  std::span<iovec> Window() {
    size_t count = 0;
    for (size_t i = index_; i < parts_.size() && count < kWindow; ++i) {
      const Bytes rest = i == index_ ? parts_[i].subspan(offset_) : parts_[i];
      if (rest.empty()) continue;
      window_[count++] = {const_cast<std::byte*>(rest.data()), rest.size()};
    }
    return std::span(window_).first(count);
  }

  void Advance(size_t bytes) {
    while (bytes > 0) {
      const size_t step = std::min(bytes, parts_[index_].size() - offset_);
      offset_ += step;
      bytes -= step;
      SkipEmpty();
    }
  }

 private:
  void SkipEmpty() {
    while (index_ < parts_.size() && offset_ == parts_[index_].size()) {
      ++index_;
      offset_ = 0;
    }
  }

  std::span<const Bytes> parts_;
  size_t index_ = 0;
  size_t offset_ = 0;
  std::array<iovec, kWindow> window_;
};

}  // namespace forebay::platform
