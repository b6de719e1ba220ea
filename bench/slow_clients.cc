#include "bench/slow_clients.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>

#include "bench/child.h"

namespace forebay::bench {
namespace {

constexpr auto kStep = std::chrono::milliseconds(250);
constexpr size_t kReadBytes = 256;  // a step
/// Small, so that a slow reader's bytes wait at the server and not in the kernel.
constexpr int kReceiveBuffer = 4096;

}  // namespace

Result<int> SlowClients::Connect(const std::string& address) {
  const size_t colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::atoi(address.c_str() + colon + 1)));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Fail(Code::kOverloaded, "no more sockets; raise the limit of open files");
  all_.push_back(fd);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
    return Fail(Code::kUnavailable, address + ": nobody listens");
  }
  return fd;
}

Result<std::unique_ptr<SlowClients>> SlowClients::Start(const std::string& address,
                                                        Options options) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  auto made = std::unique_ptr<SlowClients>(new SlowClients);
  for (int i = 0; i < options.idle; ++i) FB_TRY(made->Connect(address));
  const std::string request =
      fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", options.path, address);
  for (int i = 0; i < options.readers; ++i) {
    FB_ASSIGN(const int fd, made->Connect(address));
    made->readers_.push_back(fd);
    send(fd, request.data(), request.size(), MSG_NOSIGNAL);
  }
  for (int i = 0; i < options.senders; ++i) {
    FB_ASSIGN(const int fd, made->Connect(address));
    made->senders_.push_back(fd);
    send(fd, request.data(), request.size() - 4, MSG_NOSIGNAL);
  }
  made->thread_ = std::jthread([slow = made.get()](const std::stop_token& stop) {
    PinTo(kClientCore);
    slow->Crawl(stop);
  });
  return made;
}

void SlowClients::Crawl(const std::stop_token& stop) {
  std::array<char, kReadBytes> into{};
  while (!stop.stop_requested()) {
    for (const int fd : readers_) recv(fd, into.data(), into.size(), MSG_DONTWAIT);
    for (const int fd : senders_) send(fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    std::this_thread::sleep_for(kStep);
  }
}

SlowClients::~SlowClients() {
  thread_ = {};
  for (const int fd : all_) close(fd);
}

}  // namespace forebay::bench
