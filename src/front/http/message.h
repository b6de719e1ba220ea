// Requests and responses of HTTP/1.1, without their bodies.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace forebay::http {

struct Header {
  std::string name;
  std::string value;
};

/// Without case: names of headers, schemes and codings.
bool SameToken(std::string_view one, std::string_view other);

struct RequestHead {
  std::string method;  // as it was sent: "GET"
  std::string target;  // as it was sent, an absolute one cut to its path: "/a%20b?c"
  std::vector<Header> headers;
  std::optional<uint64_t> content_length;
  bool has_body = false;
  bool keep_alive = false;  // the client would send another

  std::string_view path() const { return std::string_view(target).substr(0, target.find('?')); }
  /// nullptr: it has none. Names are compared without case.
  const std::string* Find(std::string_view name) const;
  /// By its texts.
  size_t HeldBytes() const;
};

struct ResponseHead {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::vector<Header> headers;
  /// Further headers, as they are sent: each ends with "\r\n", and what came from outside was put
  /// there by AppendHeader. One text for all costs less than two for each.
  std::string lines;
  uint64_t content_length = 0;
  bool keep_alive = true;
};

/// What a request is refused with.
struct Refusal {
  int status = 400;
  std::string why;
};

}  // namespace forebay::http
