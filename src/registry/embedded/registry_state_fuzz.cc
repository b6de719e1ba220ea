// Whatever a registry's file holds, under a wrong checksum or a right one: it is taken or refused,
// and what was taken comes out the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/assert.h"
#include "src/base/bytes.h"
#include "src/registry/embedded/registry_state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const auto state = forebay::RegistryState::Decode(input)) {
    FB_ASSERT(state->Encode() == input);
  }
  if (size < 16) return 0;
  const auto revision = forebay::LoadFrom<forebay::Revision>(data);
  const auto next_lease = forebay::LoadFrom<forebay::LeaseId>(data + 8);
  const auto inner = forebay::RegistryState::DecodeRest(revision, next_lease, input.substr(16));
  if (!inner) return 0;
  const std::string file = inner->Encode();
  FB_ASSERT(file.ends_with(input.substr(16)));
  const auto again = forebay::RegistryState::Decode(file);
  FB_ASSERT(again.has_value() && again->Encode() == file);
  return 0;
}
