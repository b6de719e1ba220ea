// Prints a message's fields by their names, and walks over the bytes of test vectors.
#pragma once

#include <fmt/format.h>

#include <array>
#include <string>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/hash.h"

namespace forebay::wire {

inline std::string ToHex(Bytes bytes) {
  std::string hex;
  for (const std::byte byte : bytes) hex += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return hex;
}

/// "handle=7 path=/a/b": one line a message. Numbers are decimal, texts as they are (vectors use no
/// spaces in them), bytes hex, the items of a list in brackets.
class FieldPrinter {
 public:
  const std::string& text() const { return text_; }

  template <class T>
    requires std::integral<T> || std::is_enum_v<T>
  void Number(std::string_view name, const T& value) {
    Add(name,
        fmt::format(
            "{}", static_cast<std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>(value)));
  }
  void Flag(std::string_view name, bool value) { Add(name, value ? "true" : "false"); }
  void Hash(std::string_view name, const Hash128& value) {
    Add(name, fmt::format("{:016x}:{:016x}", value.hi, value.lo));
  }
  template <size_t n>
  void Fixed(std::string_view name, const std::array<std::byte, n>& value) {
    Add(name, ToHex(value));
  }
  void Text(std::string_view name, std::string_view value, size_t) { Add(name, value); }
  void Rest(std::string_view name, Bytes value) { Add(name, ToHex(value)); }
  void Rest(std::string_view name, std::string_view value) { Add(name, value); }
  template <class T>
  void List(std::string_view name, const std::vector<T>& values, size_t) {
    std::string all;
    for (const T& value : values) {
      FieldPrinter item;
      T::Fields(item, value);
      all += fmt::format("[{}]", item.text());
    }
    Add(name, all);
  }

 private:
  void Add(std::string_view name, std::string_view value) {
    text_ += fmt::format("{}{}={}", text_.empty() ? "" : " ", name, value);
  }
  std::string text_;
};

template <class M>
std::string PrintFields(const M& message) {
  FieldPrinter printer;
  M::Fields(printer, message);
  return printer.text();
}

}  // namespace forebay::wire
