// A fixed array of zeroes whose pages cost nothing until they are written.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <type_traits>

#include "src/base/assert.h"

namespace forebay {

/// Sized for the most slots there may ever be; the kernel lends the memory page by page as slots
/// come into use, so that nothing is copied when a cache grows.
template <class T>
  requires std::is_trivially_copyable_v<T>
class LazyArray {
 public:
  explicit LazyArray(size_t size)
      : size_(size), items_(static_cast<T*>(std::calloc(size == 0 ? 1 : size, sizeof(T)))) {
    FB_ASSERT(items_ != nullptr);
  }

  T& operator[](size_t i) { return items_[i]; }
  const T& operator[](size_t i) const { return items_[i]; }
  size_t size() const { return size_; }
  uint64_t MemoryBytes() const { return size_ * sizeof(T); }

 private:
  struct Free {
    void operator()(T* items) const { std::free(items); }
  };
  size_t size_;
  std::unique_ptr<T[], Free> items_;
};

}  // namespace forebay
