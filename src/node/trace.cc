#include "src/node/trace.h"

#include <fmt/format.h>

namespace forebay {

std::string Trace::IdText() const {
  return fmt::format("{:016x}{:016x}", id.hi, id.lo);
}

}  // namespace forebay
