// Views of memory. Nothing here owns anything.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace forebay {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline Bytes AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
inline std::string_view AsText(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Little-endian loads and stores at any alignment: the byte order of everything we persist or
/// send.
static_assert(std::endian::native == std::endian::little, "persisted formats are little-endian");
template <class T>
  requires std::is_trivially_copyable_v<T>
T LoadFrom(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
  requires std::is_trivially_copyable_v<T>
void StoreTo(void* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

}  // namespace forebay
