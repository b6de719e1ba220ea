#include "src/platform/linux/tcp_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace forebay::platform {
namespace {

/// Who says nothing is asked after half a minute, and gone after a whole one. While something that
/// was sent is not acknowledged, the kernel does not ask but sends again, for a quarter of an hour;
/// a shorter limit for that would end readers who pause, too.
constexpr int kSilentSeconds = 30;
constexpr int kAskEverySeconds = 10;
constexpr int kAsked = 3;

void SetOption(int fd, int level, int option, int value = 1) {
  setsockopt(fd, level, option, &value, sizeof value);
}

}  // namespace

void PrepareTcp(int fd) {
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY);
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kSilentSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, kAskEverySeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, kAsked);
}

}  // namespace forebay::platform
