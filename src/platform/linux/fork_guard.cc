#include "src/platform/linux/fork_guard.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <utility>

#include "src/base/assert.h"
#include "src/platform/linux/errors.h"

namespace forebay::platform {
namespace {

constexpr uint32_t kMaxGuarded = 4096;

// Global because a fork is: its handlers get no argument, and may not allocate.
struct Guarded {
  std::mutex mutex;
  std::atomic<uint64_t> generation{1};
  int fds[kMaxGuarded];
  uint32_t used = 0;  // no slot from here on was ever used

  Guarded() { FB_ASSERT(pthread_atfork(BeforeFork, InParent, InChild) == 0); }
  static void BeforeFork();
  static void InParent();
  static void InChild();
};

/// Never destroyed: a thread may still close its connections while the process exits.
Guarded& TheGuarded() {
  static Guarded* const guarded = new Guarded;
  return *guarded;
}

void Guarded::BeforeFork() {
  TheGuarded().mutex.lock();
}

void Guarded::InParent() {
  TheGuarded().mutex.unlock();
}

void Guarded::InChild() {
  Guarded& guarded = TheGuarded();
  for (uint32_t i = 0; i < guarded.used; ++i) {
    if (guarded.fds[i] >= 0) close(guarded.fds[i]);
  }
  guarded.used = 0;
  guarded.generation.fetch_add(1);
  guarded.mutex.unlock();
}

}  // namespace

uint64_t ForkGeneration() {
  return TheGuarded().generation.load(std::memory_order_relaxed);
}

GuardedFd::Lock::Lock() {
  TheGuarded().mutex.lock();
}
GuardedFd::Lock::~Lock() {
  TheGuarded().mutex.unlock();
}

Result<GuardedFd> GuardedFd::TakeLocked(int fd) {
  if (fd < 0) return Fail(ErrnoError(errno, "open a descriptor"));
  Guarded& guarded = TheGuarded();
  uint32_t slot = 0;
  while (slot < guarded.used && guarded.fds[slot] >= 0) ++slot;
  if (slot == kMaxGuarded) {
    close(fd);
    return Fail(Code::kOverloaded, "this process holds as many connections to nodes as it may");
  }
  if (slot == guarded.used) ++guarded.used;
  guarded.fds[slot] = fd;
  GuardedFd taken;
  taken.fd_ = fd;
  taken.slot_ = slot;
  taken.generation_ = guarded.generation.load();
  return taken;
}

GuardedFd::GuardedFd(GuardedFd&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), slot_(other.slot_), generation_(other.generation_) {}

GuardedFd& GuardedFd::operator=(GuardedFd&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(slot_, other.slot_);
  std::swap(generation_, other.generation_);
  return *this;
}

GuardedFd::~GuardedFd() {
  if (fd_ < 0) return;
  const Lock lock;
  Guarded& guarded = TheGuarded();
  if (generation_ != guarded.generation.load()) return;  // the number is somebody else's by now
  guarded.fds[slot_] = -1;
  close(fd_);
}

}  // namespace forebay::platform
