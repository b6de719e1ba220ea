// What the defaults depend on: whose process this is, and how much the machine has.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace forebay::app {

struct Machine {
  bool root = false;
  uint32_t uid = 0;
  std::string home;               // $HOME
  std::string runtime_directory;  // $XDG_RUNTIME_DIR; may be empty
  std::string data_home;          // $XDG_DATA_HOME; may be empty
  /// The physical memory, or what the control group allows where that is less.
  uint64_t memory_bytes = 0;
  /// That this process may use, or what the control group's share of time comes to.
  uint64_t cores = 1;
  /// What a disk tier in this directory may take: what is free there and what its files have
  /// already. The directory need not exist yet.
  std::function<uint64_t(const std::string& directory)> room_bytes;
  /// The size of the tier that is there already; 0 where there is none.
  std::function<uint64_t(const std::string& directory)> tier_bytes;
};

Machine ThisMachine();

/// A variable of the environment; an empty one counts as not set.
std::optional<std::string> EnvironmentVariable(const std::string& name);

}  // namespace forebay::app
