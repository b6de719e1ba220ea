#include "src/app/config/machine.h"

#include <sched.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <limits>

namespace forebay::app {
namespace {

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

/// The number in a file of the control group; kNoLimit where there is none ("max").
uint64_t LimitIn(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  uint64_t limit = 0;
  if (!(file >> word)) return kNoLimit;
  const auto [end, ec] = std::from_chars(word.data(), word.data() + word.size(), limit);
  return ec == std::errc() && *end == '\0' ? limit : kNoLimit;
}

/// The path of this process' own group, as version 2 names it in /proc ("0::/a/b").
std::string GroupPath() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::")) return line.substr(3);
  }
  return "/";
}

uint64_t MemoryBytes() {
  const auto pages = sysconf(_SC_PHYS_PAGES);
  const auto page_bytes = sysconf(_SC_PAGESIZE);
  uint64_t bytes = static_cast<uint64_t>(pages) * static_cast<uint64_t>(page_bytes);
  // Limits of the groups above hold, too.
  for (std::string group = GroupPath();; group.resize(group.find_last_of('/'))) {
    bytes = std::min(bytes, LimitIn("/sys/fs/cgroup" + group + "/memory.max"));
    if (group.find_last_of('/') == std::string::npos) break;
  }
  return std::min(bytes, LimitIn("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
}

/// Of version 2: "200000 100000" are two cores' time, "max 100000" is all there is.
uint64_t CoresIn(const std::string& path) {
  std::ifstream file(path);
  uint64_t quota = 0, period = 0;
  if (!(file >> quota >> period) || quota == 0 || period == 0) return kNoLimit;
  return (quota + period - 1) / period;
}

uint64_t Cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  uint64_t cores = 1;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    cores = static_cast<uint64_t>(std::max(1, CPU_COUNT(&allowed)));
  }
  for (std::string group = GroupPath();; group.resize(group.find_last_of('/'))) {
    cores = std::min(cores, CoresIn("/sys/fs/cgroup" + group + "/cpu.max"));
    if (group.find_last_of('/') == std::string::npos) break;
  }
  return cores;
}

uint64_t AllocatedBytes(const std::string& path) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_blocks) * 512 : 0;
}

uint64_t TierBytes(const std::string& directory) {
  uint64_t bytes = 0;
  for (const char* file : {"/forebay.data", "/forebay.index"}) {
    struct stat info{};
    if (stat((directory + file).c_str(), &info) != 0) return 0;
    bytes += static_cast<uint64_t>(info.st_size);
  }
  return bytes;
}

uint64_t RoomBytes(const std::string& directory) {
  struct statvfs space{};
  std::string at = directory;
  while (statvfs(at.c_str(), &space) != 0) {
    const size_t slash = at.find_last_of('/');
    if (at == "." || at == "/") return 0;
    at = slash == std::string::npos ? "." : slash == 0 ? "/" : at.substr(0, slash);
  }
  return static_cast<uint64_t>(space.f_bavail) * space.f_frsize +
         AllocatedBytes(directory + "/forebay.data") + AllocatedBytes(directory + "/forebay.index");
}

}  // namespace

std::optional<std::string> EnvironmentVariable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

Machine ThisMachine() {
  return {.root = geteuid() == 0,
          .uid = geteuid(),
          .home = EnvironmentVariable("HOME").value_or(""),
          .runtime_directory = EnvironmentVariable("XDG_RUNTIME_DIR").value_or(""),
          .data_home = EnvironmentVariable("XDG_DATA_HOME").value_or(""),
          .memory_bytes = MemoryBytes(),
          .cores = Cores(),
          .room_bytes = RoomBytes,
          .tier_bytes = TierBytes};
}

}  // namespace forebay::app
