// What a library asks of the process that it is in, without a loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "src/base/result.h"

namespace forebay::platform {

uint32_t EffectiveUser();

/// All of a file of at most `max_bytes`; an error names it.
Result<std::string> ReadSmallFile(const std::string& path, size_t max_bytes);

}  // namespace forebay::platform
