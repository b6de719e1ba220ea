// Whatever a registry's file holds: it is taken or refused, and what was taken comes out the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/assert.h"
#include "src/registry/embedded/registry_state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  const auto state = forebay::RegistryState::Decode(file);
  if (state) FB_ASSERT(state->Encode() == file);
  return 0;
}
