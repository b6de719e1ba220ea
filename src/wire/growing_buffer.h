// Bytes that grow at their end and are never zeroed first.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "src/base/bytes.h"

namespace forebay::wire {

class GrowingBuffer {
 public:
  GrowingBuffer() = default;
  GrowingBuffer(GrowingBuffer&& other) noexcept { Swap(other); }
  GrowingBuffer& operator=(GrowingBuffer&& other) noexcept {
    Swap(other);
    return *this;
  }

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  Bytes bytes() const { return {data_.get(), size_}; }
  std::byte* data() { return data_.get(); }

  /// All the room behind what is there: at least so much.
  MutableBytes Room(size_t at_least) {
    if (capacity_ - size_ < at_least) Reserve(std::max(size_ + at_least, capacity_ * 2));
    return {data_.get() + size_, capacity_ - size_};
  }
  void Added(size_t bytes) { size_ += bytes; }
  void Append(Bytes bytes) {
    if (bytes.empty()) return;
    std::memcpy(Room(bytes.size()).data(), bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  /// Forgets what lies before `offset`.
  void DropFront(size_t offset) {
    if (offset > 0 && offset < size_)
      std::memmove(data_.get(), data_.get() + offset, size_ - offset);
    size_ -= offset;
  }
  void Clear() { size_ = 0; }
  void Release() {
    data_.reset();
    size_ = capacity_ = 0;
  }

  void Swap(GrowingBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

 private:
  void Reserve(size_t capacity) {
    auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity);
    if (size_ > 0) std::memcpy(larger.get(), data_.get(), size_);
    data_ = std::move(larger);
    capacity_ = capacity;
  }

  std::unique_ptr<std::byte[]> data_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace forebay::wire
