#include "src/platform/linux/socket_stream.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "src/base/assert.h"
#include "src/platform/linux/awaits.h"
#include "src/platform/linux/errors.h"
#include "src/platform/linux/tcp_options.h"

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

class OwnedDescriptor final : public Descriptor {
 public:
  explicit OwnedDescriptor(int fd) : fd_(fd) {}
  int number() const override { return fd_.get(); }

 private:
  UniqueFd fd_;
};

/// Room for the descriptors of one message, as the kernel wants them.
class DescriptorBuffer {
 public:
  void Put(msghdr& message, std::span<const int> descriptors) {
    MakeRoom(message);
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(head), descriptors.data(), descriptors.size_bytes());
  }
  void MakeRoom(msghdr& message) {
    message.msg_control = bytes_;
    message.msg_controllen = sizeof bytes_;
  }
  static void Take(msghdr& message, std::vector<std::unique_ptr<Descriptor>>* into) {
    for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr;
         head = CMSG_NXTHDR(&message, head)) {
      if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
      const size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < count; ++i) {
        into->push_back(
            std::make_unique<OwnedDescriptor>(LoadFrom<int>(CMSG_DATA(head) + i * sizeof(int))));
      }
    }
  }

 private:
  alignas(cmsghdr) std::byte bytes_[CMSG_SPACE(kMaxDescriptors * sizeof(int))] = {};
};

}  // namespace

SocketStream::SocketStream(Reactor& reactor, UniqueFd fd, std::string peer, bool is_tcp,
                           uint64_t zero_copy_bytes)
    : reactor_(reactor),
      fd_(std::move(fd)),
      socket_{.fd = fd_.get(), .short_read_drains = is_tcp},
      peer_(std::move(peer)),
      is_tcp_(is_tcp),
      zero_copy_bytes_(is_tcp && reactor.backend().HasZeroCopy() ? zero_copy_bytes : 0) {}

Result<std::unique_ptr<Stream>> SocketStream::Make(Reactor& reactor, UniqueFd fd, std::string peer,
                                                   bool is_tcp, uint64_t zero_copy_bytes) {
  std::unique_ptr<SocketStream> stream(
      new SocketStream(reactor, std::move(fd), std::move(peer), is_tcp, zero_copy_bytes));
  FB_TRY(reactor.backend().Attach(stream->socket_));
  if (is_tcp) KeepSendsNear(stream->fd_.get());
  return stream;
}

SocketStream::~SocketStream() {
  if (fd_.get() >= 0) reactor_.backend().Detach(socket_);
}

Result<std::unique_ptr<Descriptor>> SocketStream::Release() {
  FB_ASSERT(socket_.inbox == nullptr);  // nothing was received
  reactor_.backend().Detach(socket_);
  return std::make_unique<OwnedDescriptor>(fd_.release());
}

bool SocketStream::HasNews() const {
  pollfd news{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  return poll(&news, 1, 0) != 0;
}

void SocketStream::WakeAt(int bytes) {
  FB_ASSERT(is_tcp_);
  if (std::exchange(wakes_at_, bytes) != bytes) platform::WakeAt(fd_.get(), bytes);
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
  return parts.size() == 1 ? SendOne(parts.front(), call) : SendParts(PartsCursor(parts), call);
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

Task<Result<void>> SocketStream::SendParts(PartsCursor cursor, Call call) {
  while (!cursor.done()) {
    const std::span<iovec> window = cursor.Window();
    msghdr message{};
    message.msg_iov = window.data();
    message.msg_iovlen = window.size();
    Op op{.code = OpCode::kSendMessage,
          .flags = kSendFlags,
          .data = &message,
          .length = SizeOf(window),
          .socket = &socket_};
    const int32_t result = co_await GuardedPerform(reactor_, op, call);
    if (result < 0) co_return Fail(ErrorOf(result, "send to"));
    cursor.Advance(static_cast<size_t>(result));
  }
  co_return Result<void>{};
}

std::optional<PeerProcess> SocketStream::peer_process() const {
  if (is_tcp_) return std::nullopt;
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  return PeerProcess{.uid = peer.uid, .gid = peer.gid, .pid = static_cast<uint32_t>(peer.pid)};
}

Task<Result<void>> SocketStream::SendDescriptors(std::span<const Bytes> parts,
                                                 std::span<const int> descriptors, Call call) {
  if (is_tcp_) co_return co_await Stream::SendDescriptors(parts, descriptors, call);
  PartsCursor cursor(parts);
  if (cursor.done() || descriptors.empty() || descriptors.size() > kMaxDescriptors) {
    co_return Fail(Code::kInvalidArgument,
                   fmt::format("send {} descriptors to {}: 1 to {} go, with "
                               "a byte at least",
                               descriptors.size(), peer_, kMaxDescriptors));
  }
  DescriptorBuffer control;
  const std::span<iovec> window = cursor.Window();
  msghdr message{.msg_iov = window.data(), .msg_iovlen = window.size()};
  control.Put(message, descriptors);
  // Without MSG_WAITALL: a ring that sent the rest by itself could send the descriptors twice.
  Op op{.code = OpCode::kSendMessage,
        .flags = MSG_NOSIGNAL,
        .data = &message,
        .length = SizeOf(window),
        .socket = &socket_};
  const int32_t result = co_await GuardedPerform(reactor_, op, call);
  if (result < 0) co_return Fail(ErrorOf(result, "send descriptors to"));
  cursor.Advance(static_cast<size_t>(result));
  co_return co_await SendParts(cursor, call);
}

Task<Result<size_t>> SocketStream::RecvDescriptors(
    MutableBytes into, std::vector<std::unique_ptr<Descriptor>>* descriptors, Call call) {
  if (is_tcp_) co_return co_await Stream::RecvDescriptors(into, descriptors, call);
  FB_ASSERT(!into.empty());
  DescriptorBuffer control;
  iovec part{into.data(), std::min<uint64_t>(into.size(), kMaxTransfer)};
  msghdr message{.msg_iov = &part, .msg_iovlen = 1};
  control.MakeRoom(message);
  Op op{.code = OpCode::kRecvMessage,
        .flags = MSG_CMSG_CLOEXEC,
        .data = &message,
        .socket = &socket_};
  const int32_t result = co_await GuardedPerform(reactor_, op, call);
  if (result < 0 || (result == 0 && shut_)) co_return Fail(ErrorOf(result, "receive from"));
  DescriptorBuffer::Take(message, descriptors);
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    co_return Fail(Code::kCorrupt, fmt::format("receive from {}: more than {} descriptors came, or "
                                               "this process may not open so many (ulimit -n)",
                                               peer_, kMaxDescriptors));
  }
  co_return static_cast<size_t>(result);
}

void SocketStream::Shutdown() {
  if (is_tcp_ && !shut_) ResetIfUnread(fd_.get());
  shut_ = true;
  shutdown(fd_.get(), SHUT_RDWR);
  // Would otherwise wait until the peer has taken what is on its way.
  if (zero_copy_send_ != nullptr) reactor_.backend().Cancel(*zero_copy_send_);
}

}  // namespace forebay::platform
