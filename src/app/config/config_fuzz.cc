// Whatever a person may write as a configuration: it is refused with a message, or it is taken, and
// then what --print-config prints of it is taken again and means the same.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "src/app/config/settings.h"
#include "src/base/assert.h"
#include "src/base/units.h"

namespace {

using forebay::Result;
using forebay::app::Machine;
using forebay::app::ResolvedConfig;

Machine FixedMachine() {
  return {.root = true,
          .uid = 0,
          .home = "/h",
          .runtime_directory = "",
          .data_home = "",
          .memory_bytes = 64 * forebay::kGiB,
          .cores = 4,
          .room_bytes = [](const std::string&) { return 1000 * forebay::kGiB; },
          .tier_bytes = [](const std::string&) { return uint64_t{0}; }};
}

Result<ResolvedConfig> Read(std::string_view text) {
  FB_ASSIGN(const auto file, forebay::app::ReadToml(text, "fuzz.toml"));
  return forebay::app::Resolve({}, {}, file, FixedMachine());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto first = Read({reinterpret_cast<const char*>(data), size});
  if (!first) {
    FB_ASSERT(!first.error().message().empty());
    return 0;
  }
  const auto again = Read(forebay::app::PrintConfig(*first));
  FB_ASSERT(again.has_value());
  for (const auto& [name, given] : first->chosen) {
    FB_ASSERT(again->chosen.find(name)->second.text == given.text);
  }
  return 0;
}
