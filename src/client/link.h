// One connection to the node, shared by all threads that have requests on it. There is no thread of
// ours: of those that wait, one receives for everybody (it leads) and tells the others when theirs
// is done; when its own is, it hands the lead on. Data go straight into the memory of who asked for
// them and are checked there as they come.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "src/client/client.h"
#include "src/wire/codec.h"
#include "src/wire/growing_buffer.h"
#include "src/wire/inbox.h"

namespace forebay::client {

class Link;

/// One request on its way. Whoever made it keeps it, and what its exchange writes into, until it is
/// done or Link::GiveUp has returned; its end gives it up.
class Ticket {
 public:
  explicit Ticket(wire::Exchange& exchange) : exchange_(exchange) {}
  virtual ~Ticket();
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  /// Also after GiveUp.
  bool done() const { return outcome_.has_value(); }
  /// After Await, or OnDone.
  Result<void>& outcome() { return *outcome_; }
  std::vector<std::unique_ptr<Descriptor>>& descriptors() { return descriptors_; }

 protected:
  /// For who does not wait in Await. Runs under the link's lock: must only mark and return.
  virtual void OnDone() {}

 private:
  friend class Link;
  wire::Exchange& exchange_;
  std::atomic<Link*> link_ = nullptr;  // while it is in progress
  uint64_t id_ = 0;
  int64_t started_ns_ = 0;
  bool busy_ = false;  // its memory is being written by who leads
  std::optional<Result<void>> outcome_;
  std::condition_variable changed_;
  Ticket* next_waiting_ = nullptr;
  Ticket* previous_waiting_ = nullptr;
  std::vector<std::unique_ptr<Descriptor>> descriptors_;
};

/// A decoded answer and the bytes that its texts point into.
template <class A>
struct Answer {
  std::vector<std::byte> meta;
  A value;
};

struct LinkInfo {
  uint64_t features = 0;
  Hash128 node_id;
  std::string node_name;
  wire::Limits limits;
};

struct StartOptions {
  bool wait_for_room = true;  // while the node takes no more requests; otherwise kOverloaded
  uint8_t flags = 0;          // wire::kCheckFirst
};

/// Any thread, but for a Ticket, which is its maker's.
class Link {
 public:
  /// Dials and shakes hands.
  static Result<std::shared_ptr<Link>> Connect(Outside outside, const ClientOptions& options,
                                               uint64_t serial, Instant until);
  /// All tickets must be gone.
  ~Link();

  uint64_t serial() const { return serial_; }
  const LinkInfo& info() const { return info_; }
  Channel& channel() { return *channel_; }
  bool broken() const;
  /// A deadline passed and nothing was heard since: better replaced than waited for again.
  bool suspect() const;
  /// Everything in progress ends with `error`.
  void Break(Error error);

  /// Sends a request; Await tells how it ends.
  template <class M>
  Result<void> Start(Ticket& ticket, const M& request, Instant until, Bytes data = {},
                     StartOptions options = {}) {
    FB_TRY(Register(ticket, until, options.wait_for_room));
    auto sent = Encode(ticket.id_, request, until, data, options.flags);
    if (sent) return {};
    GiveUp(ticket, false);
    return sent;
  }
  /// Until the ticket is done. kDeadlineExceeded, and the node is told to stop, at `until`.
  Result<void> Await(Ticket& ticket, Instant until);
  /// Not done: nobody touches its memory any more, its answer will be ignored.
  void GiveUp(Ticket& ticket, bool tell_node = true);

  /// Start and Await, for requests without data in their answer.
  template <class A, class M>
  Result<Answer<A>> Ask(const M& request, Instant until, Bytes data = {}) {
    wire::MetaExchange exchange;
    Ticket ticket(exchange);
    FB_TRY(Start(ticket, request, until, data));
    FB_TRY(Await(ticket, until));
    FB_ASSIGN(A value, wire::DecodeMeta<A>(M::kType, exchange.meta()));
    return Answer<A>{std::move(exchange.meta()), std::move(value)};
  }
  /// A message without answer, which goes with the next send at the latest.
  template <class M>
  void Tell(uint64_t id, const M& message) {
    std::byte frame[wire::kSmallRequestBytes];
    const size_t size = wire::EncodeRequest(frame, id, {}, message);
    SendLater(Bytes(frame, size));
  }

