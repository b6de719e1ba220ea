// Signature version 2, which boto3 and others presign by unless told otherwise. It says nothing of
// a region, a host or a body; whoever opens a URL needs no more than that. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "src/front/s3/claim.h"
#include "src/front/s3/request.h"

namespace forebay::s3door {

struct ClaimV2 {
  bool presigned = false;
  std::string key_id;
  std::string signature;  // base64
  std::string date;       // as it is signed: Date, or Expires; "" where x-amz-date is signed
  int64_t moment_ns = 0;  // when it was signed; of a presigned one when it ends
};

/// nullopt: the request claims nothing of this kind.
Outcome<std::optional<ClaimV2>> ReadClaimV2(const Request& request);
/// Whether it is for now.
Outcome<void> CheckClaimV2(const ClaimV2& claim, int64_t now_ns);
/// Whether its signature tells all that the request is about. Version 2 signs texts that are put
/// together of more than one request could be, and leaves out what is younger than itself.
Outcome<void> CheckCoverageV2(const Request& request);
/// A bucket's path ends with a slash as S3 signs it; not all clients write it so.
std::string TextToSignV2(const ClaimV2& claim, const Request& request, Spelling spelling);
std::string SignV2(std::string_view secret, std::string_view text);

}  // namespace forebay::s3door
