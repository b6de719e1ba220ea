#include "src/front/s3/text.h"

#include <algorithm>

namespace forebay::s3door {
namespace {

char Small(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = Small(c);
  return lower;
}

bool IsName(std::string_view name, std::string_view other) {
  return std::ranges::equal(name, other, [](char a, char b) { return Small(a) == Small(b); });
}

bool SameSecret(std::string_view text, std::string_view other) {
  unsigned char differs = text.size() == other.size() ? 0 : 1;
  for (size_t i = 0; i < std::min(text.size(), other.size()); ++i) {
    differs |= static_cast<unsigned char>(text[i] ^ other[i]);
  }
  return differs == 0;
}

std::string_view Trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> Split(std::string_view text, char by) {
  constexpr size_t kUsualParts = 8;
  std::vector<std::string_view> parts;
  parts.reserve(kUsualParts);
  for (size_t at = 0;;) {
    const size_t end = std::min(text.find(by, at), text.size());
    parts.push_back(text.substr(at, end - at));
    if (end == text.size()) return parts;
    at = end + 1;
  }
}

}  // namespace forebay::s3door
