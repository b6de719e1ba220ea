// What the loop asks of io_uring and of epoll alike.
#pragma once

#include <memory>

#include "src/base/result.h"
#include "src/platform/linux/op.h"
#include "src/runtime/clock.h"

namespace forebay::platform {

class Reactor;

/// Used from the loop's own thread only, Wake apart.
class Backend {
 public:
  virtual ~Backend() = default;

  /// Once, on the thread that will run the loop.
  virtual Result<void> Enter() = 0;

  virtual Result<void> Attach(Socket& socket) = 0;
  virtual void Detach(Socket& socket) = 0;

  /// Begins `op`. True where it is done already: its result holds and nobody is resumed for it.
  virtual bool Start(Op& op) = 0;

  /// Asks `op`, which must be a socket's, to end soon, with -ECANCELED unless it was faster.
  /// Nothing where it is done.
  virtual void Cancel(Op& op) = 0;

  /// Hands everything begun to the kernel and completes what ended. Waits for the first completion,
  /// for Wake or for `until`; not at all where `until` is in the past.
  virtual void Wait(Instant now, Instant until) = 0;

  /// Any thread: ends a Wait.
  virtual void Wake() = 0;

  virtual bool HasZeroCopy() const = 0;
  /// Flags with which the backend wants its sockets made: SOCK_NONBLOCK or none.
  virtual int SocketFlags() const = 0;
};

/// How many file operations may be with the kernel at once; further ones wait their turn.
inline constexpr int kMaxFileOpsInFlight = 256;

}  // namespace forebay::platform
