#include "src/app/cli/text.h"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace forebay::app {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

}  // namespace

std::string FormatTime(int64_t since_epoch_ns) {
  using std::chrono::days;
  const std::chrono::sys_seconds at{std::chrono::seconds(since_epoch_ns / kNanosPerSecond)};
  const auto day = std::chrono::floor<days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(at - day);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count());
}

Result<void> FlushOutput() {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return {};
  // An error of long ago has left no number.
  const char* why = errno != 0 ? std::strerror(errno) : "cannot be written to";
  return Fail(Code::kIoError, fmt::format("standard output: {}", why));
}

std::string FormatRate(double bytes_per_second) {
  if (!std::isfinite(bytes_per_second)) return "-";
  for (const auto& [name, size] :
       {std::pair("GB/s", 1e9), std::pair("MB/s", 1e6), std::pair("kB/s", 1e3)}) {
    if (bytes_per_second >= size) return fmt::format("{:.1f} {}", bytes_per_second / size, name);
  }
  return fmt::format("{:.0f} B/s", bytes_per_second);
}

std::string FormatSeconds(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e9) return "-";
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole >= 3600) return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
  if (whole >= 60) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} s", whole);
}

std::string Visible(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

double SecondsNow() {
  // tidy: allow wall-clock: what a person waits for; nothing is decided by it
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

}  // namespace forebay::app
