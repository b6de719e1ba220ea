#include "src/front/s3/claim_v2.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <vector>

#include "src/base/assert.h"
#include "src/base/base64.h"
#include "src/front/s3/operations.h"
#include "src/front/s3/text.h"
#include "src/origin/http/text.h"

namespace forebay::s3door {
namespace {

constexpr std::string_view kScheme = "AWS ";
constexpr std::string_view kHeadersOfS3 = "x-amz-";
constexpr std::string_view kUserMetadata = "x-amz-meta-";
constexpr int64_t kNanosASecond = 1'000'000'000;
constexpr size_t kSha1Bytes = 20;

/// What is signed of a query, in order. Parameters of listings are not.
constexpr std::string_view kSigned[] = {"accelerate",
                                        "acl",
                                        "analytics",
                                        "cors",
                                        "defaultObjectAcl",
                                        "delete",
                                        "inventory",
                                        "lifecycle",
                                        "location",
                                        "logging",
                                        "metrics",
                                        "notification",
                                        "object-lock",
                                        "partNumber",
                                        "policy",
                                        "replication",
                                        "requestPayment",
                                        "response-cache-control",
                                        "response-content-disposition",
                                        "response-content-encoding",
                                        "response-content-language",
                                        "response-content-type",
                                        "response-expires",
                                        "restore",
                                        "select",
                                        "select-type",
                                        "storageClass",
                                        "tagging",
                                        "torrent",
                                        "uploadId",
                                        "uploads",
                                        "versionId",
                                        "versioning",
                                        "versions",
                                        "website"};
static_assert(std::ranges::is_sorted(kSigned));

/// "Tue, 27 Mar 2007 19:36:42 +0000" is GMT, too.
std::optional<int64_t> ParseDate(std::string_view text) {
  constexpr std::string_view kZone = " +0000";
  if (!text.ends_with(kZone)) return http_origin::ParseHttpDate(text);
  text.remove_suffix(kZone.size());
  return http_origin::ParseHttpDate(std::string(text) + " GMT");
}

Outcome<ClaimV2> ReadHeader(const Request& request, std::string_view authorization) {
  authorization.remove_prefix(kScheme.size());
  const size_t colon = authorization.find(':');
  if (colon == authorization.npos || colon == 0 || colon + 1 == authorization.size()) {
    return Refuse(kinds::kInvalidArgument,
                  "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature");
  }
  const std::string_view amz = request.Header("x-amz-date");
  const std::string_view date = request.Header("Date");
  const auto moment = ParseDate(amz.empty() ? date : amz);
  if (!moment) {
    return Refuse(kinds::kAccessDenied,
                  "AWS authentication requires a valid Date or x-amz-date header");
  }
  return ClaimV2{.key_id = std::string(authorization.substr(0, colon)),
                 .signature = std::string(authorization.substr(colon + 1)),
                 .date = amz.empty() ? std::string(date) : std::string(),
                 .moment_ns = *moment};
}

Outcome<ClaimV2> ReadQuery(const Request& request) {
  ClaimV2 claim{.presigned = true,
                .key_id = request.QueryOr("AWSAccessKeyId", ""),
                .signature = request.QueryOr("Signature", ""),
                .date = request.QueryOr("Expires", "")};
  if (claim.key_id.empty() || claim.signature.empty() || claim.date.empty()) {
    return Refuse(kinds::kAccessDenied,
                  "Query-string authentication requires the Signature, Expires and "
                  "AWSAccessKeyId parameters");
  }
  // Sent as it is, which many do, a '+' of base64 is read as a space.
  std::ranges::replace(claim.signature, ' ', '+');
  int64_t ends_s = 0;
  const char* const end = claim.date.data() + claim.date.size();
  const auto parsed = std::from_chars(claim.date.data(), end, ends_s);
  if (parsed.ec != std::errc() || parsed.ptr != end || ends_s < 0) {
    return Refuse(kinds::kAccessDenied,
                  "Invalid date (should be seconds since epoch): " + claim.date);
  }
  claim.moment_ns = std::min(ends_s, INT64_MAX / kNanosASecond) * kNanosASecond;
  return claim;
}

/// The values of all headers of S3 by their names in small letters. In a query, too: what stands
/// there of the signature or a body is no header, and signed nevertheless.
std::map<std::string, std::vector<std::string_view>> HeadersOfS3(const Request& request) {
  std::map<std::string, std::vector<std::string_view>> values;
  const auto take = [&values](const auto& one) {
    std::string name = Lower(one.name);
    if (name.starts_with(kHeadersOfS3)) values[std::move(name)].push_back(Trim(one.value));
  };
  std::ranges::for_each(request.head->headers, take);
  std::ranges::for_each(request.query, take);
  return values;
}

/// "name:value\n" of each.
std::string SignedHeaders(const Request& request) {
  std::string lines;
  for (const auto& [name, values] : HeadersOfS3(request)) {
    char before = ':';
    lines += name;
    for (const std::string_view value : values) {
      (lines += before) += value;
      before = ',';
    }
    lines += '\n';
  }
  return lines;
}

/// Signed unencoded, it reads like a further parameter.
bool HidesAParameter(std::string_view value) {
  for (size_t at = value.find('&'); at != value.npos; at = value.find('&', at + 1)) {
    const std::string_view rest = value.substr(at + 1);
    const std::string_view name = rest.substr(0, std::min(rest.find_first_of("=&"), rest.size()));
    if (std::ranges::binary_search(kSigned, name)) return true;
  }
  return false;
}

/// The path as it was sent, with the bucket, and what the query adds to it.
std::string Resource(const Request& request, Spelling spelling) {
  std::string text;
  if (request.bucket_in_host) (text += '/') += request.bucket;
  text += request.head->path();
  if (spelling == Spelling::kOfS3 && request.key.empty() && text.back() != '/') text += '/';
  char before = '?';
  for (const std::string_view name : kSigned) {
    const std::string* const value = request.Query(name);
    if (value == nullptr) continue;
    ((text += before) += name);
    if (!value->empty() || spelling == Spelling::kAsSent) (text += '=') += *value;
    before = '&';
  }
  return text;
}

}  // namespace

Outcome<std::optional<ClaimV2>> ReadClaimV2(const Request& request) {
  const std::string_view authorization = request.Header("Authorization");
  const bool in_header = authorization.starts_with(kScheme);
  const bool in_query = request.Has("AWSAccessKeyId") || request.Has("Signature");
  const bool otherwise = (!authorization.empty() && !in_header) || request.Has("X-Amz-Signature");
  if ((in_header && in_query) || ((in_header || in_query) && otherwise)) {
    return Refuse(kinds::kInvalidArgument, kOneMechanism);
  }
  if (in_header) {
    FB_ASSIGN(ClaimV2 claim, ReadHeader(request, authorization));
    return std::optional(std::move(claim));
  }
  if (in_query) {
    FB_ASSIGN(ClaimV2 claim, ReadQuery(request));
    return std::optional(std::move(claim));
  }
  return std::nullopt;
}

Outcome<void> CheckClaimV2(const ClaimV2& claim, int64_t now_ns) {
  if (!claim.presigned) return CheckSkew(claim.moment_ns, now_ns);
  if (now_ns <= claim.moment_ns) return {};
  S3Error error(kinds::kRequestExpired);
  error.With("Expires", http_origin::BasicIsoDate(claim.moment_ns))
      .With("ServerTime", http_origin::BasicIsoDate(now_ns));
  return std::unexpected(std::move(error));
}

Outcome<void> CheckCoverageV2(const Request& request) {
  const auto unclear = [](std::string_view what) {
    return Refuse(kinds::kInvalidRequest,
                  fmt::format("Signature version 2 does not tell {} from others. Please use "
                              "AWS4-HMAC-SHA256.",
                              what));
  };
  for (const QueryItem& item : request.query) {
    const std::string_view name = item.name;
    const bool is_signed = std::ranges::binary_search(kSigned, name);
    const bool matters = std::ranges::find(Subresources(), name) != Subresources().end();
    if ((matters && !is_signed) || (is_signed && HidesAParameter(item.value))) {
      return unclear(name);
    }
  }
  for (const auto& [name, values] : HeadersOfS3(request)) {
    if (values.size() > 1 && !name.starts_with(kUserMetadata)) return unclear(name);
  }
  return {};
}

std::string TextToSignV2(const ClaimV2& claim, const Request& request, Spelling spelling) {
  std::string text = request.head->method;
  (text += '\n') += request.Header("Content-MD5");
  (text += '\n') += request.Header("Content-Type");
  (text += '\n') += claim.date;
  (text += '\n') += SignedHeaders(request);
  return text += Resource(request, spelling);
}

std::string SignV2(std::string_view secret, std::string_view text) {
  std::array<std::byte, kSha1Bytes> mac;
  unsigned size = 0;
  const auto* const made = HMAC(EVP_sha1(), secret.data(), static_cast<int>(secret.size()),
                                reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                                reinterpret_cast<unsigned char*>(mac.data()), &size);
  FB_ASSERT(made != nullptr && size == mac.size());
  return Base64(mac);
}

}  // namespace forebay::s3door
