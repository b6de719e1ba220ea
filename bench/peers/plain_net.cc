#include "bench/peers/plain_net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <map>
#include <vector>

namespace forebay::bench {
namespace {

constexpr int kMessageBytes = 64;
/// "*2 $3 GET $16 key:000000000000", each word on a line: what redis-benchmark sends.
constexpr size_t kGetBytes = 36;
constexpr auto kRunTime = std::chrono::milliseconds(400);
using SteadyClock = std::chrono::steady_clock;

void NoDelay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int ListenOnLoopback(int flags, const Announce& announce) {
  const int fd = socket(AF_INET, SOCK_STREAM | flags, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  auto* raw = reinterpret_cast<sockaddr*>(&at);
  if (bind(fd, raw, size) != 0 || listen(fd, 1024) != 0 || getsockname(fd, raw, &size) != 0) {
    std::abort();
  }
  announce("127.0.0.1:" + std::to_string(ntohs(at.sin_port)));
  return fd;
}

void Watch(int epoll, int fd, uint32_t events) {
  epoll_event event{.events = events, .data = {.fd = fd}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/// The load of one run: connections with so many bytes on their way each.
class EchoClient {
 public:
  explicit EchoClient(const EchoLoad& load)
      : epoll_(epoll_create1(0)),
        burst_(static_cast<size_t>(load.in_flight * kMessageBytes), 'x') {}
  ~EchoClient() {
    for (const int fd : fds_) close(fd);
    close(epoll_);
  }

  bool Connect(const std::string& address, int connections) {
    for (int i = 0; i < connections; ++i) {
      const int fd = ConnectTo(address);
      if (fd < 0) return false;
      fds_.push_back(fd);
      Watch(epoll_, fd, EPOLLIN);
      if (!SendAll(fd, burst_.data(), burst_.size())) return false;
    }
    return true;
  }

  /// The bytes that came back until `end`, each sent out again at once; 0 where the server is gone.
  uint64_t Run(SteadyClock::time_point end) {
    uint64_t bytes = 0;
    std::array<epoll_event, 256> events;
    while (SteadyClock::now() < end) {
      const int count = epoll_wait(epoll_, events.data(), events.size(), -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<size_t>(i)].data.fd;
        const ssize_t got = recv(fd, burst_.data(), burst_.size(), 0);
        if (got <= 0 || !SendAll(fd, burst_.data(), static_cast<size_t>(got))) return 0;
        bytes += static_cast<uint64_t>(got);
      }
    }
    return bytes;
  }

 private:
  int epoll_;
  std::vector<int> fds_;
  std::string burst_;
};

}  // namespace

int ConnectTo(const std::string& address) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
    close(fd);
    return -1;
  }
  NoDelay(fd);
  return fd;
}

bool SendAll(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data += sent;
    size -= static_cast<size_t>(sent);
  }
  return true;
}

void ServeEchoWithEpoll(const Announce& announce) {
  const int listener = ListenOnLoopback(SOCK_NONBLOCK, announce);
  const int epoll = epoll_create1(0);
  Watch(epoll, listener, EPOLLIN);
  std::array<epoll_event, 256> events;
  std::array<char, 4096> buffer;
  for (;;) {
    const int count = epoll_wait(epoll, events.data(), events.size(), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      if (fd == listener) {
        const int connection = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
        if (connection < 0) continue;
        NoDelay(connection);
        Watch(epoll, connection, EPOLLIN | EPOLLET);
        continue;
      }
      // A short read has emptied the socket: the next edge tells of more.
      ssize_t got = 0;
      do {
        got = recv(fd, buffer.data(), buffer.size(), 0);
        if (got > 0) SendAll(fd, buffer.data(), static_cast<size_t>(got));
      } while (got == static_cast<ssize_t>(buffer.size()));
      if (got == 0 || (got < 0 && errno != EAGAIN)) close(fd);
    }
  }
}

Result<double> EchoRate(const std::string& address, const EchoLoad& load) {
  EchoClient client(load);
  if (!client.Connect(address, load.connections)) {
    return Fail(Code::kUnavailable, "connect to " + address);
  }
  client.Run(SteadyClock::now() + kRunTime / 8);  // until caches and windows are warm
  const auto start = SteadyClock::now();
  const uint64_t bytes = client.Run(start + kRunTime);
  const std::chrono::duration<double> took = SteadyClock::now() - start;
  if (bytes == 0) return Fail(Code::kUnavailable, "the echo server went away");
  return static_cast<double>(bytes) / kMessageBytes / took.count();
}

void ServeReadyValues(const Announce& announce, uint64_t value_bytes) {
  const int listener = ListenOnLoopback(SOCK_NONBLOCK, announce);
  const int epoll = epoll_create1(0);
  Watch(epoll, listener, EPOLLIN);
  std::array<epoll_event, 256> events;
  std::array<char, 16 * 1024> requests;
  const std::string answer =
      "$" + std::to_string(value_bytes) + "\r\n" + std::string(value_bytes, 'x') + "\r\n";
  std::string answers;
  std::map<int, size_t> begun;  // bytes of the request that has not come whole, by connection
  for (;;) {
    const int count = epoll_wait(epoll, events.data(), events.size(), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      if (fd == listener) {
        const int connection = accept4(listener, nullptr, nullptr, 0);
        if (connection < 0) continue;
        NoDelay(connection);
        Watch(epoll, connection, EPOLLIN);
        continue;
      }
      const ssize_t got = recv(fd, requests.data(), requests.size(), 0);
      const size_t all = begun[fd] + static_cast<size_t>(std::max<ssize_t>(got, 0));
      while (answers.size() < all / kGetBytes * answer.size()) answers += answer;
      if (got > 0 && SendAll(fd, answers.data(), all / kGetBytes * answer.size())) {
        begun[fd] = all % kGetBytes;
        continue;
      }
      begun.erase(fd);
      close(fd);
    }
  }
}

void ServeStream(const Announce& announce, uint64_t message_bytes, uint64_t total_bytes) {
  const int listener = ListenOnLoopback(0, announce);
  std::vector<char> buffer(message_bytes);
  for (;;) {
    const int fd = accept(listener, nullptr, nullptr);
    if (fd < 0) continue;
    uint64_t left = total_bytes;
    while (left > 0) {
      const ssize_t got = recv(fd, buffer.data(), std::min<uint64_t>(left, buffer.size()), 0);
      if (got <= 0) break;
      left -= static_cast<uint64_t>(got);
    }
    SendAll(fd, buffer.data(), 1);
    close(fd);
  }
}

Result<double> StreamRate(const std::string& address, uint64_t message_bytes,
                          uint64_t total_bytes) {
  const int fd = ConnectTo(address);
  if (fd < 0) return Fail(Code::kUnavailable, "connect to " + address);
  const std::vector<char> message(message_bytes, 'x');
  const auto start = SteadyClock::now();
  bool fine = true;
  for (uint64_t sent = 0; fine && sent < total_bytes; sent += message_bytes) {
    fine = SendAll(fd, message.data(), message.size());
  }
  char answer = 0;
  fine = fine && recv(fd, &answer, 1, 0) == 1;
  const std::chrono::duration<double> took = SteadyClock::now() - start;
  close(fd);
  if (!fine) return Fail(Code::kUnavailable, "the stream broke");
  return static_cast<double>(total_bytes) / took.count();
}

}  // namespace forebay::bench
