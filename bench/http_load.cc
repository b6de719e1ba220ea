#include "bench/http_load.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <span>
#include <thread>

#include "bench/child.h"
#include "bench/origin_fixture.h"
#include "bench/store_fixture.h"
#include "src/base/units.h"

namespace forebay::bench {
namespace {

constexpr size_t kBufferBytes = kMiB;
constexpr int kWrkThreads = 1;

/// One connection, one request after the other.
class HttpClient {
 public:
  explicit HttpClient(std::string address) : address_(std::move(address)), buffer_(kBufferBytes) {}
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  ~HttpClient() {
    if (fd_ >= 0) close(fd_);
  }

  Result<void> Connect() {
    const size_t colon = address_.rfind(':');
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(std::atoi(address_.c_str() + colon + 1)));
    inet_pton(AF_INET, address_.substr(0, colon).c_str(), &to.sin_addr);
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0 || connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
      return Fail(Code::kUnavailable, address_ + ": nobody listens");
    }
    return {};
  }

  /// The bytes of the body.
  Result<uint64_t> Get(const std::string& path) {
    const std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", path, address_);
    if (send(fd_, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
      return Fail(Code::kUnavailable, address_ + ": takes no request");
    }
    std::string head;
    size_t end = std::string::npos;
    while (end == std::string::npos) {
      FB_ASSIGN(const size_t got, Receive());
      head.append(buffer_.data(), got);
      end = head.find("\r\n\r\n");
    }
    const uint64_t length = LengthOf(head);
    if (!head.starts_with("HTTP/1.1 200 ") || length == 0) {
      return Fail(Code::kInternal, fmt::format("{}: {}", path, head.substr(0, 500)));
    }
    for (uint64_t come = head.size() - end - 4; come < length;) {
      FB_ASSIGN(const size_t got, Receive());
      come += got;
    }
    return length;
  }

 private:
  Result<size_t> Receive() {
    const ssize_t got = recv(fd_, buffer_.data(), buffer_.size(), 0);
    if (got <= 0) return Fail(Code::kUnavailable, address_ + ": closed in the middle");
    return static_cast<size_t>(got);
  }
  static uint64_t LengthOf(const std::string& head) {
    constexpr std::string_view kName = "\r\nContent-Length: ";
    const size_t at = head.find(kName);
    uint64_t length = 0;
    if (at == std::string::npos) return 0;
    std::from_chars(head.data() + at + kName.size(), head.data() + head.size(), length);
    return length;
  }

  const std::string address_;
  std::vector<char> buffer_;
  int fd_ = -1;
};

}  // namespace

namespace {

/// `took` has a place for each request.
Result<HttpLoadResult> Load(const HttpTarget& target, int connections, std::span<double> took) {
  PinTo(kClientCore);
  const int requests = static_cast<int>(took.size());
  std::atomic<int> next = 0;
  std::atomic<uint64_t> bytes = 0;
  std::vector<Result<void>> outcomes(static_cast<size_t>(connections));
  const auto work = [&]() -> Result<void> {
    HttpClient client(target.address);
    FB_TRY(client.Connect());
    for (int number = next++; number < requests; number = next++) {
      const Stopwatch one;
      FB_ASSIGN(const uint64_t got,
                client.Get(target.paths[static_cast<size_t>(number) % target.paths.size()]));
      took[static_cast<size_t>(number)] = one.Seconds();
      bytes += got;
    }
    return {};
  };
  const Stopwatch watch;
  {
    std::vector<std::jthread> threads;
    for (Result<void>& outcome : outcomes) threads.emplace_back([&] { outcome = work(); });
  }
  const double seconds = watch.Seconds();
  for (const Result<void>& outcome : outcomes) FB_TRY(outcome);
  return HttpLoadResult{.bytes = bytes, .seconds = seconds};
}

}  // namespace

Result<HttpLoadResult> GetMany(const HttpTarget& target, int connections, int requests) {
  std::vector<double> took(static_cast<size_t>(requests));
  return Load(target, connections, took);
}

Result<double> GetP99(const HttpTarget& target, int connections, int requests) {
  std::vector<double> took(static_cast<size_t>(requests));
  FB_TRY(Load(target, connections, took));
  const auto place = took.begin() + static_cast<ptrdiff_t>(took.size() * 99 / 100);
  std::ranges::nth_element(took, place);
  return *place;
}

Result<double> WrkRate(const std::string& directory, const HttpTarget& target, int connections,
                       int seconds) {
  if (!RunShell("command -v wrk")) return Fail(Code::kNotFound, "wrk is not installed");
  const std::string script = directory + "/load.lua";
  {
    std::ofstream lua(script);
    lua << "local requests, next = {}, 0\ninit = function()\n";
    for (const std::string& path : target.paths) {
      lua << "  requests[#requests + 1] = wrk.format(\"GET\", \"" << path << "\")\n";
    }
    lua << "end\nrequest = function()\n  next = next % #requests + 1\n"
           "  return requests[next]\nend\n";
  }
  FB_ASSIGN(const std::string said,
            RunShell(fmt::format("taskset -c {} wrk -t{} -c{} -d{} -s {} {}://{}/", kClientCore,
                                 kWrkThreads, connections, seconds, script,
                                 target.tls ? "https" : "http", target.address)));
  constexpr std::string_view kRate = "Requests/sec:";
  const size_t at = said.find(kRate);
  if (at == std::string::npos || said.contains("Non-2xx") || said.contains("Socket errors")) {
    return Fail(Code::kInternal, "wrk said: " + said);
  }
  return std::strtod(said.c_str() + at + kRate.size(), nullptr);
}

}  // namespace forebay::bench
