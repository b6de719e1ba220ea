#include "src/platform/linux/dialer.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

#include "src/base/assert.h"
#include "src/platform/linux/address.h"
#include "src/platform/linux/errors.h"
#include "src/platform/linux/fork_guard.h"
#include "src/platform/linux/tcp_options.h"
#include "src/platform/linux/unique_fd.h"

namespace forebay::platform {
namespace {

constexpr size_t kMaxParts = 8;

Instant MonotonicNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return {now.tv_sec * 1'000'000'000 + now.tv_nsec};
}

/// The events that came, 0 when the time was over.
short Poll(int fd, short events, Instant until) {
  for (;;) {
    const int64_t left = std::max<int64_t>(0, until.ns - MonotonicNow().ns);
    const timespec timeout{left / 1'000'000'000, left % 1'000'000'000};
    pollfd what{.fd = fd, .events = events, .revents = 0};
    const int ready = ppoll(&what, 1, until == Instant::Never() ? nullptr : &timeout, nullptr);
    if (ready > 0) return what.revents;
    if (ready == 0 || errno != EINTR) return 0;
  }
}

class ReceivedFd final : public Descriptor {
 public:
  explicit ReceivedFd(int fd) : fd_(fd) {}
  int number() const override { return fd_.get(); }

 private:
  UniqueFd fd_;
};

void TakeDescriptors(msghdr& message, std::vector<std::unique_ptr<Descriptor>>* into) {
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr;
       head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      into->push_back(
          std::make_unique<ReceivedFd>(LoadFrom<int>(CMSG_DATA(head) + i * sizeof(int))));
    }
  }
}

class SocketChannel final : public Channel {
 public:
  SocketChannel(GuardedFd fd, std::string peer, bool is_unix)
      : fd_(std::move(fd)), peer_(std::move(peer)), is_unix_(is_unix) {}

  Result<size_t> TryRecv(MutableBytes into,
                         std::vector<std::unique_ptr<Descriptor>>* descriptors) override {
    FB_ASSERT(!into.empty());
    for (;;) {
      const ssize_t got = descriptors != nullptr && is_unix_
                              ? RecvWith(into, descriptors)
                              : recv(fd_.get(), into.data(), into.size(), MSG_DONTWAIT);
      if (got > 0) return static_cast<size_t>(got);
      if (got == 0) return Fail(Code::kUnavailable, peer_ + ": the node closed the connection");
      if (errno == EAGAIN || errno == EWOULDBLOCK) return size_t{0};
      if (errno != EINTR) return Fail(StreamError(errno, "receive from " + peer_));
    }
  }

  Result<size_t> TrySend(std::span<const Bytes> parts) override {
    FB_ASSERT(parts.size() <= kMaxParts);
    iovec all[kMaxParts];
    for (size_t i = 0; i < parts.size(); ++i) {
      all[i] = {const_cast<std::byte*>(parts[i].data()), parts[i].size()};
    }
    msghdr message{.msg_iov = all, .msg_iovlen = parts.size()};
    for (;;) {
      const ssize_t sent = sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent >= 0) return static_cast<size_t>(sent);
      if (errno == EAGAIN || errno == EWOULDBLOCK) return size_t{0};
      if (errno != EINTR) return Fail(StreamError(errno, "send to " + peer_));
    }
  }

  uint8_t Wait(uint8_t what, Instant until) override {
    const auto wanted = static_cast<short>(((what & kToRecv) != 0 ? POLLIN : 0) |
                                           ((what & kToSend) != 0 ? POLLOUT : 0));
    const short came = Poll(fd_.get(), wanted, until);
    if ((came & (POLLERR | POLLHUP | POLLNVAL)) != 0) return what;
    return static_cast<uint8_t>(((came & POLLIN) != 0 ? kToRecv : 0) |
                                ((came & POLLOUT) != 0 ? kToSend : 0));
  }

  void Shutdown() override {
    if (!is_unix_) ResetIfUnread(fd_.get());
    shutdown(fd_.get(), SHUT_RDWR);
  }
  const std::string& peer() const override { return peer_; }
  bool is_unix() const override { return is_unix_; }
  int descriptor() const { return fd_.get(); }

 private:
  ssize_t RecvWith(MutableBytes into, std::vector<std::unique_ptr<Descriptor>>* descriptors) {
    alignas(cmsghdr) std::byte control[CMSG_SPACE(kMaxDescriptors * sizeof(int))];
    iovec part{into.data(), into.size()};
    msghdr message{.msg_iov = &part,
                   .msg_iovlen = 1,
                   .msg_control = control,
                   .msg_controllen = sizeof control};
    const ssize_t got = recvmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got > 0) TakeDescriptors(message, descriptors);
    return got;
  }

  const GuardedFd fd_;
  const std::string peer_;
  const bool is_unix_;
};

