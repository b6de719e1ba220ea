// How a message's fields become bytes and back. Each message names its fields once, in order
// (`Fields`), and the same list is written, read and printed: the two directions cannot differ.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstdint>
#include <string_view>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/hash.h"

namespace forebay::wire {

/// Writes into memory that the caller gives; never allocates. ok() turns false for good where it
/// does not fit or a field is longer than its limit.
class FieldWriter {
 public:
  explicit FieldWriter(MutableBytes into) : into_(into) {}
  bool ok() const { return ok_; }
  size_t size() const { return at_; }

  template <class T>
    requires std::integral<T> || std::is_enum_v<T>
  void Number(std::string_view, T value) {
    Append(&value, sizeof value);
  }
  void Flag(std::string_view name, bool value) { Number(name, uint8_t{value}); }
  void Hash(std::string_view name, const Hash128& value) {
    Number(name, value.hi);
    Number(name, value.lo);
  }
  template <size_t n>
  void Fixed(std::string_view, const std::array<std::byte, n>& value) {
    Append(value.data(), n);
  }
  /// u16 length, then the bytes.
  void Text(std::string_view name, std::string_view value, size_t max) {
    if (value.size() > max) ok_ = false;
    Number(name, static_cast<uint16_t>(value.size()));
    Append(value.data(), value.size());
  }
  /// Everything up to the meta's end: the last field only.
  void Rest(std::string_view, Bytes value) { Append(value.data(), value.size()); }
  void Rest(std::string_view, std::string_view value) { Append(value.data(), value.size()); }
  /// u16 count, then each.
  template <class T>
  void List(std::string_view name, const std::vector<T>& values, size_t max) {
    if (values.size() > max) ok_ = false;
    Number(name, static_cast<uint16_t>(values.size()));
    for (const T& value : values) T::Fields(*this, value);
  }

 private:
  void Append(const void* from, size_t size) {
    if (!ok_ || into_.size() - at_ < size) {
      ok_ = false;
      return;
    }
    if (size > 0) std::memcpy(into_.data() + at_, from, size);
    at_ += size;
  }

  MutableBytes into_;
  size_t at_ = 0;
  bool ok_ = true;
};

/// Texts are views of what is read. Nothing is allocated by a length that the sender claims: a
/// list grows by items that are really there. The first fault makes ok() false for good and names
/// the field.
class FieldReader {
 public:
  explicit FieldReader(Bytes from) : from_(from) {}
  bool ok() const { return fault_.empty(); }
  std::string_view fault() const { return fault_; }
  size_t left() const { return from_.size() - at_; }

  template <class T>
    requires std::integral<T> || std::is_enum_v<T>
  void Number(std::string_view name, T& value) {
    if (const std::byte* at = Take(name, sizeof value)) value = LoadFrom<T>(at);
  }
  void Flag(std::string_view name, bool& value) {
    uint8_t byte = 0;
    Number(name, byte);
    if (byte > 1) Fault(name);  // one value has one encoding
    value = byte == 1;
  }
  void Hash(std::string_view name, Hash128& value) {
    Number(name, value.hi);
    Number(name, value.lo);
  }
  template <size_t n>
  void Fixed(std::string_view name, std::array<std::byte, n>& value) {
    if (const std::byte* at = Take(name, n)) std::memcpy(value.data(), at, n);
  }
  void Text(std::string_view name, std::string_view& value, size_t max) {
    uint16_t size = 0;
    Number(name, size);
    if (size > max) Fault(name);
    if (const std::byte* at = Take(name, size)) value = AsText({at, size});
  }
  void Rest(std::string_view name, Bytes& value) {
    const size_t size = left();
    if (const std::byte* at = Take(name, size)) value = {at, size};
  }
  void Rest(std::string_view name, std::string_view& value) {
    Bytes bytes;
    Rest(name, bytes);
    value = AsText(bytes);
  }
  template <class T>
  void List(std::string_view name, std::vector<T>& values, size_t max) {
    uint16_t count = 0;
    Number(name, count);
    if (count > max) Fault(name);
    values.clear();
    while (ok() && values.size() < count) T::Fields(*this, values.emplace_back());
  }

 private:
  void Fault(std::string_view name) {
    if (fault_.empty()) fault_ = name;
  }
  const std::byte* Take(std::string_view name, size_t size) {
    if (left() < size) Fault(name);
    if (!ok()) return nullptr;
    at_ += size;
    return from_.data() + at_ - size;
  }

  Bytes from_;
  size_t at_ = 0;
  std::string_view fault_;  // a literal
};

}  // namespace forebay::wire
