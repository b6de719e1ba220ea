#include "sim/world_log.h"

#include <algorithm>
#include <cstdio>
#include <iterator>

#include <fmt/format.h>

#include "sim/world.h"
#include "src/base/hash.h"

namespace forebay::sim {

void WorldLog::Add(LogLevel level, uint32_t node, std::string_view name, std::string_view part,
                   std::string_view text) {
  static constexpr char kLetters[] = {'D', 'I', 'W', 'E'};
  world_.Note(Happening::kLog, node, HashBytes(AsBytes(text), 0).lo);
  std::string line =
      fmt::format("{:14.6f} {} {:<12} [{}] {}", static_cast<double>(world_.Now().ns) * 1e-9,
                  kLetters[static_cast<size_t>(level)], name, part, text);
  if (world_.options().print_log) fmt::print(stderr, "{}\n", line);
  lines_.push_back(std::move(line));
  if (lines_.size() > world_.options().log_lines) lines_.pop_front();
}

void WorldLog::Event(std::string_view text) {
  Add(LogLevel::kInfo, 0, "-", "world", text);
}

bool WorldLog::Contains(std::string_view text) const {
  return std::any_of(lines_.begin(), lines_.end(), [text](const std::string& line) {
    return line.find(text) != std::string::npos;
  });
}

std::string WorldLog::Text() const {
  return fmt::format("{}\n", fmt::join(lines_, "\n"));
}

}  // namespace forebay::sim
