// One HTTP exchange with an origin or a registry. Signing, retries, hedging and limits stand above
// this seam, so that they are simulated; sockets, TLS, proxies and HTTP/2 stand below it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/result.h"
#include "src/runtime/clock.h"
#include "src/runtime/task.h"

namespace forebay {

struct HttpHeader {
  std::string name;
  std::string value;
};

/// Names of headers compare without case.
inline bool SameHeaderName(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

/// What an https:// request trusts and shows. Files in PEM; "" is the system's default, or none.
struct HttpTls {
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<HttpHeader> headers;
  /// Sent one after the other as the body. The memory must live until the response's head has come
  /// or failed.
  std::vector<Bytes> body;
  std::shared_ptr<const HttpTls> tls;
  /// Sent at most once, whatever becomes of the connection: an exchange that has side effects and
  /// must not happen twice unseen. Otherwise a kept connection that turns out to be closed may be
  /// replaced.
  bool once = false;
  /// Where not null: becomes true before the first byte of the body leaves. While it is false, the
  /// peer cannot have done what was asked of it. Must live as long as Send.
  bool* left = nullptr;
};

/// A response whose head has arrived. Destroying it before the end of the body gives the exchange
/// up.
class HttpResponse {
 public:
  virtual ~HttpResponse() = default;

  virtual int status() const = 0;
  /// The header's value; names compare without case. Empty where it is absent.
  virtual std::string_view Header(std::string_view name) const = 0;
  virtual const std::vector<HttpHeader>& headers() const = 0;

  /// The next bytes of the body; 0 at its end. kUnavailable where the connection broke before the
  /// end, so that a short body is never taken for a whole one. What the reader does not take is not
  /// pulled from the peer without bound.
  virtual Task<Result<size_t>> Read(MutableBytes into, Call call) = 0;
};

/// Used from its own loop only.
class Http {
 public:
  virtual ~Http() = default;

  /// Returns when the response's head is there. Any status is a response; an Error means that there
  /// was none: kUnavailable (could not connect, broke), kDeadlineExceeded, kCancelled,
  /// kInvalidArgument (the URL).
  virtual Task<Result<std::unique_ptr<HttpResponse>>> Send(HttpRequest request, Call call) = 0;
};

}  // namespace forebay
