// One simulated TCP connection: two byte queues between two nodes.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "src/base/bytes.h"
#include "src/runtime/clock.h"
#include "src/runtime/net.h"

#include "sim/process.h"

namespace forebay::sim {

class Network;

/// Bytes under way. Those that repeat one word are only that word.
class Payload {
 public:
  Payload() = default;
  explicit Payload(std::vector<std::byte> bytes);
  uint64_t size() const { return size_; }
  void CopyTo(uint64_t from, MutableBytes into) const;

 private:
  std::vector<std::byte> bytes_;
  uint64_t word_ = 0;
  uint64_t size_ = 0;
};

/// The kernels' part of a connection. Side 0 connected, side 1 accepted. Streams hold it; it ends
/// with the last of them.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  /// `local`: by Unix socket, within one node.
  Connection(Network& network, Node& from, Node& to, bool local);
  ~Connection();

  uint64_t id() const { return id_; }
  Node& node(int side) { return *sides_[side].node; }
  /// Who `side` was when the two met.
  const std::optional<PeerProcess>& identity(int side) const { return sides_[side].identity; }

  // ---- What a side asks its kernel.

  bool broken(int side) const { return sides_[side].broken; }
  bool shut(int side) const { return sides_[side].shut; }
  /// More bytes can be given to Enqueue.
  bool HasRoom(int side) const;
  void Enqueue(int side, std::vector<std::byte> bytes);
  /// Ends what this side sends, and tells it that it is done.
  void Shut(int side);

  /// What lies first in the queue towards this side: when it is there, and what it is.
  struct Next {
    Instant at = Instant::Never();
    bool end = false;
    uint64_t bytes = 0;
  };
  Next Peek(int side) const;
  void Take(int side, MutableBytes into);

  /// The coroutine of this side that waits to receive (send), or null.
  Wait*& reader(int side) { return sides_[side].reader; }
  Wait*& writer(int side) { return sides_[side].writer; }

  // ---- What befalls it.

  /// Both sides find it broken.
  void Reset();
  /// This side's machine is no more. The other is told, unless it dies silently.
  void EndDied(const Node& node, bool silent);
  void Break(int side);

 private:
  struct Segment {
    Payload payload;
    uint64_t taken = 0;
    Instant at = Instant::Never();  // not under way yet
    bool end = false;
  };
  struct Side {
    Node* node = nullptr;
    std::optional<PeerProcess> identity;
    bool broken = false;  // its own kernel knows that the connection is gone
    bool shut = false;    // it wants no more
    bool dead = false;    // there is no such process any more
    Wait* reader = nullptr;
    Wait* writer = nullptr;
    // What it sends:
    std::deque<Segment> queue;
    size_t under_way = 0;  // of the queue's segments
    uint64_t queued_bytes = 0;
    Instant last_arrival;
    bool retrying = false;
    Instant blocked_since;
    Duration retry_after{0};
  };

  void Transmit(int side);
  void RetryLater(int side);
  void BreakAfter(int side, Duration time);
  void WakeUp(int side);

  Network& network_;
  const uint64_t id_;
  Side sides_[2];
};

}  // namespace forebay::sim
