#include "bench/peers/redis.h"

#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <vector>

#include "bench/child.h"
#include "bench/node_fixture.h"

namespace forebay::bench {
namespace {

constexpr int kPort = 22018;
constexpr int kKeys = 10'000;
/// So many random keys set leave none of them out.
constexpr int kSets = 25 * kKeys;

Result<std::string> Output(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return Fail(Code::kInternal, "popen");
  std::string said;
  std::array<char, 4096> piece;
  while (const size_t got = fread(piece.data(), 1, piece.size(), pipe)) {
    said.append(piece.data(), got);
  }
  if (pclose(pipe) != 0) return Fail(Code::kInternal, fmt::format("{}: {}", command, said));
  return said;
}

std::string Benchmark(int port, const std::string& arguments) {
  return fmt::format("taskset -c {} redis-benchmark -p {} -r {} {} 2>&1", kClientCore, port, kKeys,
                     arguments);
}

/// The quoted fields of the last line of CSV.
std::vector<std::string> LastFields(const std::string& csv) {
  std::vector<std::string> fields;
  const size_t end = csv.find_last_not_of('\n');
  const size_t begin = csv.rfind('\n', end) + 1;
  for (size_t at = begin; at < end;) {
    const size_t open = csv.find('"', at);
    const size_t close = open == std::string::npos ? open : csv.find('"', open + 1);
    if (close == std::string::npos) break;
    fields.push_back(csv.substr(open + 1, close - open - 1));
    at = close + 1;
  }
  return fields;
}

}  // namespace

Result<RedisResult> RedisGets(int port, int server_pid, const RedisLoad& load) {
  FB_ASSIGN(const double before, CpuSecondsOf(server_pid));
  FB_ASSIGN(const std::string csv,
            Output(Benchmark(port, fmt::format("-t get -d {} -n {} -c {} -P {} --csv --precision 3",
                                               load.value_bytes, load.requests, load.connections,
                                               load.pipeline))));
  FB_ASSIGN(const double after, CpuSecondsOf(server_pid));
  const std::vector<std::string> fields = LastFields(csv);
  constexpr size_t kRate = 1, kMean = 2, kP99 = 6;
  if (fields.size() <= kP99) return Fail(Code::kInternal, "redis-benchmark said: " + csv);
  return RedisResult{std::strtod(fields[kRate].c_str(), nullptr),
                     std::strtod(fields[kMean].c_str(), nullptr) * 1000,
                     std::strtod(fields[kP99].c_str(), nullptr) * 1000,
                     (after - before) / load.requests * 1e6};
}

Result<std::unique_ptr<Redis>> Redis::Start(const std::string& directory) {
  if (!Output("command -v redis-server redis-benchmark")) {
    return Fail(Code::kNotFound, "redis-server is not installed");
  }
  const int pid = fork();
  if (pid < 0) return Fail(Code::kInternal, "fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    PinTo(kServerCore);
    static_cast<void>(freopen((directory + "/redis.log").c_str(), "w", stdout));
    execlp("redis-server", "redis-server", "--port", std::to_string(kPort).c_str(), "--bind",
           "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", directory.c_str(), nullptr);
    _exit(127);
  }
  std::unique_ptr<Redis> redis(new Redis(pid, kPort));
  FB_TRY(
      Output(fmt::format("for try in $(seq 50); do redis-cli -p {} ping >/dev/null 2>&1 && "
                         "exit 0; sleep 0.1; done; exit 1",
                         kPort)));
  return redis;
}

Redis::~Redis() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

Result<RedisResult> Redis::Gets(const RedisLoad& load) {
  FB_TRY(Output(
      Benchmark(port_, fmt::format("-t set -d {} -n {} -P 16 -q", load.value_bytes, kSets))));
  return RedisGets(port_, pid_, load);
}

}  // namespace forebay::bench
