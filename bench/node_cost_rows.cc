// What one warm request costs client and node together, counted: system calls (by strace),
// allocations and bytes copied in user space (by bench/counted/count.cc). The kernel's own copies,
// one into a socket and one out of it, come on top.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "bench/counted/counts.h"
#include "bench/node_fixture.h"
#include "bench/rows.h"
#include "src/base/units.h"

namespace forebay::bench {
namespace {

constexpr uint64_t kRequests = 2000;
/// Now and then a read is what wakes readahead, which makes a task of it.
constexpr double kRare = 0.1;

/// A process with a pipe to it and from it, killed at the end.
class Piped {
 public:
  Piped(const std::vector<std::string>& words, int said_fd,
        const std::vector<std::pair<std::string, std::string>>& variables) {
    std::array<int, 2> to{}, from{};
    if (pipe2(to.data(), O_CLOEXEC) != 0 || pipe2(from.data(), O_CLOEXEC) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(to[0], STDIN_FILENO);
      dup2(from[1], said_fd);
      for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
      std::vector<char*> argv;
      argv.reserve(words.size() + 1);
      for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
      argv.push_back(nullptr);
      execvp(argv[0], argv.data());
      _exit(127);
    }
    close(to[0]);
    close(from[1]);
    to_ = to[1];
    from_ = fdopen(from[0], "r");
  }
  ~Piped() {
    if (from_ != nullptr) fclose(from_);
    if (to_ >= 0) close(to_);
    if (pid_ > 0) End(SIGKILL);
  }
  Piped(const Piped&) = delete;
  Piped& operator=(const Piped&) = delete;

  int pid() const { return pid_; }
  void Tell() { std::ignore = write(to_, "\n", 1); }
  /// The next line that it says; empty at its end.
  std::string Line() {
    std::array<char, 512> line{};
    return from_ != nullptr && fgets(line.data(), line.size(), from_) != nullptr ? line.data() : "";
  }
  void End(int signal) {
    kill(pid_, signal);
    waitpid(std::exchange(pid_, -1), nullptr, 0);
  }

 private:
  int pid_ = -1;
  int to_ = -1;
  FILE* from_ = nullptr;
};

/// Counts the system calls of all threads of a process while it lives.
class CallCount {
 public:
  CallCount(int pid, std::string file)
      : file_(std::move(file)),
        strace_({"strace", "-f", "-c", "-U", "calls,name", "-o", file_, "-p", std::to_string(pid)},
                STDERR_FILENO, {}) {}
  /// False, and why, where it may not look at that process, or is not installed.
  bool Attached() {
    said_ = strace_.Line();
    return said_.find("attached") != std::string::npos;
  }
  const std::string& said() const { return said_; }
  double Total() {
    strace_.End(SIGINT);
    std::ifstream summary(file_);
    for (std::string line; std::getline(summary, line);) {
      std::istringstream words(line);
      double calls = 0;
      std::string name;
      if (words >> calls >> name && name == "total") return calls;
    }
    return 0;
  }

 private:
  const std::string file_;
  Piped strace_;
  std::string said_;
};

struct Case {
  std::string name;
  std::string what;
  std::string way;
};

struct Cost {
  double client = 0;
  double node = 0;
  double both() const { return client + node; }
  std::string Note(std::string_view form) const {
    return fmt::format("client {}, node {}", fmt::format(fmt::runtime(form), client),
                       fmt::format(fmt::runtime(form), node));
  }
};

class CostRows {
 public:
  static Result<std::unique_ptr<CostRows>> Make() {
    auto made = std::unique_ptr<CostRows>(new CostRows);
    FB_ASSIGN(DiskPlace place, DiskPlace::Make());
    made->place_.emplace(std::move(place));
    const std::string origin = made->Path("origin");
    std::filesystem::create_directory(origin);
    FB_TRY(WriteFile(origin + "/object", 8 * kMiB));
    FB_TRY(WriteFile(origin + "/small", 4 * kKiB));
    FB_ASSIGN(made->node_, RunningNode::Start(
                               made->place_->path(),
                               {.origin = origin, .loops = 1, .variables = made->Counted("node")}));
    FB_TRY(made->node_->Command("load /data"));
    return made;
  }

