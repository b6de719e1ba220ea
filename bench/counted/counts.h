// What count.cc leaves in its file.
#pragma once

#include <cstdint>

namespace forebay::bench {

struct Counts {
  uint64_t allocations = 0;
  uint64_t copied_bytes = 0;
};

}  // namespace forebay::bench
