#include "src/client/link.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/base/assert.h"

namespace forebay::client {
namespace {

/// Of one receive: large where answers are small and many come at once; small where large data
/// follow, which are then received in place instead of being copied.
constexpr size_t kReceiveMany = 64u << 10;
constexpr size_t kReceiveHead = 2048;
/// Data are checked after so many bytes, while they are in the processor's cache.
constexpr size_t kCheckStride = 256u << 10;
constexpr size_t kScratchBytes = 64u << 10;
constexpr size_t kMaxUnclaimed = 64;  // descriptors that came and whose frame is not parsed yet

}  // namespace

Ticket::~Ticket() {
  if (Link* link = link_.load(); link != nullptr) link->GiveUp(*this);
}

Link::Link(Outside outside, std::unique_ptr<Channel> channel, uint64_t serial)
    : outside_(outside),
      channel_(std::move(channel)),
      serial_(serial),
      receive_size_(kReceiveMany) {}

Link::~Link() {
  FB_ASSERT(std::ranges::all_of(slots_, [](const Ticket* ticket) { return ticket == nullptr; }));
}

bool Link::broken() const {
  const Lock lock(mutex_);
  return broken_.has_value();
}

bool Link::suspect() const {
  const Lock lock(mutex_);
  return suspect_;
}

Error Link::TooLong(wire::MessageType type) {
  return Error(Code::kInvalidArgument,
               fmt::format("{}: a name is longer, or a list has more items, than may be sent "
                           "(a path: {} bytes)",
                           NameOf(type), wire::kMaxPathBytes));
}

// ---- Waiting.

Result<void> Link::Await(Ticket& ticket, Instant until) {
  Lock lock(mutex_);
  while (!ticket.outcome_ && outside_.dialer.Now() < until) {
    if (!leading_) {
      Lead(lock, &ticket, until);
      continue;
    }
    Enqueue(ticket);
    WaitOn(ticket.changed_, lock, until);
    Dequeue(ticket);
  }
  // Whoever was told to lead and has no use for it tells the next one.
  if (!leading_) PassOn();
  if (!ticket.outcome_) {
    // Nothing came since it was sent: the next one had better not wait here again.
    if (heard_ns_ < ticket.started_ns_) suspect_ = true;
    lock.unlock();
    GiveUp(ticket);
  }
  if (ticket.outcome_) return std::move(*ticket.outcome_);
  return Fail(Code::kDeadlineExceeded, channel_->peer() + ": no answer before the deadline");
}

void Link::Pump() {
  Lock lock(mutex_);
  if (!leading_ && !broken_) Lead(lock, nullptr, Instant{});
}

/// Receives until `own` is done, or `until`; with no ticket of its own, what has come already, up
/// to the first ticket that it ends. Leaves nothing behind that was received and not looked at:
/// whoever waits for the socket would not learn of it.
void Link::Lead(Lock& lock, Ticket* own, Instant until) {
  leading_ = true;
  const uint64_t ended_before = ended_;
  while (!broken_) {
    const bool receive = own != nullptr ? !own->outcome_.has_value() : ended_ == ended_before;
    lock.unlock();
    auto moved = Step(receive);
    const bool idle = moved && !*moved;
    const bool over = idle && (!receive || own == nullptr ||
                               channel_->Wait(Channel::kToRecv, until) == Channel::kNothing);
    lock.lock();
    if (moved && *moved) {
      heard_ns_ = outside_.dialer.Now().ns;
      suspect_ = false;
    }
    if (!moved) BreakLocked(std::move(moved.error()));
    if (over) break;
  }
  leading_ = false;
  if (broken_) BreakLocked(*broken_);  // also what was being received when another thread broke it
  PassOn();
}

void Link::PassOn() {
  if (first_waiting_ != nullptr) first_waiting_->changed_.notify_one();
}

void Link::Enqueue(Ticket& ticket) {
  ticket.previous_waiting_ = nullptr;
  ticket.next_waiting_ = first_waiting_;
  if (first_waiting_ != nullptr) first_waiting_->previous_waiting_ = &ticket;
  first_waiting_ = &ticket;
}

void Link::Dequeue(Ticket& ticket) {
  Ticket*& before = ticket.previous_waiting_ != nullptr ? ticket.previous_waiting_->next_waiting_
                                                        : first_waiting_;
  before = ticket.next_waiting_;
  if (ticket.next_waiting_ != nullptr) {
    ticket.next_waiting_->previous_waiting_ = ticket.previous_waiting_;
  }
}

// ---- Tickets.

Ticket* Link::Find(uint64_t id) const {
  const size_t slot = id & 0xffff;
  if (slot >= slots_.size() || slots_[slot] == nullptr || slots_[slot]->id_ != id) return nullptr;
  return slots_[slot];
}

void Link::Free(Ticket& ticket) {
  const auto slot = static_cast<uint16_t>(ticket.id_ & 0xffff);
  slots_[slot] = nullptr;
  free_slots_.push_back(slot);
  if (turn_waiters_ > 0) turn_.notify_all();
  ticket.link_ = nullptr;
}

void Link::End(Ticket& ticket, Result<void> outcome) {
  ticket.outcome_ = std::move(outcome);
  ++ended_;
  Free(ticket);
  ticket.changed_.notify_all();
  ticket.OnDone();
}

void Link::GiveUp(Ticket& ticket, bool tell_node) {
  {
    Lock lock(mutex_);
    ticket.changed_.wait(lock, [&ticket] { return !ticket.busy_; });
    if (ticket.link_ == nullptr) return;
    Free(ticket);
    if (broken_) return;
  }
  if (tell_node) Tell(ticket.id_, wire::CancelRequest{});
}

void Link::Break(Error error) {
  const Lock lock(mutex_);
  BreakLocked(std::move(error));
}

void Link::BreakLocked(Error error) {
  if (!broken_) {
    broken_ = std::move(error);
    channel_->Shutdown();
  }
  for (Ticket* ticket : slots_) {
    if (ticket != nullptr && !ticket->busy_) End(*ticket, Fail(*broken_));
  }
  turn_.notify_all();
}

// ---- Receiving. Runs in one thread at a time, without the lock but where it says so.

/// True: something was received or taken. With `receive` false only what was received before.
Result<bool> Link::Step(bool receive) {
  if (frame_) return receive ? ReceiveData() : false;
  FB_ASSIGN(const bool whole, inbox_.Parse());
  if (whole) {
    if (inbox_.header().type == wire::MessageType::kRefused) {
      FB_ASSIGN(const auto refused,
                wire::DecodeMeta<wire::Refused>(wire::MessageType::kRefused, inbox_.meta()));
      return Fail(wire::CodeOf(refused.status), std::string(refused.message));
    }
    BeginFrame();
    return ReceiveData();
  }
  if (!receive) return false;
  MutableBytes room = inbox_.Room(kReceiveHead);
  if (room.size() > receive_size_) room = room.first(receive_size_);
  FB_ASSIGN(const size_t received, channel_->TryRecv(room, &arrived_));
  inbox_.Received(received);
  if (arrived_.size() > kMaxUnclaimed) {
    return Fail(Code::kCorrupt, channel_->peer() + ": descriptors that belong to no answer");
  }
  return received > 0;
}

void Link::BeginFrame() {
  frame_.emplace(Frame{.header = inbox_.header(), .id = 0, .into = {}, .at = 0, .good = {}});
  Frame& frame = *frame_;
  receive_size_ = frame.header.data_size >= kReceiveMany ? kReceiveHead : kReceiveMany;
  const Lock lock(mutex_);
  Ticket* ticket = Find(frame.header.request_id);
  const size_t descriptors = std::min<size_t>(frame.header.descriptors, arrived_.size());
  if (ticket != nullptr) {
    std::move(arrived_.begin(), arrived_.begin() + static_cast<ptrdiff_t>(descriptors),
              std::back_inserter(ticket->descriptors_));
  }
  arrived_.erase(arrived_.begin(), arrived_.begin() + static_cast<ptrdiff_t>(descriptors));
  if (ticket == nullptr) return;
  auto room = ticket->exchange_.OnAnswer(frame.header, inbox_.meta());
  if (room) {
    frame.into = *room;
    frame.id = frame.header.request_id;
  } else {
    End(*ticket, Fail(std::move(room.error())));
  }
}

/// One receive of the frame's data, or its end.
Result<bool> Link::ReceiveData() {
  Frame& frame = *frame_;
  Ticket* ticket = nullptr;
  {
    const Lock lock(mutex_);
    ticket = frame.id != 0 && frame.good ? Find(frame.id) : nullptr;
    if (ticket != nullptr) ticket->busy_ = true;
  }
  Result<size_t> got = size_t{0};
  const size_t left = frame.header.data_size - frame.at;
  if (frame.at == 0 && !inbox_.BufferedData().empty()) {
    const Bytes buffered = inbox_.BufferedData();
    if (ticket != nullptr) std::memcpy(frame.into.data(), buffered.data(), buffered.size());
    got = buffered.size();
  } else if (left > 0) {
    if (ticket == nullptr && scratch_.empty()) scratch_.resize(kScratchBytes);
    MutableBytes room = ticket != nullptr ? frame.into.subspan(frame.at) : MutableBytes(scratch_);
    got = channel_->TryRecv(room.first(std::min({room.size(), left, kCheckStride})), nullptr);
  }
  if (got) frame.at += *got;
  if (got && *got > 0 && ticket != nullptr) frame.good = ticket->exchange_.OnData(frame.at);
  const bool whole = frame.at == frame.header.data_size;
  const Lock lock(mutex_);
  if (ticket != nullptr) {
    ticket->busy_ = false;
    ticket->changed_.notify_all();
  }
  if (!got) return Fail(std::move(got.error()));
  if (!whole) return *got > 0;
  EndFrame();
  return true;
}

/// Under the lock.
void Link::EndFrame() {
  Frame& frame = *frame_;
  Ticket* ticket = frame.id != 0 ? Find(frame.id) : nullptr;
  if (ticket != nullptr && (!frame.good || !frame.header.more_follow())) {
    End(*ticket, std::move(frame.good));
  }
  inbox_.Finish();
  frame_.reset();
}

}  // namespace forebay::client