  void Measure(Report& report, const Case& one) {
    const bool local = one.way == "shared-memory";
    auto variables = Counted("client");
    variables.emplace_back("FOREBAY_NODE", local ? node_->local() : node_->tcp());
    Piped client({FOREBAY_COUNTED_CLIENT, one.what, one.way, std::to_string(kRequests)},
                 STDOUT_FILENO, variables);
    if (client.Line() != "warm\n") return report.Missing(one.name, "the client cannot read");
    Round(client);  // what it makes at its first line is made
    const Counts client_before = Read("client"), node_before = Read("node");
    Round(client);
    const Counts client_after = Read("client"), node_after = Read("node");
    const auto each = [](uint64_t before, uint64_t after) {
      return static_cast<double>(after - before) / kRequests;
    };
    const Cost allocated{each(client_before.allocations, client_after.allocations),
                         each(node_before.allocations, node_after.allocations)};
    const std::string row = one.name + ".allocations";
    if (one.what == "get") {
      report.Info(row, "a request", allocated.both(), allocated.Note("{:.3f}"));
    } else {
      report.Figure(row, "a request", Goal::kAtMost, kRare, allocated.both(),
                    allocated.Note("{:.3f}"));
    }
    const Cost copied{each(client_before.copied_bytes, client_after.copied_bytes),
                      each(node_before.copied_bytes, node_after.copied_bytes)};
    report.Info(one.name + ".copied", "B", copied.both(), copied.Note("{:.0f}"));
    Calls(report, one, client);
  }

 private:
  CostRows() = default;
  std::string Path(const std::string& name) const { return place_->path() + "/" + name; }
  std::vector<std::pair<std::string, std::string>> Counted(const std::string& who) const {
    return {{"LD_PRELOAD", FOREBAY_COUNT_LIBRARY}, {"FOREBAY_COUNTS", Path(who + ".counts")}};
  }
  Counts Read(const std::string& who) const {
    Counts counts;
    std::ifstream(Path(who + ".counts"), std::ios::binary)
        .read(reinterpret_cast<char*>(&counts), sizeof counts);
    return counts;
  }
  static void Round(Piped& client) {
    client.Tell();
    client.Line();
  }

  void Calls(Report& report, const Case& one, Piped& client) {
    const std::string row = one.name + ".syscalls";
    CallCount of_client(client.pid(), Path("client.calls"));
    CallCount of_node(node_->pid(), Path("node.calls"));
    if (!of_client.Attached()) return report.Missing(row, "strace: " + of_client.said());
    if (!of_node.Attached()) return report.Missing(row, "strace: " + of_node.said());
    Round(client);
    const Cost calls{of_client.Total() / kRequests, of_node.Total() / kRequests};
    report.Info(row, "a request", calls.both(), calls.Note("{:.2f}"));
  }

  std::optional<DiskPlace> place_;
  std::unique_ptr<RunningNode> node_;
};

}  // namespace

void NodeCostRows(Report& report) {
  const std::vector<Case> cases = {{"node.cost.view_1m", "view", "shared-memory"},
                                   {"node.cost.read_1m", "read", "shared-memory"},
                                   {"node.cost.tcp_read_1m", "read", "socket"},
                                   {"node.cost.tcp_get_4k", "get", "socket"}};
  std::unique_ptr<CostRows> rows;
  for (const Case& one : cases) {
    const auto wanted = [&](std::string_view figure) {
      return report.Wants(fmt::format("{}.{}", one.name, figure));
    };
    if (!wanted("allocations") && !wanted("copied") && !wanted("syscalls")) continue;
    if (rows == nullptr) {
      auto made = CostRows::Make();
      if (!made) return report.Missing(one.name, made.error().ToString());
      rows = std::move(*made);
    }
    rows->Measure(report, one);
  }
}

}  // namespace forebay::bench
