#include "src/platform/linux/tcp_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "src/platform/linux/address.h"

namespace forebay::platform {
namespace {

/// Who says nothing is asked after half a minute, and gone after a whole one. While something that
/// was sent is not acknowledged, the kernel does not ask but sends again, for a quarter of an hour;
/// a shorter limit for that would end readers who pause, too.
constexpr int kSilentSeconds = 30;
constexpr int kAskEverySeconds = 10;
constexpr int kAsked = 3;

/// What may wait for a reader of this machine; the kernel takes twice as much. So few bytes are
/// still in the processor's caches when he copies them out. Left to itself the kernel lets 4 MiB
/// wait, and eight connections together get a quarter less for a sixth more of a core.
constexpr int kNearSendBytes = 256 << 10;

void SetOption(int fd, int level, int option, int value = 1) {
  setsockopt(fd, level, option, &value, sizeof value);
}

bool SameHost(const SocketAddress& one, const SocketAddress& other) {
  if (one.family() != other.family()) return false;
  if (one.family() == AF_INET) {
    const auto& a = *reinterpret_cast<const sockaddr_in*>(one.raw());
    const auto& b = *reinterpret_cast<const sockaddr_in*>(other.raw());
    return a.sin_addr.s_addr == b.sin_addr.s_addr;
  }
  if (one.family() == AF_INET6) {
    const auto& a = *reinterpret_cast<const sockaddr_in6*>(one.raw());
    const auto& b = *reinterpret_cast<const sockaddr_in6*>(other.raw());
    return std::memcmp(&a.sin6_addr, &b.sin6_addr, sizeof a.sin6_addr) == 0;
  }
  return false;
}

}  // namespace

void PrepareTcp(int fd) {
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY);
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kSilentSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, kAskEverySeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, kAsked);
}

void KeepSendsNear(int fd) {
  SocketAddress here, there;
  here.size = there.size = sizeof here.storage;
  if (getsockname(fd, here.raw(), &here.size) != 0) return;
  if (getpeername(fd, there.raw(), &there.size) != 0) return;
  if (SameHost(here, there)) SetOption(fd, SOL_SOCKET, SO_SNDBUF, kNearSendBytes);
}

void WakeAt(int fd, int bytes) {
  setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

void ResetIfUnread(int fd) {
  int unread = 0;
  if (ioctl(fd, FIONREAD, &unread) != 0 || unread == 0) return;
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

}  // namespace forebay::platform
