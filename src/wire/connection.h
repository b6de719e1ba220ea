// The client's side of the protocol as coroutines: one stream, many requests at a time. Data go
// straight into the caller's memory and are checked there, page by page as they come.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "src/runtime/doorbell.h"
#include "src/runtime/env.h"
#include "src/runtime/task_group.h"
#include "src/wire/exchange.h"
#include "src/wire/handshake.h"
#include "src/wire/inbox.h"
#include "src/wire/peer_messages.h"

namespace forebay::wire {

struct ConnectOptions {
  std::optional<Token> token;
  std::string client = "forebay";
  uint16_t min_version = kMinVersion;
  uint16_t max_version = kMaxVersion;
};

/// Whom a connection reached.
struct ServerInfo {
  uint16_t version = 0;
  uint64_t features = 0;
  Hash128 node_id;
  std::string node_name;
  Limits limits;
};

/// A decoded answer and the bytes that its texts point into.
template <class A>
struct Owned {
  std::vector<std::byte> meta;
  A value;
};

/// Used from its own loop only, unless said otherwise. After an error of the stream every request
/// fails with kUnavailable: connect anew. Past the server's limit of requests in flight:
/// kOverloaded. What a request, a path or a slot points to must live until its task is done.
class Connection {
 public:
  static Task<Result<std::unique_ptr<Connection>>> Connect(Env& env, std::string address,
                                                           ConnectOptions options, Call call);
  /// Close must have been awaited.
  ~Connection();
  /// What is in progress ends with kCancelled.
  Task<void> Close();

  /// Why nothing works any more.
  const std::optional<Error>& broken() const { return broken_; }
  /// Ends everything in progress with this error; nothing works any more.
  void Break(Error error);

  // -- Any thread, as long as somebody keeps the connection.

  const ServerInfo& server() const { return server_; }
  /// False: it is broken.
  bool works() const { return works_.load(std::memory_order_relaxed); }
  /// What the last answer said of the node's queues.
  uint16_t queue_depth() const { return queue_depth_.load(std::memory_order_relaxed); }
  /// When anything last came in.
  Instant last_heard() const { return {last_heard_ns_.load(std::memory_order_relaxed)}; }

  // -- Requests.

  /// Any request without data in its answer: Ask<OpenAnswer>(OpenRequest{…}, call).
  template <class A, class M>
  Task<Result<Owned<A>>> Ask(M request, Call call, Bytes data = {}) {
    MetaExchange exchange;
    FB_CO_TRY(Queue(exchange, request, call, data));
    FB_CO_TRY(co_await Finish(exchange, call));
    FB_CO_ASSIGN(A value, DecodeMeta<A>(M::kType, exchange.meta()));
    co_return Owned<A>{std::move(exchange.meta()), std::move(value)};
  }

  /// Of an open handle, whose Info says version and block size. The bytes read. What does not match
  /// its checksums is asked for once more, checked by the node first; so does Get.
  Task<Result<uint32_t>> Read(uint32_t handle, VersionId version, uint32_t block_bytes,
                              uint64_t offset, MutableBytes into, Call call);
  struct Got {
    OwnedInfo info;
    uint32_t size = 0;
  };
  Task<Result<Got>> Get(std::string_view path, uint64_t offset, MutableBytes into, Call call);
  Task<Result<void>> GetMany(std::span<GetSlot> slots, Call call);
  struct PeerGave {
    uint32_t size = 0;             // bytes
    uint32_t elsewhere = kNoNode;  // who is to be asked instead
    uint32_t or_else = kNoNode;    // or this one
    std::vector<uint32_t> crcs;    // of the pages that the bytes touch; they were checked
  };
  /// Of the version that the request speaks of.
  Task<Result<PeerGave>> PeerRead(PeerReadRequest request, VersionId version, uint32_t block_bytes,
                                  MutableBytes into, Call call);
  /// Tells the server; there is no answer.
  void CloseHandle(uint32_t handle);

 private:
  Connection(Env& env, std::unique_ptr<Stream> stream);
  Task<Result<void>> ShakeHands(ConnectOptions options, Call call);
  Task<Result<void>> ReceiveFrame(Call call);
  Task<Result<void>> SendNow(size_t size, MutableBytes frame, Call call);
  Result<void> TakeWelcome(const ConnectOptions& options, Bytes meta, uint8_t* method);

  template <class M>
  Result<void> Queue(Exchange& exchange, const M& request, const Call& call, Bytes data,
                     uint8_t flags = 0) {
    FB_TRY(CheckRoom());
    const RequestHead head{.deadline_ms = MillisLeft(call), .trace = call.trace};
    const uint64_t id = NextId();
    for (const size_t room : {kSmallRequestBytes, kHeaderBytes + size_t{kMaxMetaBytes}}) {
      const size_t size = EncodeRequest(out_.Room(room), id, head, request,
                                        static_cast<uint32_t>(data.size()), flags);
      if (size == 0) continue;
      out_.Added(size);
      out_.Append(data);
      Register(exchange, id, call);
      return {};
    }
    return Fail(TooLong(M::kType));
  }
  template <class M>
  Task<Result<void>> AskForData(Exchange& exchange, M request, Call call) {
    FB_CO_TRY(Queue(exchange, request, call, {}));
    Result<void> done = co_await Finish(exchange, call);
    if (done || done.error().code() != Code::kCorrupt || broken_) co_return done;
    FB_CO_TRY(Queue(exchange, request, call, {}, kCheckFirst));
    co_return co_await Finish(exchange, call);
  }
  Result<void> CheckRoom() const;
  uint64_t NextId();
  Exchange* Find(uint64_t id) const;
  uint32_t MillisLeft(const Call& call);
  static Error TooLong(MessageType type);
  void Register(Exchange& exchange, uint64_t id, const Call& call);
  Task<Result<void>> Finish(Exchange& exchange, Call call);

  void SendCancel(uint64_t id);
  void GiveUp(Exchange& exchange, Error error);
  void End(Exchange& exchange, Result<void> outcome);

  Task<void> RunReceiving();
  Task<void> RunSending();
  Task<void> RunAlarms();
  Task<Result<void>> Receive();
  Task<Result<void>> TakeAnswer();
  Task<Result<void>> TakeData(Exchange* exchange, MutableBytes into, FrameHeader header);
  Instant NextDeadline() const;
  void NoteHeard() { last_heard_ns_.store(env_.clock.Now().ns, std::memory_order_relaxed); }

  Env& env_;
  std::unique_ptr<Stream> stream_;
  TaskGroup group_;
  ServerInfo server_;
  std::optional<Error> broken_;
  std::atomic<bool> works_{true};
  std::atomic<uint16_t> queue_depth_{0};
  std::atomic<int64_t> last_heard_ns_{0};

  // By the lower half of their ids; null where free. Grows to the most that were ever in flight.
  std::vector<Exchange*> pending_;
  std::vector<uint16_t> free_slots_;
  size_t in_flight_ = 0;
  uint64_t next_id_ = 1;  // its upper part
  Inbox inbox_;
  size_t receive_size_;
  std::vector<std::byte> scratch_;  // for data that nobody waits for
  GrowingBuffer out_;
  GrowingBuffer sending_;
  Doorbell out_bell_;
  Doorbell alarm_bell_;
  Exchange* receiving_ = nullptr;     // whose data are coming in
  CancelSource* sleeping_ = nullptr;  // of RunAlarms
  Instant alarm_ = Instant::Never();
};

}  // namespace forebay::wire
