#include "src/platform/linux/socket_listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "src/platform/linux/address.h"
#include "src/platform/linux/awaits.h"
#include "src/platform/linux/errors.h"
#include "src/platform/linux/socket_stream.h"

namespace forebay::platform {
namespace {

using namespace std::chrono_literals;

/// Accept answers no faster than this while descriptors are missing, so that a caller who simply
/// tries again does not burn its core.
constexpr Duration kOverloadPause = 20ms;
constexpr int kTurnAwayAtOnce = 64;

bool MeansOverload(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

UniqueFd MakeSpare() {
  return UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

}  // namespace

SocketListener::SocketListener(Reactor& reactor, Clock& clock, UniqueFd fd, std::string address,
                               std::string unix_path, uint64_t zero_copy_bytes)
    : reactor_(reactor),
      clock_(clock),
      fd_(std::move(fd)),
      spare_(MakeSpare()),
      socket_{.fd = fd_.get()},
      address_(std::move(address)),
      unix_path_(std::move(unix_path)),
      zero_copy_bytes_(zero_copy_bytes) {}

Result<std::unique_ptr<Listener>> SocketListener::Make(Reactor& reactor, Clock& clock, UniqueFd fd,
                                                       std::string address, std::string unix_path,
                                                       uint64_t zero_copy_bytes) {
  std::unique_ptr<SocketListener> listener(new SocketListener(
      reactor, clock, std::move(fd), std::move(address), std::move(unix_path), zero_copy_bytes));
  FB_TRY(reactor.backend().Attach(listener->socket_));
  return listener;
}

SocketListener::~SocketListener() {
  reactor_.backend().Detach(socket_);
  if (!unix_path_.empty()) unlink(unix_path_.c_str());
}

Result<std::unique_ptr<Stream>> SocketListener::Welcome(int fd) {
  UniqueFd owned(fd);
  SocketAddress peer;
  peer.size = sizeof peer.storage;
  std::string name;
  if (getpeername(fd, peer.raw(), &peer.size) == 0) name = peer.ToString();
  if (name.empty()) name = address_;  // a Unix peer has no name, one already gone neither
  return SocketStream::Make(reactor_, std::move(owned), std::move(name), unix_path_.empty(),
                            zero_copy_bytes_);
}

Task<Result<std::unique_ptr<Stream>>> SocketListener::Accept(Call call) {
  for (;;) {
    Op op{.code = OpCode::kAccept,
          .flags = SOCK_CLOEXEC | reactor_.backend().SocketFlags(),
          .socket = &socket_};
    const int32_t result = co_await GuardedPerform(reactor_, op, call);
    if (result >= 0) co_return Welcome(result);
    if (result == -ECONNABORTED || result == -EPROTO) continue;  // it gave up while it waited
    if (MeansOverload(-result)) co_return Fail(co_await Overloaded(-result, call));
    const std::string what = "accept on " + address_;
    if (result == -ETIME) co_return Fail(Code::kDeadlineExceeded, what + ": deadline passed");
    co_return Fail(ErrnoError(-result, what));
  }
}

void SocketListener::TurnAway() {
  spare_ = UniqueFd();
  pollfd ready{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  for (int i = 0; i < kTurnAwayAtOnce && poll(&ready, 1, 0) == 1; ++i) {
    const UniqueFd refused(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (refused.get() < 0) break;
  }
  spare_ = MakeSpare();
}

Task<Error> SocketListener::Overloaded(int error, Call call) {
  TurnAway();
  const Instant until = std::min(clock_.Now() + kOverloadPause, call.deadline);
  static_cast<void>(co_await clock_.SleepUntil(until, call.cancel));
  co_return Error(Code::kOverloaded,
                  fmt::format("accept on {}: {}; raise the limit of open files (ulimit -n)",
                              address_, ErrnoText(error)));
}

}  // namespace forebay::platform
