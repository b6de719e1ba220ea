// Byte streams for who has no loop: the client library, inside processes that are not ours, blocks
// in the caller's own thread. Nodes use net.h.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/result.h"
#include "src/runtime/clock.h"
#include "src/runtime/net.h"

namespace forebay {

/// A connected stream that never blocks but in Wait. One thread may receive while another sends;
/// any may Shutdown. It belongs to the process that made it: see Dialer::Generation.
class Channel {
 public:
  virtual ~Channel() = default;

  /// At least one byte; 0 where nothing has come yet. kUnavailable: the peer has ended. Appends
  /// the descriptors that came along; where that is null they are closed.
  virtual Result<size_t> TryRecv(MutableBytes into,
                                 std::vector<std::unique_ptr<Descriptor>>* descriptors) = 0;
  /// As much of `parts` as goes at once: 0 where the peer takes no more now.
  virtual Result<size_t> TrySend(std::span<const Bytes> parts) = 0;

  enum Ready : uint8_t { kNothing = 0, kToRecv = 1, kToSend = 2 };
  /// Until something of `what` (Ready bits) is true, or `until` has come (kNothing). The end of the
  /// stream makes both true.
  virtual uint8_t Wait(uint8_t what, Instant until) = 0;

  /// Ends both directions; whoever waits or transfers sees it.
  virtual void Shutdown() = 0;
  virtual const std::string& peer() const = 0;
  virtual bool is_unix() const = 0;
};

/// A descriptor for poll(2): readable while a channel that it watches has something to receive, or
/// while it is raised. Any thread.
class Beacon {
 public:
  virtual ~Beacon() = default;
  virtual int descriptor() const = 0;
  virtual Result<void> Watch(Channel& channel) = 0;
  virtual void Forget(Channel& channel) = 0;
  virtual void Raise() = 0;
  virtual void Lower() = 0;
  /// False where `until` came first.
  virtual bool Wait(Instant until) = 0;
};

/// Any thread.
class Dialer {
 public:
  virtual ~Dialer() = default;

  virtual Instant Now() = 0;
  virtual uint64_t Random() = 0;
  /// Differs in the child of a fork. What was dialed before belongs to the parent alone: in the
  /// child its descriptors are closed already, and it must not be used, only forgotten.
  virtual uint64_t Generation() = 0;

  /// An address as in net.h. kUnavailable where nobody answers, kDeadlineExceeded at `until`.
  virtual Result<std::unique_ptr<Channel>> Dial(const std::string& address, Instant until) = 0;
  virtual Result<std::unique_ptr<Beacon>> MakeBeacon() = 0;
};

}  // namespace forebay
