// Memory for simulated nodes: plain anonymous mappings that cost only what was written.
#pragma once

#include "src/runtime/memory.h"

#include "sim/process.h"

namespace forebay::sim {

/// Descriptors are not offered (-1): nobody else is there to take one.
class SimMemory final : public Memory {
 public:
  explicit SimMemory(Process& process) : process_(process) {}
  Result<std::unique_ptr<SharedMemory>> Reserve(std::string_view name, uint64_t size) override;

 private:
  Process& process_;
};

}  // namespace forebay::sim