class EpollBeacon final : public Beacon {
 public:
  EpollBeacon(GuardedFd epoll, GuardedFd event)
      : epoll_(std::move(epoll)), event_(std::move(event)) {}

  int descriptor() const override { return epoll_.get(); }
  Result<void> Watch(Channel& channel) override {
    return Add(static_cast<SocketChannel&>(channel).descriptor());
  }
  void Forget(Channel& channel) override {
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, static_cast<SocketChannel&>(channel).descriptor(),
              nullptr);
  }
  void Raise() override {
    const uint64_t one = 1;
    std::ignore = write(event_.get(), &one, sizeof one);
  }
  void Lower() override {
    uint64_t count = 0;
    std::ignore = read(event_.get(), &count, sizeof count);
  }
  bool Wait(Instant until) override { return Poll(epoll_.get(), POLLIN, until) != 0; }

  Result<void> Add(int fd) {
    epoll_event event{.events = EPOLLIN, .data = {}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
    return Fail(ErrnoError(errno, "watch a connection"));
  }
  int event() const { return event_.get(); }

 private:
  const GuardedFd epoll_;
  const GuardedFd event_;
};

Result<std::unique_ptr<Channel>> DialOne(const SocketAddress& to, const std::string& name,
                                         Instant until) {
  const bool is_unix = to.family() == AF_UNIX;
  FB_ASSIGN(GuardedFd fd, GuardedFd::Of([&to] {
              return socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            }));
  const std::string what = "connect to " + name;
  if (!is_unix) PrepareTcp(fd.get());
  if (connect(fd.get(), to.raw(), to.size) != 0) {
    int error = errno;
    if (error != EINPROGRESS && error != EINTR) return Fail(StreamError(error, what));
    if (Poll(fd.get(), POLLOUT, until) == 0) {
      return Fail(Code::kDeadlineExceeded, what + ": no answer before the deadline");
    }
    socklen_t size = sizeof error;
    getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return Fail(StreamError(error, what));
  }
  return std::make_unique<SocketChannel>(std::move(fd), name, is_unix);
}

}  // namespace

Instant LinuxDialer::Now() {
  return MonotonicNow();
}

uint64_t LinuxDialer::Random() {
  uint64_t value = 0;
  if (getrandom(&value, sizeof value, 0) != sizeof value) value = static_cast<uint64_t>(Now().ns);
  return value;
}

uint64_t LinuxDialer::Generation() {
  return ForkGeneration();
}

Result<std::unique_ptr<Channel>> LinuxDialer::Dial(const std::string& address, Instant until) {
  FB_ASSIGN(const ParsedAddress parsed, ParseAddress(address));
  std::vector<SocketAddress> found = ResolveNumeric(parsed);
  if (found.empty()) {
    FB_ASSIGN(found, ResolveName(parsed));
  }
  Error last(Code::kUnavailable, "connect to " + address + ": no address");
  for (const SocketAddress& to : found) {
    auto channel = DialOne(to, address, until);
    if (channel) return channel;
    last = std::move(channel.error());
  }
  return Fail(std::move(last));
}

Result<std::unique_ptr<Beacon>> LinuxDialer::MakeBeacon() {
  FB_ASSIGN(GuardedFd epoll, GuardedFd::Of([] { return epoll_create1(EPOLL_CLOEXEC); }));
  FB_ASSIGN(GuardedFd event, GuardedFd::Of([] { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }));
  auto beacon = std::make_unique<EpollBeacon>(std::move(epoll), std::move(event));
  FB_TRY(beacon->Add(beacon->event()));
  return beacon;
}

}  // namespace forebay::platform
