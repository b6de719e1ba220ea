// Whatever a token service, or something in its place, may answer: ParseFlatJson reads or refuses
// it, and what it read, written out again, is read as the same.
#include <cstddef>
#include <cstdint>
#include <string>

#include "src/base/assert.h"
#include "src/origin/http/flat_json.h"

namespace {

std::string Quoted(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\' || code < 0x20) {
      quoted += "\\u00";
      quoted += kDigits[code >> 4];
      quoted += kDigits[code & 15];
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json = forebay::http_origin::ParseFlatJson(text);
  if (!json) return 0;
  std::string again = "{";
  for (const auto& [name, value] : json->members) {
    again += (again.size() > 1 ? "," : "") + Quoted(name) + ":" + Quoted(value);
  }
  const auto second = forebay::http_origin::ParseFlatJson(again + "}");
  FB_ASSERT(second.has_value());
  FB_ASSERT(second->members == json->members);
  return 0;
}
