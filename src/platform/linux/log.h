// Log seam over spdlog.
#pragma once

#include <memory>

#include "src/runtime/log.h"

namespace forebay {

/// Writes lines of at least `level` to standard error. Any thread.
std::unique_ptr<Log> MakeStderrLog(LogLevel level);

}  // namespace forebay
