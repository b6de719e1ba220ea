#include "src/wire/connection.h"

#include <fmt/format.h>

namespace forebay::wire {
namespace {

/// Of one receive: large where answers are small and many come at once; small where large data
/// follow, which are then received in place instead of being copied.
constexpr size_t kReceiveMany = 64u << 10;
constexpr size_t kReceiveHead = 2048;
/// Data are checked after so many bytes, while they are in the processor's cache.
constexpr size_t kCheckStride = 256u << 10;
constexpr size_t kSlotBits = 16;  // of a request id; Limits::max_in_flight fits
constexpr size_t kScratchBytes = 64u << 10;
/// A peer that takes or gives nothing for so long in the middle of a frame is gone.
constexpr Duration kStall = std::chrono::seconds(20);

}  // namespace

Connection::Connection(Env& env, std::unique_ptr<Stream> stream)
    : env_(env),
      stream_(std::move(stream)),
      group_(env.executor),
      receive_size_(kReceiveMany),
      out_bell_(env.executor),
      alarm_bell_(env.executor) {}

Connection::~Connection() {
  FB_ASSERT(group_.running() == 0 && in_flight_ == 0);
}

Task<Result<std::unique_ptr<Connection>>> Connection::Connect(Env& env, std::string address,
                                                              ConnectOptions options, Call call) {
  FB_CO_ASSIGN(auto stream, co_await env.net.Connect(address, call));
  std::unique_ptr<Connection> connection(new Connection(env, std::move(stream)));
  if (auto done = co_await connection->ShakeHands(std::move(options), call); !done) {
    co_return Fail(done.error().Within("connect to " + address));
  }
  connection->group_.Spawn(connection->RunReceiving());
  connection->group_.Spawn(connection->RunSending());
  connection->group_.Spawn(connection->RunAlarms());
  co_return std::move(connection);
}

Task<void> Connection::Close() {
  Break(Error(Code::kCancelled, "connection to " + stream_->peer() + ": closed here"));
  co_await group_.Join();
}

Task<Result<uint32_t>> Connection::Read(uint32_t handle, VersionId version, uint32_t block_bytes,
                                        uint64_t offset, MutableBytes into, Call call) {
  ReadExchange exchange(version, block_bytes, offset, into);
  const ReadRequest request{
      .handle = handle, .offset = offset, .size = static_cast<uint32_t>(into.size())};
  FB_CO_TRY(co_await AskForData(exchange, request, call));
  co_return exchange.size();
}

Task<Result<Connection::Got>> Connection::Get(std::string_view path, uint64_t offset,
                                              MutableBytes into, Call call) {
  GetExchange exchange(offset, into);
  const GetRequest request{
      .offset = offset, .size = static_cast<uint32_t>(into.size()), .path = path, .if_match = {}};
  FB_CO_TRY(co_await AskForData(exchange, request, call));
  co_return Got{std::move(exchange.info()), exchange.size()};
}

Task<Result<void>> Connection::GetMany(std::span<GetSlot> slots, Call call) {
  GetManyRequest request;
  request.items.reserve(slots.size());
  for (const GetSlot& slot : slots) {
    request.items.push_back({.offset = slot.offset,
                             .size = static_cast<uint32_t>(slot.into.size()),
                             .path = slot.path});
  }
  GetManyExchange exchange(slots);
  FB_CO_TRY(Queue(exchange, request, call, {}));
  co_return co_await Finish(exchange, call);
}

Task<Result<Connection::PeerGave>> Connection::PeerRead(PeerReadRequest request, VersionId version,
                                                        uint32_t block_bytes, MutableBytes into,
                                                        Call call) {
  PeerReadExchange exchange(version, block_bytes, request.offset, into);
  FB_CO_TRY(co_await AskForData(exchange, request, call));
  co_return PeerGave{exchange.size(), exchange.elsewhere(), exchange.or_else(),
                     exchange.TakeCrcs()};
}

void Connection::CloseHandle(uint32_t handle) {
  if (broken_) return;
  out_.Added(
      EncodeRequest(out_.Room(kSmallRequestBytes), NextId(), {}, CloseRequest{.handle = handle}));
  out_bell_.Ring();
}

// ---- One request.

Result<void> Connection::CheckRoom() const {
  if (broken_) return Fail(*broken_);
  if (in_flight_ < server_.limits.max_in_flight) return {};
  return Fail(Code::kOverloaded, fmt::format("{}: {} requests are in flight, as many as the node "
                                             "takes of one connection",
                                             stream_->peer(), in_flight_));
}

/// A place among those in flight, which the answer finds again without a search, and a number that
/// no other request has had.
uint64_t Connection::NextId() {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint16_t>(pending_.size()));
    pending_.push_back(nullptr);
  }
  return next_id_++ << kSlotBits | free_slots_.back();
}

