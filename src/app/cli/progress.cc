#include "src/app/cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "src/app/cli/text.h"
#include "src/base/units.h"

namespace forebay::app {
namespace {

constexpr double kRedrawSeconds = 0.1;
constexpr unsigned kBarWidth = 24;
constexpr unsigned kUsualColumns = 80;

unsigned TerminalColumns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsualColumns;
  return size.ws_col;
}

}  // namespace

std::string ProgressLine(const std::string& what, uint64_t bytes, uint64_t total, double seconds,
                         unsigned columns) {
  const double rate = seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
  std::string line = what + " ";
  if (total > 0) {
    const double share = std::min(1.0, static_cast<double>(bytes) / static_cast<double>(total));
    const auto full = static_cast<unsigned>(share * kBarWidth);
    line += fmt::format("[{:#<{}}{:.<{}}] {:3.0f}%  {} of {}", "", full, "", kBarWidth - full,
                        share * 100, FormatSize(bytes), FormatSize(total));
    line += fmt::format("  {}", FormatRate(rate));
    if (rate > 0 && total > bytes) {
      line += fmt::format("  {} left", FormatSeconds(static_cast<double>(total - bytes) / rate));
    }
  } else {
    line += fmt::format("{}  {}", FormatSize(bytes), FormatRate(rate));
  }
  // The last column stays free: a terminal that wraps could not take the line back.
  if (columns > 0 && line.size() >= columns) line.resize(columns - 1);
  return line;
}

Progress::Progress(std::string what, uint64_t total_bytes)
    : what_(std::move(what)),
      total_(total_bytes),
      shown_(isatty(STDERR_FILENO) == 1),
      started_(SecondsNow()) {}

Progress::~Progress() {
  if (shown_) fmt::print(stderr, "\r\x1b[K");
}

double Progress::seconds() const {
  return SecondsNow() - started_;
}

uint64_t Progress::bytes() {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

void Progress::Add(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  bytes_ += bytes;
  const double now = SecondsNow();
  if (shown_ && now - drawn_at_ >= kRedrawSeconds) Draw(now);
}

void Progress::Draw(double now) {
  drawn_at_ = now;
  fmt::print(stderr, "\r\x1b[K{}",
             ProgressLine(what_, bytes_, total_, now - started_, TerminalColumns()));
  std::fflush(stderr);
}

}  // namespace forebay::app
