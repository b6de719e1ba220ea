#include "bench/node_fixture.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <system_error>

#include "bench/child.h"
#include "src/base/prng.h"
#include "src/base/units.h"

namespace forebay::bench {
namespace {

Error System(const std::string& what) {
  return {Code::kIoError, fmt::format("{}: {}", what, std::generic_category().message(errno))};
}

[[noreturn]] void RunProgram(int output, const RunningNode::Options& options,
                             std::vector<std::string> arguments) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (options.pinned) PinTo(kServerCore);
  dup2(output, STDOUT_FILENO);
  for (const auto& [name, value] : options.variables) setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  execv(FOREBAY_PROGRAM, argv.data());
  _exit(127);
}

/// The word that follows `label` in `line`.
std::string WordAfter(const std::string& line, const std::string& label) {
  const size_t at = line.find(label);
  if (at == std::string::npos) return {};
  const size_t begin = at + label.size();
  return line.substr(begin, line.find_first_of(" \n", begin) - begin);
}

}  // namespace

Result<std::unique_ptr<RunningNode>> RunningNode::Start(const std::string& directory,
                                                        Options options) {
  const std::string socket = directory + "/node.sock";
  std::vector<std::string> arguments = {"forebay",  "node",       "--data",   directory + "/node",
                                        "--socket", socket,       "--listen", "127.0.0.1:0",
                                        "--http",   "none",       "--s3",     options.s3,
                                        "--dram",   options.dram, "--disk",   options.disk};
  if (options.loops > 0) arguments.push_back(fmt::format("--loops={}", options.loops));
  if (!options.s3_keys.empty()) arguments.push_back("--s3-keys=" + options.s3_keys);
  if (!options.s3_tls.empty()) {
    arguments.push_back("--s3-tls-cert=" + options.s3_tls + ".pem");
    arguments.push_back("--s3-tls-key=" + options.s3_tls + ".key");
  }
  std::array<int, 2> pipe_ends{};
  if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return Fail(System("pipe"));
  const int pid = fork();
  if (pid < 0) return Fail(System("fork"));
  if (pid == 0) RunProgram(pipe_ends[1], options, std::move(arguments));
  close(pipe_ends[1]);
  std::unique_ptr<RunningNode> node(new RunningNode(pid, "unix:" + socket));
  const auto ready = node->AwaitReady(pipe_ends[0]);
  close(pipe_ends[0]);
  if (!ready) return Fail(ready.error());
  const bool is_url = options.origin.find("://") != std::string::npos;
  FB_TRY(node->Command(fmt::format("attach /data '{}{}' --freshness immutable",
                                   is_url ? "" : "file://", options.origin)));
  return node;
}

Result<void> RunningNode::AwaitReady(int output) {
  std::string said;
  std::array<char, 512> piece;
  while (said.find("ready:") == std::string::npos || !said.ends_with('\n')) {
    const ssize_t got = read(output, piece.data(), piece.size());
    if (got <= 0) return Fail(Code::kUnavailable, "the node ended before it was ready: " + said);
    said.append(piece.data(), static_cast<size_t>(got));
  }
  tcp_ = WordAfter(said.substr(said.find("ready:")), "tcp:");
  s3_ = WordAfter(said.substr(said.find("ready:")), "s3:");
  if (tcp_.empty()) return Fail(Code::kInternal, "the node names no TCP address: " + said);
  return {};
}

RunningNode::~RunningNode() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

Result<double> RunningNode::CpuSeconds() const {
  return CpuSecondsOf(pid_);
}

Result<double> CpuSecondsOf(int pid) {
  clockid_t clock{};
  timespec used{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) {
    return Fail(System("a server's CPU time"));
  }
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

Result<uint64_t> RssOf(int pid) {
  std::ifstream file(fmt::format("/proc/{}/statm", pid));
  uint64_t all = 0, resident = 0;
  if (!(file >> all >> resident)) return Fail(System("a server's memory"));
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

Result<std::string> RunningNode::Command(const std::string& arguments) const {
  const std::string line =
      fmt::format("FOREBAY_NODE={} {} {} 2>&1", local_, FOREBAY_PROGRAM, arguments);
  FILE* pipe = popen(line.c_str(), "r");
  if (pipe == nullptr) return Fail(System("popen"));
  std::string said;
  std::array<char, 4096> piece;
  while (const size_t got = fread(piece.data(), 1, piece.size(), pipe)) {
    said.append(piece.data(), got);
  }
  if (pclose(pipe) != 0) return Fail(Code::kInternal, fmt::format("{}: {}", line, said));
  return said;
}

Result<uint64_t> RunningNode::Status(const std::string& section, const std::string& name) const {
  FB_ASSIGN(const std::string json, Command("status --json"));
  const size_t at = json.find(fmt::format("\"{}\":", section));
  const size_t field = at == std::string::npos ? at : json.find(fmt::format("\"{}\":", name), at);
  if (field == std::string::npos || field > json.find('}', at)) {
    return Fail(Code::kInternal, fmt::format("the status has no {}.{}", section, name));
  }
  return std::strtoull(json.c_str() + field + name.size() + 3, nullptr, 10);
}

Error LastError(int64_t status) {
  return {Code::kInternal, fmt::format("{} ({})", forebay_last_error(), status)};
}

Result<std::unique_ptr<CClient>> CClient::Connect(const std::string& node, bool shared_memory) {
  const forebay_options options{.size = sizeof(forebay_options),
                                .node = node.c_str(),
                                .no_shared_memory = shared_memory ? 0u : 1u};
  forebay_client* client = nullptr;
  if (const int status = forebay_connect(&options, &client); status != 0) {
    return Fail(LastError(status));
  }
  return std::unique_ptr<CClient>(new CClient(client));
}

Result<CFile> CFile::Open(const CClient& client, const std::string& path) {
  forebay_file* file = nullptr;
  if (const int status = forebay_open(client.get(), path.c_str(), &file); status != 0) {
    return Fail(LastError(status));
  }
  return CFile(file);
}

Result<void> WriteFile(const std::string& path, uint64_t size) {
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return Fail(System(path));
  std::vector<uint64_t> words(kMiB / sizeof(uint64_t));
  Prng prng(size);
  for (uint64_t& word : words) word = prng.Next();
  Result<void> written;
  for (uint64_t at = 0; at < size && written;) {
    words[0] = at;
    const uint64_t piece = std::min(size - at, kMiB);
    const ssize_t put = write(fd, words.data(), piece);
    if (put <= 0) written = Fail(System(path));
    at += static_cast<uint64_t>(std::max<ssize_t>(put, 0));
  }
  close(fd);
  return written;
}

Result<void> ForgetPages(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Fail(System(path));
  // Dirty pages do not go.
  fsync(fd);
  const int failed = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  close(fd);
  if (failed != 0) return Fail(Code::kIoError, path + ": cannot drop its pages");
  return {};
}

}  // namespace forebay::bench
