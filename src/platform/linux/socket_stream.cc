#include "src/platform/linux/socket_stream.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "src/base/assert.h"
#include "src/platform/linux/awaits.h"
#include "src/platform/linux/errors.h"
#include "src/platform/linux/io_parts.h"

namespace forebay::platform {
namespace {

constexpr uint64_t kMaxTransfer = 1u << 30;
// MSG_WAITALL lets the ring go on after a partial send by itself; elsewhere it means nothing.
constexpr int kSendFlags = MSG_NOSIGNAL | MSG_WAITALL;

/// Zero copy pins pages, which an ordinary user may do for a few MiB only, and some transports have
/// none: such a send is made again as an ordinary one.
bool ZeroCopyRefused(int32_t result) {
  return result == -ENOMEM || result == -ENOBUFS || result == -EINVAL || result == -EOPNOTSUPP;
}

}  // namespace

SocketStream::SocketStream(Reactor& reactor, UniqueFd fd, std::string peer, bool is_tcp,
                           uint64_t zero_copy_bytes)
    : reactor_(reactor),
      fd_(std::move(fd)),
      socket_{.fd = fd_.get(), .short_read_drains = is_tcp},
      peer_(std::move(peer)),
      zero_copy_bytes_(is_tcp && reactor.backend().HasZeroCopy() ? zero_copy_bytes : 0) {}

Result<std::unique_ptr<Stream>> SocketStream::Make(Reactor& reactor, UniqueFd fd, std::string peer,
                                                   bool is_tcp, uint64_t zero_copy_bytes) {
  std::unique_ptr<SocketStream> stream(
      new SocketStream(reactor, std::move(fd), std::move(peer), is_tcp, zero_copy_bytes));
  FB_TRY(reactor.backend().Attach(stream->socket_));
  return stream;
}

SocketStream::~SocketStream() {
  reactor_.backend().Detach(socket_);
}

Error SocketStream::ErrorOf(int32_t result, std::string_view verb) const {
  const std::string what = fmt::format("{} {}", verb, peer_);
  if (result == -ETIME) return Error(Code::kDeadlineExceeded, what + ": deadline passed");
  if (shut_) return Error(Code::kCancelled, what + ": shut down here");
  return StreamError(-result, what);
}

Task<Result<size_t>> SocketStream::Recv(MutableBytes into, Call call) {
  FB_ASSERT(!into.empty());
  Op op{.code = OpCode::kRecv,
        .data = into.data(),
        .length = std::min<uint64_t>(into.size(), kMaxTransfer),
        .socket = &socket_};
  const int32_t result = co_await GuardedPerform(reactor_, op, call);
  if (result < 0 || (result == 0 && shut_)) co_return Fail(ErrorOf(result, "receive from"));
  co_return static_cast<size_t>(result);
}

Task<Result<void>> SocketStream::Send(std::span<const Bytes> parts, Call call) {
  return parts.size() == 1 ? SendOne(parts.front(), call) : SendParts(parts, call);
}

Task<Result<void>> SocketStream::SendOne(Bytes bytes, Call call) {
  while (!bytes.empty()) {
    const bool zero_copy = WantsZeroCopy(bytes.size());
    Op op{.code = zero_copy ? OpCode::kSendZeroCopy : OpCode::kSend,
          .flags = kSendFlags,
          .data = const_cast<std::byte*>(bytes.data()),
          .length = std::min<uint64_t>(bytes.size(), kMaxTransfer),
          .socket = &socket_};
    zero_copy_send_ = zero_copy ? &op : nullptr;
    const int32_t result = co_await GuardedPerform(reactor_, op, call);
    zero_copy_send_ = nullptr;
    if (op.copied_anyway) zero_copy_bytes_ = 0;
    if (zero_copy && ZeroCopyRefused(result)) {
      zero_copy_bytes_ = 0;
      continue;
    }
    if (result < 0) co_return Fail(ErrorOf(result, "send to"));
    bytes = bytes.subspan(static_cast<size_t>(result));
  }
  co_return Result<void>{};
}

Task<Result<void>> SocketStream::SendParts(std::span<const Bytes> parts, Call call) {
  PartsCursor cursor(parts);
  while (!cursor.done()) {
    const std::span<iovec> window = cursor.Window();
    msghdr message{};
    message.msg_iov = window.data();
    message.msg_iovlen = window.size();
    Op op{.code = OpCode::kSendMessage, .flags = kSendFlags, .data = &message, .socket = &socket_};
    const int32_t result = co_await GuardedPerform(reactor_, op, call);
    if (result < 0) co_return Fail(ErrorOf(result, "send to"));
    cursor.Advance(static_cast<size_t>(result));
  }
  co_return Result<void>{};
}

void SocketStream::Shutdown() {
  shut_ = true;
  shutdown(fd_.get(), SHUT_RDWR);
  // Would otherwise wait until the peer has taken what is on its way.
  if (zero_copy_send_ != nullptr) reactor_.backend().Cancel(*zero_copy_send_);
}

}  // namespace forebay::platform
