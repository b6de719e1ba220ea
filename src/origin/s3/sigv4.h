// Signature version 4 of S3, in a request's headers. Everything that a request carries is signed:
// what a proxy strips or changes on the way then fails loudly, and no condition is lost in silence.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "src/origin/s3/signing.h"
#include "src/runtime/http.h"

namespace forebay::s3 {

/// What signs. Never printed.
struct Keys {
  std::string id;
  std::string secret;
  std::string token;                 // of temporary keys, otherwise ""
  int64_t ends_wall_ns = INT64_MAX;  // of temporary keys

  friend bool operator==(const Keys&, const Keys&) = default;
};

/// Adds the headers of the moment, of the keys and of the body's hash (unless the request brings
/// its hash, which spares hashing a body twice), and then the signature. The URL is
/// percent-encoded as PercentEncode does it; what an earlier signing added is replaced.
void SignRequest(HttpRequest& request, const Keys& keys, std::string_view region, int64_t wall_ns);

/// The text that is hashed and signed, and the names that it covers, for tests and doubles.
struct Canonical {
  std::string text;
  std::string signed_headers;
};
Canonical CanonicalRequest(const HttpRequest& request);

/// The signature of a canonical request. `moment` as of BasicIsoDate.
std::string SignatureOf(std::string_view canonical, std::string_view secret,
                        std::string_view moment, std::string_view region);

}  // namespace forebay::s3
