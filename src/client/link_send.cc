// How requests leave a link: one thread sends at a time, the others wait for their turn.
#include <fmt/format.h>

#include <algorithm>

#include "src/client/link.h"

namespace forebay::client {
namespace {

/// Who waits for room to send looks so often whether somebody still receives: a node that waits for
/// us to take its answers takes nothing from us.
constexpr Duration kLookAgain = std::chrono::milliseconds(20);
/// The node is told to give up so much earlier, so that its answer, which says what it waited for,
/// is here before we stop waiting for it.
constexpr int64_t kWordsMs = 100;

}  // namespace

void Link::WaitOn(std::condition_variable& changed, Lock& lock, Instant until) {
  const Duration left = until - outside_.dialer.Now();
  if (left.count() > 0) changed.wait_for(lock, std::min<Duration>(left, std::chrono::hours(24)));
}

uint32_t Link::MillisLeft(Instant until) const {
  const int64_t left = (until - outside_.dialer.Now()).count() / 1'000'000;
  const int64_t told = left - std::min(left / 16, kWordsMs);
  return static_cast<uint32_t>(std::clamp<int64_t>(told, 1, UINT32_MAX));
}

Result<void> Link::Register(Ticket& ticket, Instant until, bool wait_for_room) {
  Lock lock(mutex_);
  while (!broken_ && free_slots_.empty()) {
    if (!wait_for_room || outside_.dialer.Now() >= until) {
      return Fail(Code::kOverloaded,
                  fmt::format("{}: {} requests are in flight, as many as the node takes of one "
                              "connection; collect some, or allow more connections",
                              channel_->peer(), slots_.size()));
    }
    if (!leading_) {
      // Answers make room, and nobody is there to receive them.
      lock.unlock();
      AwaitProgress(false, until);
      lock.lock();
      continue;
    }
    ++turn_waiters_;
    WaitOn(turn_, lock, std::min(until, outside_.dialer.Now() + kLookAgain));
    --turn_waiters_;
  }
  if (broken_) return Fail(*broken_);
  const uint16_t slot = free_slots_.back();
  free_slots_.pop_back();
  ticket.id_ = next_id_++ << 16 | slot;
  ticket.link_ = this;
  ticket.started_ns_ = outside_.dialer.Now().ns;
  ticket.outcome_.reset();
  ticket.descriptors_.clear();
  slots_[slot] = &ticket;
  return {};
}

Result<void> Link::TakeSendTurn(Lock& lock, Instant until) {
  while (sending_ && !broken_) {
    if (outside_.dialer.Now() >= until) {
      return Fail(Code::kDeadlineExceeded, channel_->peer() + ": takes no requests");
    }
    ++turn_waiters_;
    WaitOn(turn_, lock, until);
    --turn_waiters_;
  }
  if (broken_) return Fail(*broken_);
  sending_ = true;
  return {};
}

Result<void> Link::Send(Bytes frame, Bytes data, Instant until) {
  Lock lock(mutex_);
  FB_TRY(TakeSendTurn(lock, until));
  wire::GrowingBuffer before;
  before.Swap(deferred_);
  lock.unlock();
  Bytes parts[] = {before.bytes(), frame, data};
  auto sent = SendParts(parts, until);
  lock.lock();
  if (!sent) BreakLocked(sent.error());  // an unknown part of the frame is with the node
  FlushDeferred(lock);
  sending_ = false;
  if (turn_waiters_ > 0) turn_.notify_all();
  return sent;
}

Result<void> Link::SendParts(std::span<Bytes> parts, Instant until) {
  for (;;) {
    while (!parts.empty() && parts.front().empty()) parts = parts.subspan(1);
    if (parts.empty()) return {};
    FB_ASSIGN(size_t sent, channel_->TrySend(parts));
    if (sent == 0) {
      if (outside_.dialer.Now() >= until) {
        return Fail(Code::kUnavailable, channel_->peer() + ": the node takes no requests");
      }
      AwaitProgress(true, until);
    }
    for (Bytes& part : parts) {
      const size_t taken = std::min(sent, part.size());
      part = part.subspan(taken);
      sent -= taken;
    }
  }
}

/// Receives meanwhile, if nobody else does: for a short while.
void Link::AwaitProgress(bool to_send, Instant until) {
  Lock lock(mutex_);
  const bool lead = !leading_ && !broken_;
  lock.unlock();
  const uint8_t what = (lead ? Channel::kToRecv : 0) | (to_send ? Channel::kToSend : 0);
  const uint8_t ready = channel_->Wait(what, std::min(until, outside_.dialer.Now() + kLookAgain));
  if ((ready & Channel::kToRecv) != 0) Pump();
}

void Link::SendLater(Bytes frame) {
  Lock lock(mutex_);
  if (broken_) return;
  deferred_.Append(frame);
  if (sending_) return;
  sending_ = true;
  FlushDeferred(lock);
  sending_ = false;
  if (turn_waiters_ > 0) turn_.notify_all();
}

/// What goes at once; the rest goes with the next send. The lock may be held: this never waits.
void Link::FlushDeferred(Lock&) {
  if (broken_ || deferred_.empty()) return;
  const Bytes part = deferred_.bytes();
  const auto sent = channel_->TrySend(std::span(&part, 1));
  if (!sent) return BreakLocked(sent.error());
  deferred_.DropFront(*sent);
}

}  // namespace forebay::client
