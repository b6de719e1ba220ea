#include "src/client/core.h"

#include <algorithm>
#include <string>

namespace forebay::client {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(10);
constexpr Duration kLongestPause = std::chrono::seconds(1);
/// A node that cannot reach its origin has tried for itself. A few tries more bridge a node that is
/// about to stop.
constexpr uint32_t kAnsweredRetries = 3;

}  // namespace

Core::Core(Outside outside, const ClientOptions& options)
    : generation(outside.dialer.Generation()), outside_(outside), options_(options) {}

Core::~Core() {
  Close();
}

void Core::Close() {
  std::array<Slot, kMaxConnections> slots;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    slots = std::move(slots_);
    changed_.notify_all();
  }
  for (Slot& slot : slots) {
    if (slot.link) slot.link->Break(Error(Code::kCancelled, "the client was disconnected"));
  }
}

Result<std::shared_ptr<Link>> Core::Acquire(uint32_t number, Instant until, bool patient) {
  std::unique_lock lock(mutex_);
  Slot& slot = slots_[number % options_.connections];
  for (;;) {
    if (closed_) return Fail(Code::kCancelled, "the client was disconnected");
    if (slot.link && !slot.link->broken()) {
      if (!slot.link->suspect()) return slot.link;
      slot.link->Break(Error(Code::kUnavailable, options_.node + ": the node has gone silent"));
    }
    if (!slot.connecting) return Reconnect(lock, slot, until, patient);
    const Duration left = until - Now();
    if (left.count() <= 0) {
      return Fail(Code::kDeadlineExceeded, options_.node + ": still connecting at the deadline");
    }
    changed_.wait_for(lock, left);
  }
}

Result<std::shared_ptr<Link>> Core::Reconnect(std::unique_lock<std::mutex>& lock, Slot& slot,
                                              Instant until, bool patient) {
  slot.connecting = true;
  slot.link.reset();
  Result<std::shared_ptr<Link>> made = Fail(Code::kInternal, "not tried");
  for (uint32_t attempt = 0;; ++attempt) {
    const uint64_t serial = next_serial_++;
    lock.unlock();
    made = Link::Connect(outside_, options_, serial, until);
    lock.lock();
    const bool again = !made && patient && made.error().retryable() && !closed_;
    if (!again || !Pause(lock, attempt, until)) break;
  }
  slot.connecting = false;
  changed_.notify_all();
  if (made && closed_) return Fail(Code::kCancelled, "the client was disconnected");
  if (made) slot.link = *made;
  return made;
}

bool Core::Pause(std::unique_lock<std::mutex>& lock, uint32_t attempt, Instant until) {
  Duration most = kFirstPause * (1u << std::min(attempt, 10u));
  most = std::min(most, kLongestPause);
  // Half of it by chance, so that a thousand clients of one node do not come all at once.
  const Duration pause = most / 2 + Duration(outside_.dialer.Random() % (most.count() / 2));
  const Instant end = Now() + pause;
  if (end >= until) return false;
  while (!closed_ && Now() < end) changed_.wait_for(lock, end - Now());
  return !closed_;
}

bool Core::ShouldRetry(const Error& error, const Link& link, uint32_t attempt, Instant until) {
  const bool lost = link.broken();
  if (error.code() == Code::kUnavailable) {
    if (lost && attempt == 0) return true;  // connecting anew has pauses of its own
    if (!lost && attempt >= kAnsweredRetries) return false;
  } else if (error.code() != Code::kOverloaded) {
    return false;
  }
  std::unique_lock lock(mutex_);
  return Pause(lock, attempt, until);
}

Error Core::Unknown(Error error, const Link& link) {
  const bool unknown = error.code() == Code::kDeadlineExceeded ||
                       (error.code() == Code::kUnavailable && link.broken());
  if (!unknown) return error;
  return Error(error.code(), error.message() +
                                 ": whether the write happened is not known; look before you "
                                 "do it again");
}

}  // namespace forebay::client
