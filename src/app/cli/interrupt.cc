#include "src/app/cli/interrupt.h"

#include <csignal>

namespace forebay::app {
namespace {

volatile std::sig_atomic_t interrupted = 0;

void Note(int) {
  interrupted = 1;
}

}  // namespace

void NoteInterrupts() {
  struct sigaction action{};
  action.sa_handler = Note;
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // Where it is ignored somebody said nohup.
  struct sigaction hangup{};
  if (sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) {
    sigaction(SIGHUP, &action, nullptr);
  }
}

bool Interrupted() {
  return interrupted != 0;
}

}  // namespace forebay::app
