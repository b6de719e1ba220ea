#include "src/platform/linux/net.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>

#include "src/platform/linux/awaits.h"
#include "src/platform/linux/errors.h"
#include "src/platform/linux/socket_listener.h"
#include "src/platform/linux/socket_stream.h"
#include "src/platform/linux/tcp_options.h"

namespace forebay::platform {
namespace {

constexpr int kBacklog = 4096;  // the kernel cuts it to net.core.somaxconn
constexpr int kStaleLooks = 3;  // whoever lives may hang up, too
constexpr int kStalePatienceMs = 1000;

/// A socket file that nobody listens on any more is what a killed process leaves behind. For a
/// moment it still seems to listen: the kernel lets go of what an io_uring held after the process
/// is gone, and hangs up then.
bool IsStaleSocketFile(const SocketAddress& address, const std::string& path) {
  struct stat info{};
  if (stat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return false;
  for (int look = 0; look < kStaleLooks; ++look) {
    const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (connect(probe.get(), address.raw(), address.size) != 0) return errno == ECONNREFUSED;
    pollfd hangs_up{.fd = probe.get(), .events = 0, .revents = 0};
    if (poll(&hangs_up, 1, kStalePatienceMs) <= 0) return false;
  }
  return false;
}

Result<void> Bind(int fd, const SocketAddress& address, const ParsedAddress& parsed) {
  if (bind(fd, address.raw(), address.size) == 0) return {};
  int error = errno;
  if (error == EADDRINUSE && parsed.is_unix && IsStaleSocketFile(address, parsed.host)) {
    unlink(parsed.host.c_str());
    if (bind(fd, address.raw(), address.size) == 0) return {};
    error = errno;
  }
  return Fail(ErrnoError(error, "listen on " + address.ToString()));
}

Result<SocketAddress> AddressToListenOn(const ParsedAddress& parsed) {
  auto numeric = ResolveNumeric(parsed);
  if (!numeric.empty()) return numeric.front();
  FB_ASSIGN(const auto found, ResolveName(parsed));
  return found.front();
}

Error ConnectError(int32_t result, std::string_view name) {
  const std::string what = fmt::format("connect to {}", name);
  if (result == -ETIME) return Error(Code::kDeadlineExceeded, what + ": deadline passed");
  return StreamError(-result, what);
}

}  // namespace

Result<std::unique_ptr<Listener>> LinuxNet::Listen(std::string address) {
  FB_ASSIGN(const ParsedAddress parsed, ParseAddress(address));
  FB_ASSIGN(SocketAddress at, AddressToListenOn(parsed));
  const std::string what = "listen on " + address;
  UniqueFd fd(
      socket(at.family(), SOCK_STREAM | SOCK_CLOEXEC | reactor_.backend().SocketFlags(), 0));
  if (fd.get() < 0) return Fail(ErrnoError(errno, what));
  if (!parsed.is_unix) {
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    PrepareTcp(fd.get());
  }
  FB_TRY(Bind(fd.get(), at, parsed));
  if (listen(fd.get(), kBacklog) != 0) return Fail(ErrnoError(errno, what));
  at.size = sizeof at.storage;
  if (getsockname(fd.get(), at.raw(), &at.size) != 0) return Fail(ErrnoError(errno, what));
  return SocketListener::Make(reactor_, clock_, std::move(fd), at.ToString(),
                              parsed.is_unix ? parsed.host : "", zero_copy_bytes_);
}

Result<std::unique_ptr<Stream>> LinuxNet::Adopt(const Descriptor& released, std::string peer) {
  const std::string what = "take over the connection of " + peer;
  UniqueFd fd(fcntl(released.number(), F_DUPFD_CLOEXEC, 0));
  if (fd.get() < 0) return Fail(ErrnoError(errno, what));
  int domain = 0;
  socklen_t size = sizeof domain;
  const bool known = getsockopt(fd.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0;
  // The loop that had it may have another backend.
  const bool blocks = (reactor_.backend().SocketFlags() & SOCK_NONBLOCK) == 0;
  if (!known || fcntl(fd.get(), F_SETFL, blocks ? 0 : O_NONBLOCK) != 0) {
    return Fail(ErrnoError(errno, what));
  }
  return SocketStream::Make(reactor_, std::move(fd), std::move(peer), domain != AF_UNIX,
                            zero_copy_bytes_);
}

Task<Result<std::unique_ptr<Stream>>> LinuxNet::ConnectOne(const SocketAddress& to,
                                                           std::string_view name, Call call) {
  UniqueFd fd(
      socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC | reactor_.backend().SocketFlags(), 0));
  if (fd.get() < 0) co_return Fail(ConnectError(-errno, name));
  const bool is_tcp = to.family() != AF_UNIX;
  if (is_tcp) PrepareTcp(fd.get());

  Socket socket{.fd = fd.get()};
  if (const auto attached = reactor_.backend().Attach(socket); !attached) {
    co_return Fail(attached.error());
  }
  Op op{.code = OpCode::kConnect,
        .data = const_cast<sockaddr*>(to.raw()),
        .length = to.size,
        .socket = &socket};
  const int32_t result = co_await GuardedPerform(reactor_, op, call);
  reactor_.backend().Detach(socket);
  if (result < 0) co_return Fail(ConnectError(result, name));
  co_return SocketStream::Make(reactor_, std::move(fd), is_tcp ? to.ToString() : std::string(name),
                               is_tcp, zero_copy_bytes_);
}

Task<Result<std::unique_ptr<Stream>>> LinuxNet::Connect(std::string address, Call call) {
  FB_CO_ASSIGN(const ParsedAddress parsed, ParseAddress(address));
  if (!parsed.is_unix && parsed.port == "0") {
    co_return Fail(Code::kInvalidArgument, "connect to " + address + ": port 0");
  }
  std::vector<SocketAddress> all = ResolveNumeric(parsed);
  if (all.empty()) {
    FB_CO_ASSIGN(all, co_await RunBlocking(reactor_, [&] { return ResolveName(parsed); }));
  }
  Result<std::unique_ptr<Stream>> stream = Fail(Code::kUnavailable, address);
  for (const SocketAddress& to : all) {
    stream = co_await ConnectOne(to, address, call);
    if (stream || stream.error().code() != Code::kUnavailable) break;
  }
  co_return stream;
}

}  // namespace forebay::platform
