#include "bench/peers/iperf3.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

namespace forebay::bench {
namespace {

// The server serves one client and ends, by its time limit at the latest. A client that came before
// it reports the refusal as JSON, too, and exits with 0.
constexpr char kCommand[] =
    "command -v iperf3 >/dev/null || exit 0; "
    "timeout 10 iperf3 -s -1 -B 127.0.0.1 -p 22017 -A 0 >/dev/null 2>&1 & "
    "for try in $(seq 30); do "
    "  said=$(timeout 8 iperf3 -c 127.0.0.1 -p 22017 -A 1 -l 1M -t 1 -J 2>/dev/null); "
    "  case $said in *sum_received*) echo \"$said\"; break;; esac; sleep 0.2; "
    "done";

}  // namespace

Result<double> Iperf3Rate() {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(kCommand, "r"), &pclose);
  if (pipe == nullptr) return Fail(Code::kInternal, "popen");
  std::string json;
  char piece[4096];
  for (size_t got = 0; (got = fread(piece, 1, sizeof piece, pipe.get())) > 0;) {
    json.append(piece, got);
  }
  if (json.empty()) return Fail(Code::kNotFound, "iperf3 is not installed");
  constexpr std::string_view kField = "\"bits_per_second\":";
  const size_t sum = json.rfind("\"sum_received\"");
  const size_t field = sum == std::string::npos ? sum : json.find(kField, sum);
  if (field == std::string::npos) return Fail(Code::kInternal, "iperf3 gave no figure");
  return std::strtod(json.c_str() + field + kField.size(), nullptr) / 8;
}

}  // namespace forebay::bench
