#include "src/platform/linux/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <memory>

namespace forebay::platform {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";

std::unexpected<Error> FailAddress(std::string_view text, std::string_view why) {
  return Fail(
      Code::kInvalidArgument,
      fmt::format("address \"{}\": {}; write HOST:PORT, [IPV6]:PORT or unix:PATH", text, why));
}

Result<ParsedAddress> ParseUnix(std::string_view text) {
  const std::string_view path = text.substr(kUnixPrefix.size());
  if (path.empty()) return FailAddress(text, "no path");
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return FailAddress(text, "the path of a Unix socket has at most 107 bytes");
  }
  if (path.find('\0') != std::string_view::npos) return FailAddress(text, "a zero byte");
  return ParsedAddress{.is_unix = true, .host = std::string(path), .port = ""};
}

bool IsPort(std::string_view text) {
  uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, port);
  return error == std::errc() && stopped == end;
}

SocketAddress UnixAddress(const std::string& path) {
  SocketAddress address;
  auto* raw = reinterpret_cast<sockaddr_un*>(&address.storage);
  raw->sun_family = AF_UNIX;
  std::memcpy(raw->sun_path, path.data(), path.size());
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

/// The error is getaddrinfo's own.
std::vector<SocketAddress> Look(const ParsedAddress& address, int flags, int* error) {
  addrinfo hints{};
  hints.ai_flags = flags | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  *error = getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found);
  std::vector<SocketAddress> all;
  if (*error != 0) return all;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    SocketAddress one;
    one.size = entry->ai_addrlen;
    std::memcpy(&one.storage, entry->ai_addr, entry->ai_addrlen);
    all.push_back(one);
  }
  freeaddrinfo(found);
  return all;
}

}  // namespace

Result<ParsedAddress> ParseAddress(std::string_view text) {
  if (text.starts_with(kUnixPrefix)) return ParseUnix(text);
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return FailAddress(text, "no port");
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (!IsPort(port)) return FailAddress(text, "the port is not a number up to 65535");
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return FailAddress(text, "an IPv6 host needs brackets");
  }
  if (host.empty()) return FailAddress(text, "no host");
  if (host.find('\0') != std::string_view::npos) return FailAddress(text, "a zero byte");
  return ParsedAddress{.host = std::string(host), .port = std::string(port)};
}

std::string SocketAddress::ToString() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(v4->sin_port));
  }
  if (family() == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    return fmt::format("[{}]:{}", text, ntohs(v6->sin6_port));
  }
  const auto* local = reinterpret_cast<const sockaddr_un*>(&storage);
  if (size <= offsetof(sockaddr_un, sun_path) || local->sun_path[0] == '\0') return "";
  return fmt::format("unix:{}", local->sun_path);
}

std::vector<SocketAddress> ResolveNumeric(const ParsedAddress& address) {
  if (address.is_unix) return {UnixAddress(address.host)};
  int error = 0;
  return Look(address, AI_NUMERICHOST, &error);
}

Result<std::vector<SocketAddress>> ResolveName(const ParsedAddress& address) {
  int error = 0;
  auto found = Look(address, AI_ADDRCONFIG, &error);
  if (found.empty()) {
    return Fail(Code::kUnavailable,
                fmt::format("look up {}: {}", address.host, gai_strerror(error)));
  }
  return found;
}

}  // namespace forebay::platform
