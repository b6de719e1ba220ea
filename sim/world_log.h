// What the simulated nodes said, in the order in which they said it.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "src/runtime/log.h"

namespace forebay::sim {

class World;

/// Keeps the last lines (WorldOptions::log_lines) for a report; all of them go into the digest.
class WorldLog {
 public:
  explicit WorldLog(World& world) : world_(world) {}

  void Add(LogLevel level, uint32_t node, std::string_view name, std::string_view part,
           std::string_view text);
  /// Speaks as the world itself: crashes, partitions, faults injected.
  void Event(std::string_view text);

  const std::deque<std::string>& lines() const { return lines_; }
  bool Contains(std::string_view text) const;
  std::string Text() const;

 private:
  World& world_;
  std::deque<std::string> lines_;
};

}  // namespace forebay::sim
