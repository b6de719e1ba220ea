#include "src/front/http/connection.h"

#include <algorithm>
#include <array>
#include <utility>

#include "src/base/assert.h"

namespace forebay::http {
namespace {

/// What an idle connection keeps; it grows with what comes.
constexpr size_t kUsualHeaderBytes = size_t{4} << 10;

constexpr size_t kKeptHeaders = 32;

/// So many of a body go out without an allocation for their list.
constexpr size_t kFewParts = 4;

const std::string kInvitation = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

HttpConnection::HttpConnection(Env& env, Stream& stream, const HttpLimits& limits)
    : env_(env),
      stream_(stream),
      limits_(limits),
      buffer_(std::min(kUsualHeaderBytes, limits.header_bytes)) {}

/// More input behind what is unread; 0 where the peer has finished. The buffer has room: a head
/// that would fill it is refused before, and bodies use all they are given.
Task<Result<size_t>> HttpConnection::Receive(Instant deadline, CancelToken cancel) {
  if (begin_ > 0) {
    std::copy(buffer_.begin() + static_cast<ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<ptrdiff_t>(end_), buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
  }
  FB_ASSERT(end_ < limits_.header_bytes);
  if (end_ == buffer_.size()) buffer_.resize(std::min(2 * end_, limits_.header_bytes));
  FB_CO_ASSIGN(const size_t size, co_await stream_.Recv(MutableBytes(buffer_).subspan(end_),
                                                        {.deadline = deadline, .cancel = cancel}));
  end_ += size;
  co_return size;
}

Task<bool> HttpConnection::NextRequest(CancelToken cancel) {
  if (!co_await FinishRequest(cancel)) co_return false;
  if (reader_ == nullptr) {
    reader_ = std::make_unique<RequestReader>(limits_.header_bytes);
  } else {
    reader_->Reset();
  }
  // An idle connection keeps no more than a usual request needs.
  if (request_.headers.capacity() > kKeptHeaders || request_.HeldBytes() > kUsualHeaderBytes) {
    request_ = {};
  }
  request_.method.clear();  // what is refused from now on answers no HEAD
  Instant deadline = env_.clock.Now() + (begin_ == end_ ? limits_.idle : limits_.header);
  while (true) {
    if (begin_ != end_) {
      const auto used = reader_->ReadHead(unread());
      if (!used) {
        co_await Refuse(used.error(), cancel);
        co_return false;
      }
      begin_ += *used;
      if (reader_->head_done()) break;
      if (end_ - begin_ == limits_.header_bytes) {
        co_await Refuse({431, "the request's headers are too large"}, cancel);
        co_return false;
      }
    }
    const bool first = begin_ == end_;
    const auto size = co_await Receive(deadline, cancel);
    if (!size && size.error().code() == Code::kDeadlineExceeded && !first) {
      co_await Refuse({408, "the request did not come in time"}, cancel);
    }
    if (!size || *size == 0) co_return false;
    if (first) deadline = env_.clock.Now() + limits_.header;
  }
  reader_->TakeHead(request_);
  body_left_ = request_.has_body ? request_.content_length : std::nullopt;
  body_bytes_ = 0;
  body_waited_ = {};
  const std::string* expect = request_.Find("Expect");
  expects_invitation_ = expect != nullptr && SameToken(*expect, "100-continue");
  waits_for_invitation_ = expects_invitation_ && request_.has_body;
  ++requests_;
  keep_alive_ = request_.keep_alive && requests_ < limits_.requests;
  co_return true;
}

/// Reads away what is left of the former request's body. False: the connection is to be closed.
Task<bool> HttpConnection::FinishRequest(CancelToken cancel) {
  if (reader_ == nullptr) co_return true;
  // Whether a client that was not invited sends its body nevertheless cannot be known.
  if (!keep_alive_ || waits_for_invitation_) co_return false;
  if (body_left_ ? *body_left_ == 0 : reader_->done()) co_return true;
  uint64_t left = limits_.unread_body_bytes;
  std::vector<std::byte> piece(4096);
  while (body_left_ ? *body_left_ > 0 : !reader_->done()) {
    const auto size = co_await ReadBody(piece, cancel);
    if (!size || *size > left) co_return false;
    if (*size == 0) break;
    left -= *size;
  }
  co_return true;
}

/// A client that said "Expect: 100-continue" holds its body back until somebody wants it.
Task<Result<void>> HttpConnection::InviteBody(CancelToken cancel) {
  if (!std::exchange(waits_for_invitation_, false)) co_return Result<void>();
  const Bytes parts[] = {AsBytes(kInvitation)};
  co_return co_await stream_.Send(parts,
                                  {.deadline = env_.clock.Now() + limits_.send, .cancel = cancel});
}

Instant HttpConnection::BodyDeadline() const {
  const Instant now = env_.clock.Now();
  if (limits_.body_bytes_per_second == 0) return now + limits_.body;
  const auto earned = std::chrono::seconds(body_bytes_ / limits_.body_bytes_per_second);
  return now + std::clamp(limits_.body + earned - body_waited_, Duration(0), limits_.body);
}

/// Waiting counts alone: while nobody here wants bytes, the client cannot send any.
void HttpConnection::CountBody(Instant since, const Result<size_t>& came) {
  body_waited_ += env_.clock.Now() - since;
  body_bytes_ += came.value_or(0);
}

/// Past what came with the head, bytes go straight to where they are wanted.
Task<Result<size_t>> HttpConnection::ReadSized(MutableBytes into, CancelToken cancel) {
  into = into.first(std::min<uint64_t>(into.size(), *body_left_));
  if (into.empty()) co_return 0;
  if (begin_ != end_) {
    const Bytes there = unread().first(std::min(into.size(), end_ - begin_));
    std::ranges::copy(there, into.begin());
    begin_ += there.size();
    *body_left_ -= there.size();
    co_return there.size();
  }
  FB_CO_TRY(co_await InviteBody(cancel));
  const Instant since = env_.clock.Now();
  const auto size = co_await stream_.Recv(into, {.deadline = BodyDeadline(), .cancel = cancel});
  CountBody(since, size);
  if (!size || *size == 0) keep_alive_ = false;
  if (!size) co_return Fail(size.error());
  if (*size == 0) co_return Fail(Code::kUnavailable, "the peer ended within a request's body");
  *body_left_ -= *size;
  co_return *size;
}

Task<Result<size_t>> HttpConnection::ReadBody(MutableBytes into, CancelToken cancel) {
  if (body_left_) co_return co_await ReadSized(into, cancel);
  while (true) {
    const auto progress = reader_->ReadBody(unread(), into);
    if (!progress) {
      keep_alive_ = false;
      co_return Fail(Code::kInvalidArgument, progress.error().why);
    }
    begin_ += progress->consumed;
    if (progress->produced > 0) co_return progress->produced;
    if (reader_->done()) co_return 0;
    if (progress->consumed > 0) continue;
    FB_CO_TRY(co_await InviteBody(cancel));
    if (end_ - begin_ == limits_.header_bytes) {
      keep_alive_ = false;
      co_return Fail(Code::kInvalidArgument, "a chunk's header is too large");
    }
    const Instant since = env_.clock.Now();
    const auto size = co_await Receive(BodyDeadline(), cancel);
    CountBody(since, size);
    if (!size || *size == 0) keep_alive_ = false;
    if (!size) co_return Fail(size.error());
    if (*size == 0) co_return Fail(Code::kUnavailable, "the peer ended within a request's body");
  }
}

ResponseHead HttpConnection::Completed(ResponseHead head) const {
  // Told now, what FinishRequest would find: the client must not send another.
  const bool stuck = waits_for_invitation_ || body_left_.value_or(0) > limits_.unread_body_bytes;
  head.keep_alive = head.keep_alive && keep_alive_ && !stuck;
  return head;
}

Task<Result<void>> HttpConnection::SendMore(std::span<const Bytes> body, CancelToken cancel) {
  const auto sent =
      co_await stream_.Send(body, {.deadline = env_.clock.Now() + limits_.send, .cancel = cancel});
  if (!sent) keep_alive_ = false;
  co_return sent;
}

Task<Result<void>> HttpConnection::Respond(ResponseHead head, std::span<const Bytes> body,
                                           CancelToken cancel) {
  head = Completed(std::move(head));
  keep_alive_ = head.keep_alive;
  std::string text = FormatHead(head);
  // Who waits to be invited with nothing to send should not; some that do take any other answer for
  // that to their next request, too.
  if (std::exchange(expects_invitation_, false) && !request_.has_body) text = kInvitation + text;
  if (request_.method == "HEAD") body = {};
  std::array<Bytes, kFewParts + 1> few;
  std::vector<Bytes> many(body.size() > kFewParts ? body.size() + 1 : 0);
  const std::span<Bytes> room = many.empty() ? std::span<Bytes>(few) : std::span<Bytes>(many);
  room[0] = AsBytes(text);
  std::ranges::copy(body, room.begin() + 1);
  const std::span<const Bytes> parts = room.first(body.size() + 1);
  const auto sent =
      co_await stream_.Send(parts, {.deadline = env_.clock.Now() + limits_.send, .cancel = cancel});
  if (!sent) keep_alive_ = false;
  co_return sent;
}

Task<void> HttpConnection::Refuse(Refusal refusal, CancelToken cancel) {
  keep_alive_ = false;
  const std::string body = refusal.why + "\n";
  const Bytes parts[] = {AsBytes(body)};
  static_cast<void>(co_await Respond(
      {.status = refusal.status, .content_length = body.size(), .keep_alive = false}, parts,
      cancel));
}

}  // namespace forebay::http