  /// Receives what has come, unless another thread does: for who waits by other means.
  void Pump();

 private:
  Link(Outside outside, std::unique_ptr<Channel> channel, uint64_t serial);

  // handshake.cc
  Result<void> ShakeHands(const ClientOptions& options, Instant until);
  Result<void> ReceiveFrame(Instant until);
  Result<void> SendNow(Bytes frame, Instant until);

  template <class M>
  Result<void> Encode(uint64_t id, const M& request, Instant until, Bytes data, uint8_t flags) {
    const wire::RequestHead head{.deadline_ms = MillisLeft(until), .trace = {}};
    std::byte small[wire::kSmallRequestBytes];
    const auto data_size = static_cast<uint32_t>(data.size());
    size_t size = wire::EncodeRequest(small, id, head, request, data_size, flags);
    if (size > 0) return Send(Bytes(small, size), data, until);
    std::vector<std::byte> large(wire::kHeaderBytes + size_t{info_.limits.max_meta_bytes});
    size = wire::EncodeRequest(large, id, head, request, data_size, flags);
    if (size == 0) return Fail(TooLong(M::kType));
    return Send(Bytes(large).first(size), data, until);
  }
  static Error TooLong(wire::MessageType type);
  uint32_t MillisLeft(Instant until) const;

  using Lock = std::unique_lock<std::mutex>;

  // link_send.cc: sending
  Result<void> Register(Ticket& ticket, Instant until, bool wait_for_room);
  Result<void> Send(Bytes frame, Bytes data, Instant until);
  Result<void> TakeSendTurn(Lock& lock, Instant until);
  Result<void> SendParts(std::span<Bytes> parts, Instant until);
  void AwaitProgress(bool to_send, Instant until);
  void SendLater(Bytes frame);
  void FlushDeferred(Lock& lock);
  void WaitOn(std::condition_variable& changed, Lock& lock, Instant until);

  // link.cc: receiving
  void Lead(Lock& lock, Ticket* own, Instant until);
  void PassOn();
  Result<bool> Step(bool receive);
  void BeginFrame();
  Result<bool> ReceiveData();
  void EndFrame();
  void Free(Ticket& ticket);
  void End(Ticket& ticket, Result<void> outcome);
  void BreakLocked(Error error);
  Ticket* Find(uint64_t id) const;
  void Enqueue(Ticket& ticket);
  void Dequeue(Ticket& ticket);

  Outside outside_;
  const std::unique_ptr<Channel> channel_;
  const uint64_t serial_;
  LinkInfo info_;

  mutable std::mutex mutex_;
  std::optional<Error> broken_;
  std::vector<Ticket*> slots_;  // in progress; an id is serial << 16 | slot
  std::vector<uint16_t> free_slots_;
  uint64_t next_id_ = 1;
  Ticket* first_waiting_ = nullptr;
  bool leading_ = false;
  uint64_t ended_ = 0;  // tickets, ever
  bool sending_ = false;
  std::condition_variable turn_;  // to send, or a free slot
  uint32_t turn_waiters_ = 0;
  wire::GrowingBuffer deferred_;  // goes before the next send
  int64_t heard_ns_ = 0;          // when something came last
  bool suspect_ = false;

  // Of who leads.
  wire::Inbox inbox_;
  std::vector<std::unique_ptr<Descriptor>> arrived_;
  size_t receive_size_;
  std::vector<std::byte> scratch_;  // for data that nobody waits for
  struct Frame {
    wire::FrameHeader header;
    uint64_t id = 0;  // of the ticket that takes its data; 0: nobody
    MutableBytes into;
    size_t at = 0;
    Result<void> good;
  };
  std::optional<Frame> frame_;
};

}  // namespace forebay::client
