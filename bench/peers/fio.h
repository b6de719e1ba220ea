// fio as a child process: what a file system gives to a program that only reads or writes.
#pragma once

#include <cstdint>
#include <string>

#include "src/base/result.h"

namespace forebay::bench {

struct FioJob {
  std::string file;  // made, and laid out by writing it, where it is not there
  uint64_t file_bytes = 0;
  std::string pattern;  // "read", "write", "randread"
  uint64_t block_bytes = 0;
  uint32_t depth = 1;
  uint64_t io_bytes = 0;    // how much to move
  bool huge_pages = false;  // for its buffers
};

struct FioResult {
  double bytes_per_second = 0;
  double ops_per_second = 0;
};

/// One run with io_uring and O_DIRECT. kUnavailable where fio is not installed.
Result<FioResult> RunFio(const FioJob& job);

}  // namespace forebay::bench
