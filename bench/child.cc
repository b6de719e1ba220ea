#include "bench/child.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace forebay::bench {

void PinTo(int core) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<size_t>(core), &cpus);
  static_cast<void>(sched_setaffinity(0, sizeof cpus, &cpus));
}

void Unpin() {
  cpu_set_t cpus;
  memset(&cpus, 0xff, sizeof cpus);  // the kernel leaves out what there is not
  static_cast<void>(sched_setaffinity(0, sizeof cpus, &cpus));
}

Result<Child> Child::Start(const std::function<void(const Announce&)>& serve) {
  std::array<int, 2> pipe_ends{};
  if (pipe(pipe_ends.data()) != 0) return Fail(Code::kInternal, "pipe");
  const int pid = fork();
  if (pid < 0) return Fail(Code::kInternal, "fork: " + std::generic_category().message(errno));
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(pipe_ends[0]);
    PinTo(kServerCore);
    serve([&](const std::string& address) {
      const ssize_t written = write(pipe_ends[1], address.data(), address.size());
      if (written < 0) _exit(1);
      close(pipe_ends[1]);
    });
    _exit(0);
  }
  close(pipe_ends[1]);
  std::string address(256, '\0');
  const ssize_t size = read(pipe_ends[0], address.data(), address.size());
  close(pipe_ends[0]);
  address.resize(size > 0 ? static_cast<size_t>(size) : 0);
  Child child(pid, address);
  if (address.empty()) return Fail(Code::kInternal, "the server process ended before it was ready");
  return child;
}

Child::~Child() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

}  // namespace forebay::bench
