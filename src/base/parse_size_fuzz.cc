// Whatever a person may type as a size: ParseSize answers or refuses, and what FormatSize prints of
// an answer can be read again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "src/base/assert.h"
#include "src/base/units.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const forebay::Result<uint64_t> parsed = forebay::ParseSize(text);
  // Near the largest size the rounded text may lie just above it.
  if (parsed && *parsed < uint64_t{1} << 62) {
    FB_ASSERT(forebay::ParseSize(forebay::FormatSize(*parsed)).has_value());
  }
  return 0;
}
