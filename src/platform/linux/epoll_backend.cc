#include "src/platform/linux/epoll_backend.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "src/base/assert.h"
#include "src/platform/linux/errors.h"
#include "src/platform/linux/reactor.h"

namespace forebay::platform {
namespace {

constexpr int kEventsPerTurn = 256;
/// Calls that succeed at once do not suspend, up to this many a turn: a peer that always has more
/// to say must not starve the others.
constexpr int kImmediatePerTurn = 128;
/// In epoll's word per descriptor: this pointer is a kPoll's Op, not a Socket.
constexpr uintptr_t kPollTag = 1;

class EpollBackend final : public Backend {
 public:
  EpollBackend(Reactor& reactor, FilePool& pool) : reactor_(reactor), pool_(pool) {}
  ~EpollBackend() override;
  Result<void> Open();

  Result<void> Enter() override { return {}; }
  Result<void> Attach(Socket& socket) override;
  void Detach(Socket& socket) override;
  bool Start(Op& op) override;
  void Cancel(Op& op) override;
  void Wait(Instant now, Instant until) override;
  void Wake() override;
  bool HasZeroCopy() const override { return false; }
  int SocketFlags() const override { return SOCK_NONBLOCK; }

 private:
  static bool Try(Op& op);
  bool StartPoll(Op& op);
  void WatchWrites(Socket& socket);
  void ForgetEvents(const Op& op);
  void Take(const epoll_event& event);
  void Retry(Socket::Side& side);
  int WaitForEvents(Instant now, Instant until);

  Reactor& reactor_;
  FilePool& pool_;
  int epoll_fd_ = -1;
  int wake_fd_ = -1;
  int immediate_left_ = kImmediatePerTurn;
  bool has_pwait2_ = true;
  std::array<epoll_event, kEventsPerTurn> events_;
  int event_count_ = 0;
  int next_event_ = 0;
};

bool IsWrite(OpCode code) {
  return code == OpCode::kSend || code == OpCode::kSendMessage || code == OpCode::kConnect;
}
Socket::Side& SideOf(Op& op) {
  return IsWrite(op.code) ? op.socket->write : op.socket->read;
}

EpollBackend::~EpollBackend() {
  if (epoll_fd_ >= 0) close(epoll_fd_);
  if (wake_fd_ >= 0) close(wake_fd_);
}

Result<void> EpollBackend::Open() {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd_ < 0) return Fail(ErrnoError(errno, "epoll_create1"));
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) return Fail(ErrnoError(errno, "eventfd"));
  // Edge-triggered: each write is an edge, so nobody ever needs to read it.
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = nullptr}};
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event) != 0) {
    return Fail(ErrnoError(errno, "epoll_ctl"));
  }
  return {};
}

Result<void> EpollBackend::Attach(Socket& socket) {
  epoll_event event{.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data = {.ptr = &socket}};
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, socket.fd, &event) != 0) {
    return Fail(ErrnoError(errno, "epoll_ctl"));
  }
  return {};
}

void EpollBackend::Detach(Socket& socket) {
  FB_ASSERT(socket.read.waiting == nullptr && socket.write.waiting == nullptr);
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, socket.fd, nullptr);
}

/// Edges of writability are asked for from the first write that had to wait: on Unix sockets each
/// message that the peer takes would otherwise be one.
void EpollBackend::WatchWrites(Socket& socket) {
  if (socket.watches_writes) return;
  socket.watches_writes = true;
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = &socket}};
  epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, socket.fd, &event);
}

/// Asked again, connect tells how the attempt stands.
ssize_t Connect(Op& op) {
  const int result = connect(op.socket->fd, static_cast<const sockaddr*>(op.data),
                             static_cast<socklen_t>(op.length));
  return result != 0 && errno == EISCONN ? 0 : result;
}

ssize_t CallKernel(Op& op) {
  const int fd = op.socket->fd;
  switch (op.code) {
    case OpCode::kRecv:
      return recv(fd, op.data, op.length, 0);
    case OpCode::kRecvMessage:
      return recvmsg(fd, static_cast<msghdr*>(op.data), op.flags);
    case OpCode::kSend:
      return send(fd, op.data, op.length, op.flags);
    case OpCode::kSendMessage:
      return sendmsg(fd, static_cast<const msghdr*>(op.data), op.flags);
    case OpCode::kAccept:
      return accept4(fd, nullptr, nullptr, op.flags);
    case OpCode::kConnect:
      return Connect(op);
    default:
      FB_ASSERT(false);
      return -1;
  }
}

bool WouldBlock(const Op& op, int error) {
  if (op.code != OpCode::kConnect) return error == EAGAIN;
  // EAGAIN there is a Unix listener with a full queue, and no edge would follow.
  return error == EINPROGRESS || error == EALREADY;
}

