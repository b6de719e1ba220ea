// How the values of settings are written. Errors name the value and what would do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "src/app/config/node_config.h"
#include "src/base/result.h"

namespace forebay::app {

/// "90s", "500ms", "5m", "2h", "1.5s"; 0 needs no unit.
Result<Duration> ParseDuration(std::string_view text);
/// The form that ParseDuration reads again.
std::string FormatDuration(Duration duration);

/// "8GiB" or "25%", of at most 100%.
Result<Amount> ParseAmount(std::string_view text);

Result<uint64_t> ParseCount(std::string_view text);

/// "HOST:PORT" or "[IPV6]:PORT"; "none" and "" give "".
Result<std::string> ParseListen(std::string_view text);
/// "s3.example.org" in lower case; "none" and "" give "".
Result<std::string> ParseHostName(std::string_view text);
/// "file:///data", "s3://bucket/prefix"; an absolute path stands for the first; "none" gives "".
Result<std::string> ParseOrigin(std::string_view text);
/// "us-east-1"
Result<std::string> ParseRegion(std::string_view text);
/// True of 127.0.0.0/8, [::1] and localhost.
bool IsLoopback(std::string_view address);

/// An absolute path, or one from where the program was started; not empty, no NUL.
Result<std::string> ParsePath(std::string_view text);

/// "0" or "none", "100GiB", "/mnt/a=50%,/mnt/b=1TiB".
Result<std::vector<DiskConfig>> ParseDisks(std::string_view text);

}  // namespace forebay::app
