// Any text is a token file or an error, and one that was taken can be taken again.
#include <cstddef>
#include <cstdint>
#include <string>

#include "src/base/assert.h"
#include "src/node/gate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  auto gate = forebay::Gate::Create({.token_file_text = text});
  if (gate) FB_ASSERT((*gate)->ReplaceTokens(text));
  static_cast<void>(forebay::LocalAllow::Parse(text));
  return 0;
}
