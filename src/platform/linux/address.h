// The addresses of net.h, as the kernel wants them.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>
#include <vector>

#include "src/base/result.h"

namespace forebay::platform {

struct ParsedAddress {
  bool is_unix = false;
  std::string host;  // or the path
  std::string port;
};

/// "HOST:PORT", "[IPV6]:PORT" or "unix:PATH"; kInvalidArgument names what it was given.
Result<ParsedAddress> ParseAddress(std::string_view text);

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  int family() const { return storage.ss_family; }
  sockaddr* raw() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage); }

  /// "10.0.0.7:41822", "[::1]:80" or "unix:/run/x.sock"; empty for a Unix socket without a name.
  std::string ToString() const;
};

/// Without asking anybody: empty where the host is a name and not a number.
std::vector<SocketAddress> ResolveNumeric(const ParsedAddress& address);

/// Asks the system's resolver, which blocks. At least one, or kUnavailable.
Result<std::vector<SocketAddress>> ResolveName(const ParsedAddress& address);

}  // namespace forebay::platform
