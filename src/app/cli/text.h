// Figures, times and names as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/result.h"

namespace forebay::app {

/// "2026-05-01 12:00:00" of nanoseconds since 1970, in UTC.
std::string FormatTime(int64_t since_epoch_ns);
/// "1.2 GB/s": decimal, as networks and disks are sold.
std::string FormatRate(double bytes_per_second);
/// "1 h 02 min", "3 min 20 s", "8 s".
std::string FormatSeconds(double seconds);
/// Control characters of a name as \xNN where it goes to a terminal.
std::string Visible(std::string_view name);

/// What was printed has arrived, or kIoError says why not: pipes end and disks fill up.
Result<void> FlushOutput();

/// Seconds since some moment, never going back.
double SecondsNow();

}  // namespace forebay::app
