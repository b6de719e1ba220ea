// Chance, seeded by the kernel.
#pragma once

#include "src/base/prng.h"
#include "src/runtime/rng.h"

namespace forebay::platform {

class LinuxRng final : public Rng {
 public:
  LinuxRng();
  uint64_t Next() override { return prng_.Next(); }

 private:
  Prng prng_;
};

}  // namespace forebay::platform
