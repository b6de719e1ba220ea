// Memory seam over memfd.
#pragma once

#include "src/runtime/memory.h"

namespace forebay::platform {

class LinuxMemory final : public Memory {
 public:
  Result<std::unique_ptr<SharedMemory>> Reserve(std::string_view name, uint64_t size) override;
  Result<std::unique_ptr<MappedMemory>> Map(int descriptor, MapAccess access) override;
};

}  // namespace forebay::platform