Exchange* Connection::Find(uint64_t id) const {
  const size_t slot = id & ((1u << kSlotBits) - 1);
  Exchange* exchange = slot < pending_.size() ? pending_[slot] : nullptr;
  return exchange != nullptr && exchange->id_ == id ? exchange : nullptr;
}

uint32_t Connection::MillisLeft(const Call& call) {
  if (call.deadline == Instant::Never()) return 0;
  const int64_t left = (call.deadline - env_.clock.Now()).count() / 1'000'000;
  return static_cast<uint32_t>(std::clamp<int64_t>(left, 1, UINT32_MAX));
}

Error Connection::TooLong(MessageType type) {
  return Error(Code::kInvalidArgument,
               fmt::format("{}: a field is longer, or a list has more items, than the protocol "
                           "allows (a path: {} bytes)",
                           NameOf(type), kMaxPathBytes));
}

void Connection::Register(Exchange& exchange, uint64_t id, const Call& call) {
  exchange.id_ = id;
  exchange.deadline_ = call.deadline;
  exchange.connection_ = this;
  exchange.outcome_.reset();
  exchange.gave_up_.reset();
  pending_[free_slots_.back()] = &exchange;
  free_slots_.pop_back();
  ++in_flight_;
  out_bell_.Ring();
  if (call.deadline >= alarm_) return;
  alarm_bell_.Ring();
  if (sleeping_ != nullptr) sleeping_->Cancel();
}

Task<Result<void>> Connection::Finish(Exchange& exchange, Call call) {
  struct Await {
    Exchange& exchange;
    bool await_ready() noexcept { return exchange.outcome_.has_value(); }
    void await_suspend(std::coroutine_handle<> self) noexcept { exchange.waiter_ = self; }
    void await_resume() noexcept {}
  };
  const auto cancelled = [](void* argument) {
    auto* given_up = static_cast<Exchange*>(argument);
    given_up->connection_->GiveUp(*given_up, Error(Code::kCancelled, "given up by the caller"));
  };
  if (!call.cancel.Listen(exchange.listener_, cancelled, &exchange)) cancelled(&exchange);
  co_await Await{exchange};
  co_return std::move(*exchange.outcome_);
}

void Connection::SendCancel(uint64_t id) {
  out_.Added(EncodeRequest(out_.Room(kSmallRequestBytes), id, {}, CancelRequest{}));
  out_bell_.Ring();
}

void Connection::GiveUp(Exchange& exchange, Error error) {
  if (exchange.outcome_ || exchange.gave_up_) return;
  SendCancel(exchange.id_);
  if (receiving_ == &exchange) {
    exchange.gave_up_ = std::move(error);  // its memory belongs to a receive that is in progress
  } else {
    End(exchange, Fail(std::move(error)));
  }
}

void Connection::End(Exchange& exchange, Result<void> outcome) {
  if (exchange.outcome_) return;
  const auto slot = static_cast<uint16_t>(exchange.id_);
  pending_[slot] = nullptr;
  free_slots_.push_back(slot);
  --in_flight_;
  exchange.listener_.Unlink();
  exchange.outcome_ = std::move(outcome);
  if (exchange.waiter_) env_.executor.Post(exchange.waiter_);
}

void Connection::Break(Error error) {
  if (!broken_) broken_ = std::move(error);
  works_.store(false, std::memory_order_relaxed);
  stream_->Shutdown();
  out_bell_.Ring();
  alarm_bell_.Ring();
  if (sleeping_ != nullptr) sleeping_->Cancel();
  for (Exchange* exchange : pending_) {
    if (exchange != nullptr && exchange != receiving_) End(*exchange, Fail(*broken_));
  }
}

// ---- The tasks beside.

Task<void> Connection::RunSending() {
  for (;;) {
    while (out_.empty() && !broken_) co_await out_bell_.Wait();
    if (broken_) co_return;
    out_.Swap(sending_);
    const Bytes part = sending_.bytes();
    const auto sent =
        co_await stream_->Send(std::span(&part, 1), {.deadline = env_.clock.Now() + kStall});
    sending_.Clear();
    if (!sent) Break(sent.error());
  }
}

