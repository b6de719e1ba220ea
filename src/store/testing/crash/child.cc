#include "src/store/testing/crash/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace forebay::store_testing {
namespace {

constexpr std::string_view kRoleFlag = "--role=";
constexpr int kChannel = 3;  // of the child

}  // namespace

int RunRole(int argc, char** argv) {
  if (argc < 2 || !std::string_view(argv[1]).starts_with(kRoleFlag)) return -1;
  const std::string_view role = std::string_view(argv[1]).substr(kRoleFlag.size());
  const std::vector<std::string> arguments(argv + 2, argv + argc);
  if (role == "opener") return OpenerMain(arguments);
  if (role == "writer") return WriterMain(arguments, kChannel);
  if (role == "held-back-disk") return HeldBackDiskMain(arguments, kChannel);
  std::fprintf(stderr, "no such role: %s\n", argv[1]);
  return 2;
}

Child::Child(const std::string& role, const std::vector<std::string>& arguments) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
  std::vector<std::string> words = {"/proc/self/exe", std::string(kRoleFlag) + role};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    // Only what may be called between fork and exec.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (ends[1] == kChannel ? fcntl(kChannel, F_SETFD, 0) != 0 : dup2(ends[1], kChannel) < 0)
      _exit(126);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(ends[1]);
  channel_ = ends[0];
}

void Child::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

int Child::Wait() {
  int status = 0;
  waitpid(std::exchange(pid_, -1), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Child::~Child() {
  Kill();
  if (channel_ >= 0) close(channel_);
}

}  // namespace forebay::store_testing
