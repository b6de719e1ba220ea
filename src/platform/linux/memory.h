// Memory seam over memfd.
#pragma once

#include <memory>

#include "src/platform/linux/memory_ahead.h"
#include "src/runtime/memory.h"

namespace forebay::platform {

class LinuxMemory final : public Memory {
 public:
  Result<std::unique_ptr<SharedMemory>> Reserve(std::string_view name, uint64_t size) override;
  Result<std::unique_ptr<MappedMemory>> Map(int descriptor, MapAccess access) override;

 private:
  // What was reserved may outlive this.
  const std::shared_ptr<MemoryAhead> ahead_ = std::make_shared<MemoryAhead>();
};

}  // namespace forebay::platform
