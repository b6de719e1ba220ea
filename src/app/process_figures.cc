#include "src/app/process_figures.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace forebay::app {
namespace {

uint64_t EntriesIn(const char* directory) {
  std::error_code error;
  uint64_t count = 0;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    ++count;
  }
  return count;
}

uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t size = 0;
  uint64_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

observe::ProcessFigures ThisProcess() {
  return {.rss_bytes = ResidentBytes(),
          .descriptors = EntriesIn("/proc/self/fd"),
          .threads = EntriesIn("/proc/self/task")};
}

}  // namespace forebay::app
