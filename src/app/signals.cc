#include "src/app/signals.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>

namespace forebay::app {
namespace {

constexpr int kEndOwnThread = SIGUSR2;
constexpr int kStatusOfSignal = 128;

sigset_t WatchedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, kEndOwnThread}) sigaddset(&set, signal);
  return set;
}

}  // namespace

void Signals::BlockInThisThread() {
  const sigset_t set = WatchedSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Signals::Signals(Doorbell& bell) : bell_(bell), thread_(&Signals::Take, this) {}

Signals::~Signals() {
  ending_.store(true, std::memory_order_release);
  pthread_kill(thread_.native_handle(), kEndOwnThread);
  thread_.join();
}

void Signals::Take() {
  const sigset_t set = WatchedSignals();
  while (true) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    if (ending_.load(std::memory_order_acquire)) return;
    if (signal == SIGHUP) {
      reload_.store(true, std::memory_order_release);
    } else if (signal != kEndOwnThread && (!asking_.load(std::memory_order_acquire) ||
                                           stop_.exchange(true, std::memory_order_acq_rel))) {
      _exit(kStatusOfSignal + signal);
    }
    bell_.Ring();
  }
}

}  // namespace forebay::app