/// True where the op is done; false where it would block.
bool EpollBackend::Try(Op& op) {
  ssize_t result = 0;
  do {
    result = CallKernel(op);
  } while (result < 0 && errno == EINTR);
  if (result < 0 && WouldBlock(op, errno)) {
    SideOf(op).ready = false;
    return false;
  }
  op.result = static_cast<int32_t>(result < 0 ? -errno : result);
  Socket& socket = *op.socket;
  if (op.code == OpCode::kRecv && socket.short_read_drains && !socket.ended && result > 0 &&
      static_cast<uint64_t>(result) < op.length) {
    socket.read.ready = false;  // saves the call that would only say EAGAIN
  }
  return true;
}

bool EpollBackend::StartPoll(Op& op) {
  epoll_event event{.events = static_cast<uint32_t>(op.flags) | EPOLLONESHOT,
                    .data = {.ptr = nullptr}};
  event.data.u64 = reinterpret_cast<uintptr_t>(&op) | kPollTag;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, op.fd, &event) == 0) return false;
  if (errno == EEXIST && epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, op.fd, &event) == 0) return false;
  op.result = -errno;
  op.done = true;
  return true;
}

bool EpollBackend::Start(Op& op) {
  switch (op.code) {
    case OpCode::kRead:
    case OpCode::kWrite:
    case OpCode::kWriteParts:
    case OpCode::kSync:
    case OpCode::kCall:
      pool_.Start(op);
      return false;
    case OpCode::kPoll:
      return StartPoll(op);
    default:
      break;
  }
  Socket::Side& side = SideOf(op);
  FB_ASSERT(side.waiting == nullptr);
  if (side.ready && Try(op)) {
    if (immediate_left_-- > 0) {
      op.done = true;
      return true;
    }
    reactor_.Complete(op, op.result);
    return false;
  }
  side.waiting = &op;
  if (IsWrite(op.code)) WatchWrites(*op.socket);
  return false;
}

void EpollBackend::Cancel(Op& op) {
  if (op.done) return;
  if (op.code == OpCode::kPoll) {
    epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, op.fd, nullptr);
    ForgetEvents(op);
  } else {
    SideOf(op).waiting = nullptr;
  }
  reactor_.Complete(op, -ECANCELED);
}

/// A poll may be cancelled, and gone, while the events of a turn are taken, by what another one of
/// them told: its own must not be looked at any more.
void EpollBackend::ForgetEvents(const Op& op) {
  for (int i = next_event_; i < event_count_; ++i) {
    epoll_event& event = events_[static_cast<size_t>(i)];
    if (event.data.u64 == (reinterpret_cast<uintptr_t>(&op) | kPollTag)) event.data.ptr = nullptr;
  }
}

int EpollBackend::WaitForEvents(Instant now, Instant until) {
  if (until == Instant::Never()) return epoll_wait(epoll_fd_, events_.data(), kEventsPerTurn, -1);
  if (until <= now) return epoll_wait(epoll_fd_, events_.data(), kEventsPerTurn, 0);
  const int64_t ns = (until - now).count();
  if (has_pwait2_) {
    const timespec timeout{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
    const int count = epoll_pwait2(epoll_fd_, events_.data(), kEventsPerTurn, &timeout, nullptr);
    if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
    has_pwait2_ = false;
  }
  constexpr int64_t kMaxMs = 1'000'000;
  const int64_t ms = std::min<int64_t>((ns + 999'999) / 1'000'000, kMaxMs);
  return epoll_wait(epoll_fd_, events_.data(), kEventsPerTurn, static_cast<int>(ms));
}

void EpollBackend::Wait(Instant now, Instant until) {
  immediate_left_ = kImmediatePerTurn;
  event_count_ = WaitForEvents(now, until);
  FB_ASSERT(event_count_ >= 0 || errno == EINTR);
  for (next_event_ = 0; next_event_ < event_count_;) {
    Take(events_[static_cast<size_t>(next_event_++)]);
  }
}

/// No coroutine runs while events are taken, so that no later event of the turn can point to a
/// socket that is gone.
void EpollBackend::Take(const epoll_event& event) {
  if (event.data.ptr == nullptr) return;  // woken
  if ((event.data.u64 & kPollTag) != 0) {
    auto* op = reinterpret_cast<Op*>(event.data.u64 & ~kPollTag);
    if (!op->done) reactor_.Complete(*op, static_cast<int32_t>(event.events));
    return;
  }
  auto& socket = *static_cast<Socket*>(event.data.ptr);
  if ((event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) socket.ended = true;
  if (socket.ended || (event.events & EPOLLIN) != 0) Retry(socket.read);
  if ((event.events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) Retry(socket.write);
}

void EpollBackend::Retry(Socket::Side& side) {
  side.ready = true;
  if (side.waiting == nullptr || !Try(*side.waiting)) return;
  Op& op = *side.waiting;
  side.waiting = nullptr;
  reactor_.Complete(op, op.result);
}

void EpollBackend::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
}

}  // namespace

Result<std::unique_ptr<Backend>> MakeEpollBackend(Reactor& reactor, FilePool& pool) {
  auto backend = std::make_unique<EpollBackend>(reactor, pool);
  FB_TRY(backend->Open());
  return backend;
}

}  // namespace forebay::platform
