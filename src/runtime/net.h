// Byte streams between processes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/result.h"
#include "src/runtime/clock.h"
#include "src/runtime/task.h"

namespace forebay {

/// The process at the other end of a Unix socket, as the kernel vouches for it: what it was when it
/// connected, or began to listen.
struct PeerProcess {
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t pid = 0;
  friend bool operator==(const PeerProcess&, const PeerProcess&) = default;
};

/// An open descriptor of this process, closed with its one owner.
class Descriptor {
 public:
  virtual ~Descriptor() = default;
  virtual int number() const = 0;
};

/// So many descriptors go with one message at most.
inline constexpr size_t kMaxDescriptors = 16;

/// A connected, ordered, reliable byte stream. Used from its own loop only; at most one Recv and
/// one Send may be in progress at a time. It must not be destroyed while either is.
class Stream {
 public:
  virtual ~Stream() = default;

  /// At least one byte, at most into.size(); 0 means that the peer has finished sending. The buffer
  /// belongs to the stream until the task is done, also when it ends by deadline or cancellation.
  virtual Task<Result<size_t>> Recv(MutableBytes into, Call call) = 0;

  /// All of `parts`, in order. When the task is done nobody looks at the buffers any more, neither
  /// the kernel nor the device; until then they must not change. After an error or a cancellation
  /// an unknown part was sent: the stream is of no more use. `parts` itself must live until the
  /// task is done.
  virtual Task<Result<void>> Send(std::span<const Bytes> parts, Call call) = 0;

  /// Tells the peer that this was all, where the stream has words for that, as TLS has. Whoever
  /// ends a stream in good order says so before Shutdown; no Send may be in progress, and none may
  /// follow.
  virtual Task<void> SayEnd(Call call);

  /// Ends both directions: operations in progress here end with kCancelled soon. The peer sees the
  /// end; a reset, and perhaps not all that was sent, where bytes came here that nobody took.
  virtual void Shutdown() = 0;

  /// "10.0.0.7:41822" or "unix:/run/forebay.sock".
  virtual const std::string& peer() const = 0;

  /// nullopt where the peer is not a process of this machine that came by Unix socket.
  virtual std::optional<PeerProcess> peer_process() const { return std::nullopt; }

  /// Gives the connection up to another loop, whose Net adopts it: before anything was received or
  /// sent. Nothing else may be asked of the stream then. kUnsupported in the simulator.
  virtual Result<std::unique_ptr<Descriptor>> Release() {
    return Fail(Code::kUnsupported, "this stream cannot leave its loop");
  }

  // -- Descriptors, by Unix socket. kUnsupported elsewhere, and in the simulator.

  /// As Send. Copies of 1 to kMaxDescriptors descriptors go with the first byte; the caller keeps
  /// its own.
  virtual Task<Result<void>> SendDescriptors(std::span<const Bytes> parts,
                                             std::span<const int> descriptors, Call call);

  /// As Recv. Appends the descriptors that came with these bytes; kCorrupt where there were more
  /// than kMaxDescriptors. Bytes that Recv takes lose the descriptors that came with them, and Recv
  /// may have taken bytes ahead: who wants any on a stream receives by this call alone.
  virtual Task<Result<size_t>> RecvDescriptors(
      MutableBytes into, std::vector<std::unique_ptr<Descriptor>>* descriptors, Call call);
};

inline Task<void> Stream::SayEnd(Call) {
  co_return;
}
inline Task<Result<void>> Stream::SendDescriptors(std::span<const Bytes>, std::span<const int>,
                                                  Call) {
  co_return Fail(Code::kUnsupported, "descriptors go by Unix sockets only, not to " + peer());
}
inline Task<Result<size_t>> Stream::RecvDescriptors(MutableBytes,
                                                    std::vector<std::unique_ptr<Descriptor>>*,
                                                    Call) {
  co_return Fail(Code::kUnsupported, "descriptors come by Unix sockets only, not from " + peer());
}

/// Used from its own loop only. At most one Accept at a time.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual Task<Result<std::unique_ptr<Stream>>> Accept(Call call) = 0;
  /// The address that others can connect to, with the port that was really taken.
  virtual const std::string& address() const = 0;
};

/// Used from its own loop only. An address is "HOST:PORT", "[IPV6]:PORT" or "unix:PATH".
class Net {
 public:
  virtual ~Net() = default;
  virtual Task<Result<std::unique_ptr<Stream>>> Connect(std::string address, Call call) = 0;
  /// Port 0 takes any free port. kInUse where the address is taken.
  virtual Result<std::unique_ptr<Listener>> Listen(std::string address) = 0;
  /// What a stream of another loop released, with that stream's peer. It may be dropped then: the
  /// new stream has a descriptor of its own.
  virtual Result<std::unique_ptr<Stream>> Adopt(const Descriptor& /*released*/, std::string peer) {
    return Fail(Code::kUnsupported, std::move(peer) + ": this connection cannot change its loop");
  }
};

}  // namespace forebay
