#include "bench/peers/fio.h"

#include <fmt/format.h>
#include <stdio.h>
#include <sys/wait.h>

#include <array>
#include <cstdlib>
#include <optional>

namespace forebay::bench {
namespace {

constexpr int kNotFound = 127;  // of a shell

std::string CommandOf(const FioJob& job) {
  // Registered buffers and files are fio's own fast path. No clock readings for each request, for
  // we take none either. --invalidate would only drop page cache that nobody uses.
  return fmt::format(
      "{}fio --name=peer --output-format=json --ioengine=io_uring --direct=1 --fixedbufs "
      "--registerfiles --gtod_reduce=1 --invalidate=0 --thread --randrepeat=1 "
      "--filename='{}' --size={} --rw={} --bs={} --iodepth={} --io_size={} 2>&1",
      job.huge_pages ? "GLIBC_TUNABLES=glibc.malloc.hugetlb=1 " : "", job.file, job.file_bytes,
      job.pattern, job.block_bytes, job.depth, job.io_bytes);
}

/// The number at `key` within the object `section` of fio's JSON.
std::optional<double> Find(const std::string& json, const std::string& section,
                           const std::string& key) {
  const size_t begin = json.find("\"" + section + "\" : {");
  if (begin == std::string::npos) return std::nullopt;
  const std::string name = "\"" + key + "\" : ";
  const size_t at = json.find(name, begin);
  if (at == std::string::npos) return std::nullopt;
  return std::strtod(json.c_str() + at + name.size(), nullptr);
}

}  // namespace

Result<FioResult> RunFio(const FioJob& job) {
  FILE* pipe = popen(CommandOf(job).c_str(), "r");
  if (pipe == nullptr) return Fail(Code::kInternal, "popen");
  std::string json;
  std::array<char, 4096> part{};
  while (const size_t got = fread(part.data(), 1, part.size(), pipe)) json.append(part.data(), got);
  const int status = pclose(pipe);
  if (WEXITSTATUS(status) == kNotFound) return Fail(Code::kUnavailable, "fio is not installed");
  const std::string section = job.pattern.ends_with("read") ? "read" : "write";
  const auto bandwidth = Find(json, section, "bw_bytes");
  const auto rate = Find(json, section, "iops");
  if (status != 0 || !bandwidth || !rate) {
    return Fail(Code::kIoError, fmt::format("fio ended with {}: {}", status, json.substr(0, 300)));
  }
  return FioResult{*bandwidth, *rate};
}

}  // namespace forebay::bench
