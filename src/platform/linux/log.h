// Log seam over spdlog.
#pragma once

#include <memory>

#include "src/runtime/log.h"

namespace forebay {

enum class LogFormat : unsigned char {
  kText,  // 2026-05-01T12:00:00.123+00:00 W store: text
  kJson,  // {"time":"...","level":"warning","part":"store","text":"..."}
};

/// Writes lines of at least `level` to standard error: one an event, whatever it contains. Any
/// thread.
std::unique_ptr<Log> MakeStderrLog(LogLevel level, LogFormat format = LogFormat::kText);

}  // namespace forebay
