// What all of HTTP here says of a request, and refuses in one.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "src/base/result.h"
#include "src/runtime/clock.h"
#include "src/runtime/http.h"

namespace forebay::platform {

/// "GET https://host/path": for messages, without query and credentials, which may be secrets.
std::string Describe(const HttpRequest& request);

/// kInvalidArgument where a header has no name, or a line break would end it.
Result<void> CheckHeaders(const HttpRequest& request, std::string_view what);

/// "host:80" of an http:// URL; "" of any other, and of one with anything odd in it.
std::string AddressOfPlain(std::string_view url);

/// Where libcurl found the hosts of plain URLs lately: it knows how to ask for names, and which of
/// several addresses answers. Numbers need not be found.
class KnownAddresses {
 public:
  explicit KnownAddresses(Clock& clock) : clock_(clock) {}

  /// `numeric` is where an exchange with `address` came about: "10.0.0.7:80". May be empty.
  void Learn(const std::string& address, std::string numeric);
  /// "" where it is not known, or not for lately: one exchange more should go by libcurl.
  std::string Find(const std::string& address);
  /// No connection came about, or what came is not for us: for a while libcurl alone goes there.
  void Avoid(const std::string& address);

 private:
  struct Known {
    std::string numeric;  // "": avoided
    Instant until;
  };
  Clock& clock_;
  std::map<std::string, Known> known_;
};

}  // namespace forebay::platform
