#include "src/base/base64.h"

#include <algorithm>
#include <cstdint>

namespace forebay {
namespace {

int Base64Digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

}  // namespace

std::string Base64(Bytes bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t here = std::min<size_t>(3, bytes.size() - at);
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < here ? static_cast<uint32_t>(bytes[at + i]) : 0);
    }
    for (size_t i = 0; i < 4; ++i) {
      text += i <= here ? kDigits[group >> (18 - 6 * i) & 63] : '=';
    }
  }
  return text;
}

Result<std::string> FromBase64(std::string_view text) {
  const std::string_view digits = text.substr(0, text.find('='));
  const bool padded =
      text.size() - digits.size() <= 2 &&
      std::ranges::all_of(text.substr(digits.size()), [](char c) { return c == '='; });
  // The text itself is not told: it is a key, as often as not.
  const auto wrong = [] { return Fail(Code::kInvalidArgument, "this is not base64"); };
  if (!padded || text.size() % 4 != 0) return wrong();
  std::string bytes;
  uint32_t group = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    const int digit = Base64Digit(digits[i]);
    if (digit < 0) return wrong();
    group = group << 6 | static_cast<uint32_t>(digit);
    if (i % 4 != 0) bytes += static_cast<char>(group >> (6 - 2 * (i % 4)) & 255);
  }
  return bytes;
}

}  // namespace forebay