Instant Connection::NextDeadline() const {
  Instant next = Instant::Never();
  for (const Exchange* exchange : pending_) {
    if (exchange != nullptr) next = std::min(next, exchange->deadline_);
  }
  return next;
}

Task<void> Connection::RunAlarms() {
  while (!broken_) {
    alarm_ = NextDeadline();
    if (alarm_ == Instant::Never()) {
      co_await alarm_bell_.Wait();
      continue;
    }
    CancelSource earlier;
    sleeping_ = &earlier;
    const auto slept = co_await env_.clock.SleepUntil(alarm_, earlier.token());
    sleeping_ = nullptr;
    if (!slept && !earlier.token().cancelled()) co_return Break(slept.error());  // there is no time
    const Instant now = env_.clock.Now();
    for (Exchange* exchange : pending_) {
      if (exchange == nullptr || exchange->deadline_ > now) continue;
      exchange->deadline_ = Instant::Never();
      GiveUp(*exchange,
             Error(Code::kDeadlineExceeded, stream_->peer() + ": no answer before the deadline"));
    }
  }
}

Task<void> Connection::RunReceiving() {
  auto ended = co_await Receive();
  Break(ended ? Error(Code::kUnavailable, stream_->peer() + ": the node closed the connection")
              : std::move(ended.error()));
}

/// Ends without an error where the server ended between two frames.
Task<Result<void>> Connection::Receive() {
  while (!broken_) {
    FB_CO_ASSIGN(const bool whole, inbox_.Parse());
    if (whole) {
      FB_CO_TRY(co_await TakeAnswer());
      continue;
    }
    MutableBytes room = inbox_.Room(kReceiveHead);
    if (room.size() > receive_size_) room = room.first(receive_size_);
    FB_CO_ASSIGN(const size_t received, co_await stream_->Recv(room, {}));
    if (received == 0) break;
    NoteHeard();
    inbox_.Received(received);
  }
  co_return Result<void>{};
}

Task<Result<void>> Connection::TakeAnswer() {
  const FrameHeader header = inbox_.header();
  if (header.type == MessageType::kRefused) {
    FB_CO_ASSIGN(const Refused refused, DecodeMeta<Refused>(header.type, inbox_.meta()));
    co_return Fail(CodeOf(refused.status), std::string(refused.message));
  }
  queue_depth_.store(header.queue_depth, std::memory_order_relaxed);
  receive_size_ = header.data_size >= kReceiveMany ? kReceiveHead : kReceiveMany;
  Exchange* exchange = Find(header.request_id);
  MutableBytes into;
  if (exchange != nullptr) {
    auto room = exchange->OnAnswer(header, inbox_.meta());
    if (room) {
      into = *room;
    } else {
      End(*exchange, Fail(std::move(room.error())));
      exchange = nullptr;  // its data, if there are any, are nobody's
    }
  }
  co_return co_await TakeData(exchange, into, header);
}

/// Receives the data of the frame in the inbox into `into`, or nowhere, and ends the exchange with
/// its last frame. The memory of one that was given up meanwhile is left alone from then on.
Task<Result<void>> Connection::TakeData(Exchange* exchange, MutableBytes into, FrameHeader header) {
  Result<void> good;
  size_t at = inbox_.BufferedData().size();
  if (exchange != nullptr && at > 0) {
    std::memcpy(into.data(), inbox_.BufferedData().data(), at);
    good = exchange->OnData(at);
  }
  receiving_ = exchange;
  while (at < header.data_size) {
    const size_t left = header.data_size - at;
    const bool wanted = exchange != nullptr && good && !exchange->gave_up_;
    if (!wanted && scratch_.empty()) scratch_.resize(kScratchBytes);
    MutableBytes room = wanted ? into.subspan(at) : MutableBytes(scratch_);
    room = room.first(std::min({room.size(), left, kCheckStride}));
    auto received = co_await stream_->Recv(room, {.deadline = env_.clock.Now() + kStall});
    if (received && *received == 0) {
      received = Fail(Code::kUnavailable, stream_->peer() + ": ended within an answer");
    }
    if (!received) {
      receiving_ = nullptr;
      co_return Fail(std::move(received.error()));
    }
    at += *received;
    NoteHeard();
    if (wanted) good = exchange->OnData(at);
  }
  receiving_ = nullptr;
  inbox_.Finish();
  if (exchange == nullptr) co_return Result<void>{};
  if (exchange->gave_up_) good = Fail(std::move(*exchange->gave_up_));
  if (!good || !header.more_follow()) End(*exchange, std::move(good));
  co_return Result<void>{};
}

}  // namespace forebay::wire
