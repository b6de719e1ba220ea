#include "src/front/native/session.h"

#include <fmt/format.h>

#include "src/front/native/window_host.h"

namespace forebay {
namespace {

using wire::MessageType;

/// Of one receive: small while a connection says little (there may be thousands that say nothing),
/// larger when it fills what it is given.
constexpr size_t kReceiveBytes = 4u << 10;
constexpr size_t kMaxReceiveBytes = 64u << 10;
/// Room for data grows by what has come.
constexpr size_t kDataStep = 64u << 10;
/// The slowest pace at which a batch may be taken.
constexpr uint64_t kMinBytesPerSecond = 256u << 10;
/// Metas above this, which only long lists need, come in for so many connections at a time: what
/// all of them together could make us keep must not be the number of connections times the most.
constexpr size_t kLargeMeta = 64u << 10;
constexpr uint32_t kMaxLargeMetas = 256;
/// A peer that stops in the middle of a frame is gone.
constexpr Duration kFrameTimeout = std::chrono::seconds(30);

Result<void> CheckRequest(const wire::FrameHeader& header) {
  const bool reads = header.type == MessageType::kRead || header.type == MessageType::kGet ||
                     header.type == MessageType::kPeerRead;
  const uint8_t allowed = reads ? wire::kCheckFirst : 0;
  if (wire::IsKnown(header.type) && header.type >= MessageType::kPing &&
      (header.flags & ~allowed) == 0) {
    return {};
  }
  return Fail(Code::kUnsupported, fmt::format("message of type {} and flags {}: no request of "
                                              "this protocol",
                                              static_cast<int>(header.type), header.flags));
}

bool CarriesData(MessageType type) {
  return type == MessageType::kPut || type == MessageType::kPutData;
}

}  // namespace

Session::Session(DoorState& door, std::unique_ptr<Stream> stream, bool is_unix)
    : door_(door),
      stream_(std::move(stream)),
      is_unix_(is_unix),
      number_(++door.shared.last_session),
      group_(door.env.executor),
      handles_(door.options.limits.max_handles),
      receive_bytes_(kReceiveBytes),
      changed_(door.env.executor),
      greet_until_(door.env.clock.Now() + door.options.handshake_timeout) {}

Session::~Session() {
  FB_ASSERT(slow_.empty() && uploads_.empty());
}

Task<void> Session::Run() {
  Result<void> served = co_await Greet();
  if (served) served = co_await Serve();
  // A protocol that was broken is told; a stream that broke, or that we ended, cannot be.
  const bool tell = !served && !ended_ && served.error().code() != Code::kUnavailable;
  if (tell) {
    door_.node.counters().door.protocol_errors.Add();
    co_await Refuse(served.error());
  }
  co_await EndAll();
}

Task<void> Session::EndAll() {
  Shutdown();
  for (auto& [id, slow] : slow_) Cancel(slow);  // only marks and posts
  co_await group_.Join();
  for (auto& [number, upload] : uploads_) {
    if (!upload->ended) co_await upload->to->Abort();
  }
  uploads_.clear();
  EndLargeMeta();
  door_.queued_bytes -= queued_bytes_;
  queued_bytes_ = 0;
  if (batch_) door_.batches.Give(std::move(batch_));
  if (uses_window_) door_.options.window->Ended(number_);
}

bool Session::Drained() {
  if (!slow_.empty() || yielding_) return false;
  if (ended_) return true;
  if (!drained_at_) drained_at_ = batches_sent_ + (sending_ ? 1 : 0) + (batch_ ? 1 : 0);
  return batches_sent_ >= *drained_at_;
}

void Session::Shutdown() {
  ended_ = true;
  stream_->Shutdown();
  changed_.Tell();
}

void Session::Watch(Instant now) {
  const bool greets_too_long = !who_ && now > greet_until_;
  const bool takes_nothing = now > send_until_;
  bool silent = false;
  if (who_ && receiving_since_ != Instant::Never()) {
    const Duration waited = now - receiving_since_;
    const Duration limit = std::chrono::milliseconds(door_.options.limits.idle_timeout_ms);
    silent =
        !inbox_.empty() ? waited > kFrameTimeout : limit.count() > 0 && idle() && waited > limit;
  }
  if (greets_too_long || takes_nothing || silent) Shutdown();
}

// ---- Receiving.

Task<Result<void>> Session::Serve() {
  for (;;) {
    if (!HasRoom()) co_await AwaitRoom();
    if (ended_) break;
    if (foreseen_ == 0 && AnnounceGets()) {
      yielding_ = true;
      co_await Yield(door_.env.executor);
      yielding_ = false;
      door_.coming_gets.Foresee();
      continue;
    }
    FB_CO_ASSIGN(const bool whole, inbox_.Parse());
    if (whole) {
      if (inbox_.header().data_size > 0) {
        FB_CO_TRY(co_await TakeData());
      } else {
        --foreseen_;
        Dispatch();
        inbox_.Finish();
      }
      EndLargeMeta();
      continue;
    }
    FB_CO_TRY(CheckLargeMeta());
    if (batch_ && !sending_) co_await Flush();
    inbox_.Shrink(kMaxReceiveBytes);
    const MutableBytes room = inbox_.Room(receive_bytes_);
    FB_CO_ASSIGN(const size_t received, co_await Receive(room));
    if (received == 0) break;
    inbox_.Received(received);
    if (received == room.size()) receive_bytes_ = std::min(receive_bytes_ * 2, kMaxReceiveBytes);
  }
  co_return Result<void>{};
}

Result<void> Session::CheckLargeMeta() {
  if (large_meta_ || inbox_.claimed_meta_bytes() <= kLargeMeta) return {};
  if (door_.shared.large_metas >= kMaxLargeMetas) {
    return Fail(Code::kOverloaded, "too many long lists are coming in; try again later");
  }
  large_meta_ = true;
  ++door_.shared.large_metas;
  return {};
}

void Session::EndLargeMeta() {
  if (large_meta_) --door_.shared.large_metas;
  large_meta_ = false;
}

Task<Result<size_t>> Session::Receive(MutableBytes into) {
  receiving_since_ = door_.env.clock.Now();
  auto received = co_await stream_->Recv(into, {});
  receiving_since_ = Instant::Never();
  if (reads_answered_ == 0) arrived_ = door_.env.clock.Now();
  co_return received;
}

/// Returns when the queue has room again or the session is over.
Task<void> Session::AwaitRoom() {
  while (!HasRoom() && !ended_) {
    if (batch_ && !sending_) {
      co_await Flush();
    } else {
      co_await changed_.Wait();
    }
  }
}

/// Of those that have come. True: others that are ready should go first.
bool Session::AnnounceGets() {
  size_t count = 0;
  const auto see = [&](const wire::FrameHeader& header, Bytes meta) {
    Bytes body;
    if (header.type != MessageType::kGet || !wire::DecodeHead(header, meta, &body)) return;
    const auto get = wire::DecodeMeta<wire::GetRequest>(header.type, body);
    if (!get) return;
    door_.coming_gets.Announce({.path = get->path, .offset = get->offset});
    ++count;
  };
  foreseen_ = inbox_.Peek(kMaxComingGets, see);
  return count > 0 && door_.coming_gets.LetOthersFirst(count);
}

/// The frame in the inbox: answers it, or begins to.
void Session::Dispatch() {
  const wire::FrameHeader& header = inbox_.header();
  const Bytes meta = inbox_.meta();
  door_.node.counters().door.requests.Add();
  Bytes body;
  if (const auto good = CheckRequest(header); !good) return AnswerError(header, good.error());
  if (const auto head = wire::DecodeHead(header, meta, &body); !head) {
    return AnswerError(header, head.error());
  }
  switch (header.type) {
    case MessageType::kRead:
      if (!door_.stopping() && TryRead(header, body)) return NoteRead();
      break;
    case MessageType::kGet:
      if (!door_.stopping() && TryGet(header, body)) return NoteRead();
      break;
    case MessageType::kPeerRead:
      if (!door_.stopping() && TryPeerRead(header, body)) return;
      break;
    case MessageType::kPing:
      return Answer(header, wire::PingAnswer{});
    case MessageType::kClose:
      if (const auto close = wire::DecodeMeta<wire::CloseRequest>(header.type, body)) {
        handles_.Remove(close->handle);
      }
      return;
    case MessageType::kCancel:
      if (const auto found = slow_.find(header.request_id); found != slow_.end()) {
        Cancel(found->second);
      }
      return;
    default:
      break;
  }
  StartSlow(header, meta, {});
}

/// Receives the data of the frame in the inbox. What is too much, or where none belong, is thrown
/// away, and the request refused.
Task<Result<void>> Session::TakeData() {
  const wire::FrameHeader header = inbox_.header();
  Result<void> good = CheckRequest(header);
  if (good && !CarriesData(header.type)) {
    good = Fail(Code::kInvalidArgument,
                fmt::format("{}: data where none belong", NameOf(header.type)));
  } else if (good && header.data_size > door_.options.limits.max_put_bytes) {
    good = Fail(Code::kInvalidArgument,
                fmt::format("{} of {} bytes; at most {} in one message", NameOf(header.type),
                            header.data_size, door_.options.limits.max_put_bytes));
  }
  wire::GrowingBuffer data;
  size_t at = inbox_.BufferedData().size();
  if (good) data.Append(inbox_.BufferedData());
  door_.shared.upload_bytes += data.size();
  while (at < header.data_size) {
    if (good && door_.shared.upload_bytes > door_.options.max_upload_bytes) {
      good = Fail(Code::kOverloaded, "the node has too much data to write; try again later");
      door_.shared.upload_bytes -= data.size();
      data.Release();
    }
    const size_t left = header.data_size - at;
    const MutableBytes room =
        good ? data.Room(std::min(left, kDataStep)) : MutableBytes(door_.scratch);
    auto received = co_await Receive(room.first(std::min(room.size(), left)));
    if (received && *received == 0) received = Fail(Code::kUnavailable, "ended within a frame");
    if (!received) {
      door_.shared.upload_bytes -= data.size();
      co_return Fail(std::move(received.error()));
    }
    at += *received;
    if (!good) continue;
    data.Added(*received);
    door_.shared.upload_bytes += *received;
  }
  door_.node.counters().door.requests.Add();
  if (good) {
    StartSlow(header, inbox_.meta(), std::move(data));
  } else {
    AnswerError(header, good.error());
  }
  inbox_.Finish();
  co_return Result<void>{};
}

// ---- Requests that wait.

/// Whether one more may be in progress. Early: nothing was spent on it yet.
Result<void> Session::CheckRoomFor(const SlowRequest& slow) const {
  // As one refused early it may be asked again, a write too: of this node, then of the next.
  if (door_.stopping()) return Fail(Code::kOverloaded, "the node is shutting down");
  if (slow_.size() >= door_.options.limits.max_in_flight) {
    return Fail(Code::kOverloaded, fmt::format("{} requests are in flight on this connection, as "
                                               "many as it may have",
                                               slow_.size()));
  }
  if (slow_.contains(slow.header.request_id)) {
    return Fail(Code::kInvalidArgument, "a request of this id is in progress");
  }
  if (door_.shared.QueuedBytes() + slow.reserved_bytes > door_.options.max_pinned_bytes) {
    return Fail(Code::kOverloaded, "too many reads wait for their readers; try again later");
  }
  return {};
}

void Session::StartSlow(const wire::FrameHeader& header, Bytes meta, wire::GrowingBuffer data) {
  auto slow = std::make_shared<SlowRequest>();
  slow->header = header;
  slow->meta.assign(meta.begin(), meta.end());
  slow->data = std::move(data);
  const auto head = wire::DecodeHead(header, slow->meta, &slow->body);
  Result<void> good;
  if (head) {
    slow->reserved_bytes = BytesToReserve(header, slow->body);
    good = CheckRoomFor(*slow);
  } else {
    good = Fail(head.error());
  }
  if (!good) {
    door_.shared.upload_bytes -= slow->data.size();
    return AnswerError(header, good.error());
  }
  const Instant now = door_.env.clock.Now();
  slow->began = now;
  slow->call.trace = head->trace;
  if (head->trace == Hash128{}) slow->call.trace = {door_.env.rng.Next(), door_.env.rng.Next()};
  slow->call.cancel = slow->cancel.token();
  if (head->deadline_ms > 0) {
    slow->call.deadline = now + std::chrono::milliseconds(head->deadline_ms);
  }
  slow_.emplace(header.request_id, slow);
  ++door_.shared.waiting;
  queued_bytes_ += slow->reserved_bytes;
  door_.queued_bytes += slow->reserved_bytes;
  group_.Spawn(RunSlow(std::move(slow)));
}

namespace {

bool IsRead(MessageType type) {
  return type == MessageType::kRead || type == MessageType::kGet || type == MessageType::kGetMany;
}

}  // namespace

Task<void> Session::RunSlow(std::shared_ptr<SlowRequest> slow) {
  const Result<void> done = co_await Perform(*slow);
  slow_.erase(slow->header.request_id);
  --door_.shared.waiting;
  if (IsRead(slow->header.type)) latency().Add(door_.env.clock.Now() - slow->began);
  queued_bytes_ -= slow->reserved_bytes;
  door_.queued_bytes -= slow->reserved_bytes;
  door_.shared.upload_bytes -= slow->data.size();
  if (!done) AnswerError(slow->header, done.error());
  slow.reset();
  changed_.Tell();
  if (batch_ && !sending_) co_await Flush();
}

namespace {

Task<void> CancelThere(std::shared_ptr<SlowRequest> slow) {
  slow->cancel.Cancel();
  co_return;
}

}  // namespace

/// What listens to a request's source is on the node's loop, so that is where it is cancelled.
void Session::Cancel(const std::shared_ptr<SlowRequest>& slow) {
  if (slow->cancelled) return;
  slow->cancelled = true;
  if (door_.node.is_here()) return slow->cancel.Cancel();
  group_.Spawn(door_.node.There(CancelThere(slow)));
}

Task<Result<void>> Session::Perform(SlowRequest& slow) {
  switch (slow.header.type) {
    case MessageType::kOpen:
      return Open(slow);
    case MessageType::kRead:
      return Read(slow);
    case MessageType::kGet:
      return Get(slow);
    case MessageType::kGetMany:
      return GetMany(slow);
    case MessageType::kStat:
      return Stat(slow);
    case MessageType::kList:
      return List(slow);
    case MessageType::kFetch:
      return Fetch(slow);
    case MessageType::kPut:
      return Put(slow);
    case MessageType::kPutBegin:
      return PutBegin(slow);
    case MessageType::kPutData:
      return PutData(slow);
    case MessageType::kPutCommit:
      return PutCommit(slow);
    case MessageType::kPutAbort:
      return PutAbort(slow);
    case MessageType::kDelete:
      return Delete(slow);
    case MessageType::kMultipartCreate:
      return MultipartCreate(slow);
    case MessageType::kPartBegin:
      return PartBegin(slow);
    case MessageType::kMultipartComplete:
      return MultipartComplete(slow);
    case MessageType::kMultipartAbort:
      return MultipartAbort(slow);
    case MessageType::kAttach:
      return Attach(slow);
    case MessageType::kDetach:
      return Detach(slow);
    case MessageType::kAttachments:
      return Attachments(slow);
    case MessageType::kEvict:
      return Evict(slow);
    case MessageType::kWhere:
      return Where(slow);
    case MessageType::kStatus:
      return Status(slow);
    case MessageType::kCell:
      return Cell(slow);
    case MessageType::kWindow:
      return Window(slow);
    case MessageType::kWindowSegment:
      return WindowSegment(slow);
    case MessageType::kPeerRead:
      return PeerRead(slow);
    case MessageType::kPeerResolve:
      return PeerResolve(slow);
    case MessageType::kPeerForget:
      return PeerForget(slow);
    default:
      return PerformByCell(slow);
  }
}

// ---- Sending.

OutBatch& Session::batch() {
  if (!batch_) batch_ = door_.batches.Take();
  return *batch_;
}

void Session::Queued(size_t size) {
  batch().Added(size);
  queued_bytes_ += size;
  door_.queued_bytes += size;
}

void Session::AnswerError(const wire::FrameHeader& request, const Error& error) {
  const size_t room = wire::kHeaderBytes + wire::kMaxErrorBytes + 8;
  Queued(EncodeErrorAnswer(batch().Room(room), request, door_.queue_depth(), error));
}

/// Sends what is queued, and what is queued meanwhile. At most one at a time (sending_).
Task<void> Session::Flush() {
  sending_ = true;
  while (batch_ && !ended_) {
    std::unique_ptr<OutBatch> sent = std::move(batch_);
    const uint64_t bytes = sent->bytes();
    const Instant now = door_.env.clock.Now();
    send_until_ =
        now + door_.options.send_timeout + std::chrono::seconds(bytes / kMinBytesPerSecond);
    if (reads_answered_ > 0) {
      latency().Add(now - arrived_, std::exchange(reads_answered_, 0));
    }
    const auto done = co_await stream_->Send(sent->Parts(), {});
    send_until_ = Instant::Never();
    queued_bytes_ -= bytes;
    door_.queued_bytes -= bytes;
    door_.batches.Give(std::move(sent));
    ++batches_sent_;
    changed_.Tell();
    if (!done) Shutdown();
  }
  sending_ = false;
  changed_.Tell();
}

}  // namespace forebay
