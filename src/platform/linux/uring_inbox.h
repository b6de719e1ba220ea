// Small messages by one standing request a socket: the ring receives each into a buffer of a shared
// pool, so that no receive is armed anew for each message. Private to the io_uring backend.
#pragma once

#include <liburing.h>

#include <array>
#include <cstdint>
#include <memory>

#include "src/base/bytes.h"
#include "src/platform/linux/op.h"

namespace forebay::platform {

/// The pool that the kernel takes its buffers from. Costs nothing before Open.
class InboxBuffers {
 public:
  static constexpr unsigned kCount = 1024;
  static constexpr unsigned kBytes = 2048;
  static constexpr int kGroup = 1;
  static constexpr uint16_t kNone = 0xffff;

  InboxBuffers() = default;
  InboxBuffers(const InboxBuffers&) = delete;
  InboxBuffers& operator=(const InboxBuffers&) = delete;
  /// After the ring is closed.
  ~InboxBuffers();

  /// False where the kernel has no such pools, now and ever after.
  bool Open(io_uring& ring);

  std::byte* At(uint16_t buffer) { return bytes_ + size_t{buffer} * kBytes; }
  /// Gives one back to the kernel.
  void Release(uint16_t buffer);

  /// What a queue of filled buffers needs to know of each.
  struct Filled {
    uint32_t size = 0;
    uint16_t next = kNone;
  };
  Filled& filled(uint16_t buffer) { return filled_[buffer]; }

 private:
  static constexpr size_t kRingBytes = kCount * sizeof(io_uring_buf);
  static constexpr size_t kTotalBytes = kRingBytes + size_t{kCount} * kBytes;

  io_uring_buf_ring* ring_ = nullptr;  // and the buffers behind it, one mapping
  std::byte* bytes_ = nullptr;
  bool refused_ = false;
  std::array<Filled, kCount> filled_;
};

/// What came for one socket and nobody has taken yet, and the standing request itself.
struct Inbox : Op {
  enum class State : uint8_t { kIdle, kStanding, kStopping };
  /// With so many messages that nobody takes, the peer's are left in the socket.
  static constexpr int kMaxWaiting = 16;

  explicit Inbox(Socket* of) {
    code = OpCode::kRecvStanding;
    socket = of;
  }

  State state = State::kIdle;
  bool starved = false;  // the pool was empty
  bool ended = false;    // with `end`, 0 or minus an errno, once all that waits is taken
  int32_t end = 0;
  int waiting = 0;
  uint16_t first = InboxBuffers::kNone;
  uint16_t last = InboxBuffers::kNone;
  uint32_t taken_of_first = 0;

  void Push(InboxBuffers& buffers, uint16_t buffer, uint32_t size);
  /// Copies what waits, as far as it fits, and gives its buffers back.
  size_t Take(InboxBuffers& buffers, MutableBytes into);
  void Drop(InboxBuffers& buffers);

 private:
  void PopFirst(InboxBuffers& buffers);
};

}  // namespace forebay::platform
