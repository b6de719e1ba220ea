// Signature version 4 as a request carries it: who it says it is from, and what would prove that.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/front/s3/request.h"

namespace forebay::s3door {

inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

struct Claim {
  bool presigned = false;  // in the query, not in a header
  std::string key_id;
  std::string day;  // "20130524"
  std::string region;
  std::string moment;  // "20130524T000000Z"
  int64_t moment_ns = 0;
  int64_t valid_s = 0;  // of a presigned one
  std::vector<std::string> signed_headers;
  std::string signature;
  std::string payload;  // of x-amz-content-sha256, or what stands for it

  std::string scope() const;
};

/// nullopt: the request claims nothing. What is malformed is refused as S3 does it.
Outcome<std::optional<Claim>> ReadClaim(const Request& request);

inline constexpr const char* kOneMechanism =
    "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query "
    "string parameter or the Authorization header should be specified";

/// A clock may be off by 15 minutes.
Outcome<void> CheckSkew(int64_t moment_ns, int64_t now_ns);
/// Whether it is for us and for now.
Outcome<void> CheckClaim(const Claim& claim, std::string_view region, int64_t now_ns);
/// Whether everything that it must sign is signed.
Outcome<void> CheckCoverage(const Claim& claim, const Request& request);

/// What the signature is of. Clients differ in what they encode of a path or a query, and what they
/// sent is what they signed: there is one text for the names as S3 encodes them, and one as sent.
enum class Spelling : unsigned char { kOfS3, kAsSent };
std::string CanonicalRequest(const Claim& claim, const Request& request, Spelling spelling);

}  // namespace forebay::s3door
