#include "src/front/s3/claim.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "src/front/s3/text.h"
#include "src/origin/http/text.h"
#include "src/origin/s3/signing.h"

namespace forebay::s3door {
namespace {

constexpr int64_t kNanosASecond = 1'000'000'000;
constexpr int64_t kMostSkewNs = int64_t{15} * 60 * kNanosASecond;
constexpr int64_t kMostValidSeconds = int64_t{7} * 24 * 3600;
constexpr size_t kMaxSignedHeaders = 200;
constexpr std::string_view kSignedAlways = "x-amz-";

/// "20130524T000000Z"
std::optional<int64_t> ParseMoment(std::string_view text) {
  if (text.size() != 16) return std::nullopt;
  std::string iso(text);
  for (const size_t colon : {13, 11}) iso.insert(colon, 1, ':');
  for (const size_t dash : {6, 4}) iso.insert(dash, 1, '-');
  return http_origin::ParseIsoDate(iso);
}

/// "KEY/20130524/us-east-1/s3/aws4_request"; the key itself may hold slashes in theory only.
Outcome<void> ReadCredential(std::string_view text, const ErrorKind& kind, Claim& claim) {
  const auto parts = Split(text, '/');
  if (parts.size() != 5 || parts[0].empty()) {
    return Refuse(kind,
                  "The Credential is mal-formed; expecting "
                  "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".");
  }
  claim.key_id = parts[0];
  claim.day = parts[1];
  claim.region = parts[2];
  if (parts[3] != "s3") {
    return Refuse(
        kind, fmt::format("incorrect service \"{}\"; this endpoint belongs to \"s3\".", parts[3]));
  }
  if (parts[4] != "aws4_request") {
    return Refuse(kind, fmt::format("incorrect terminal \"{}\"; this endpoint uses "
                                    "\"aws4_request\".",
                                    parts[4]));
  }
  return {};
}

Outcome<void> ReadSignedHeaders(std::string_view text, const ErrorKind& kind, Claim& claim) {
  const auto names = Split(text, ';');
  if (text.empty() || names.size() > kMaxSignedHeaders) {
    return Refuse(kind, "SignedHeaders names no header, or too many");
  }
  claim.signed_headers.reserve(names.size());
  for (const std::string_view name : names) claim.signed_headers.push_back(Lower(Trim(name)));
  return {};
}

/// The moment of a signed header: x-amz-date, or Date.
Outcome<void> ReadMoment(const Request& request, Claim& claim) {
  const std::string_view amz = request.Header("x-amz-date");
  std::optional<int64_t> moment = ParseMoment(amz);
  if (amz.empty()) moment = http_origin::ParseHttpDate(request.Header("Date"));
  if (!moment) {
    return Refuse(kinds::kAccessDenied,
                  "AWS authentication requires a valid Date or x-amz-date header");
  }
  claim.moment_ns = *moment;
  claim.moment = amz.empty() ? http_origin::BasicIsoDate(*moment) : std::string(amz);
  return {};
}

Outcome<Claim> ReadHeader(const Request& request, std::string_view authorization) {
  const auto& kind = kinds::kAuthorizationHeaderMalformed;
  if (!authorization.starts_with(s3::kAlgorithm)) {
    if (authorization.starts_with("AWS4-")) {
      return Refuse(kinds::kInvalidRequest,
                    "The authorization mechanism you have provided is not supported. Please use "
                    "AWS4-HMAC-SHA256.");
    }
    return Refuse(kinds::kInvalidArgument, "Unsupported Authorization Type");
  }
  authorization.remove_prefix(s3::kAlgorithm.size());
  Claim claim;
  std::string_view credential, headers, signature;
  for (std::string_view part : Split(authorization, ',')) {
    part = Trim(part);
    const size_t equals = std::min(part.find('='), part.size());
    const std::string_view name = part.substr(0, equals);
    const std::string_view value = Trim(part.substr(std::min(part.size(), equals + 1)));
    if (name == "Credential") credential = value;
    if (name == "SignedHeaders") headers = value;
    if (name == "Signature") signature = value;
  }
  if (credential.empty() || headers.empty() || signature.empty()) {
    return Refuse(kind, fmt::format("the authorization header requires three components: "
                                    "Credential, SignedHeaders, and Signature; {} is missing.",
                                    credential.empty() ? "Credential"
                                    : headers.empty()  ? "SignedHeaders"
                                                       : "Signature"));
  }
  FB_TRY(ReadCredential(credential, kind, claim));
  FB_TRY(ReadSignedHeaders(headers, kind, claim));
  FB_TRY(ReadMoment(request, claim));
  claim.signature = signature;
  claim.payload = request.Header(s3::kPayloadHashHeader);
  if (claim.payload.empty()) {
    if (request.head->has_body) {
      return Refuse(kinds::kInvalidRequest,
                    "Missing required header for this request: x-amz-content-sha256");
    }
    claim.payload = http_origin::Hex(http_origin::HashSha256({}));
  }
  return claim;
}

Outcome<Claim> ReadQuery(const Request& request) {
  const auto& kind = kinds::kAuthorizationQueryParametersError;
  for (const std::string_view name : {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature",
                                      "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Expires"}) {
    if (request.QueryOr(name, "").empty()) {
      return Refuse(kind,
                    "Query-string authentication version 4 requires the X-Amz-Algorithm, "
                    "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and "
                    "X-Amz-Expires parameters.");
    }
  }
  if (*request.Query("X-Amz-Algorithm") != s3::kAlgorithm) {
    return Refuse(kind, "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"");
  }
  Claim claim{.presigned = true, .moment = *request.Query("X-Amz-Date")};
  FB_TRY(ReadCredential(*request.Query("X-Amz-Credential"), kind, claim));
  FB_TRY(ReadSignedHeaders(*request.Query("X-Amz-SignedHeaders"), kind, claim));
  const auto moment = ParseMoment(claim.moment);
  if (!moment) {
    return Refuse(kind, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  }
  claim.moment_ns = *moment;
  const std::string& expires = *request.Query("X-Amz-Expires");
  const auto parsed =
      std::from_chars(expires.data(), expires.data() + expires.size(), claim.valid_s);
  if (parsed.ec != std::errc() || parsed.ptr != expires.data() + expires.size()) {
    return Refuse(kind, "X-Amz-Expires should be a number");
  }
  if (claim.valid_s < 0) return Refuse(kind, "X-Amz-Expires must be non-negative");
  if (claim.valid_s > kMostValidSeconds) {
    return Refuse(kind,
                  "X-Amz-Expires must be less than a week (in seconds); that is, the given "
                  "X-Amz-Expires must be less than 604800 seconds");
  }
  claim.signature = *request.Query("X-Amz-Signature");
  claim.payload = request.QueryOr("X-Amz-Content-Sha256", "");
  if (claim.payload.empty()) claim.payload = request.Header(s3::kPayloadHashHeader);
  if (claim.payload.empty()) claim.payload = kUnsignedPayload;
  return claim;
}

void AppendCanonicalHeaders(const Claim& claim, const Request& request, std::string& lines) {
  for (const std::string& name : claim.signed_headers) {
    lines += name;
    char before = ':';
    for (const http::Header& header : request.head->headers) {
      if (!IsName(header.name, name)) continue;
      lines += before;
      lines += s3::CanonicalValue(header.value);
      before = ',';
    }
    if (before == ':') lines += before;  // it is not there
    lines += '\n';
  }
}

/// As S3 encodes names and values.
std::string EncodedQuery(const Request& request) {
  std::vector<std::pair<std::string, std::string>> pairs;
  pairs.reserve(request.query.size());
  for (const QueryItem& item : request.query) {
    if (item.name == "X-Amz-Signature") continue;
    pairs.emplace_back(http_origin::PercentEncode(item.name, false),
                       http_origin::PercentEncode(item.value, false));
  }
  return s3::CanonicalQuery(std::move(pairs));
}

std::string SentQuery(const Request& request) {
  const std::string_view path = request.head->path();
  std::vector<std::pair<std::string, std::string>> pairs;
  std::string_view query = request.head->target;
  query.remove_prefix(std::min(query.size(), path.size() + 1));
  for (const std::string_view one : Split(query, '&')) {
    const size_t equals = std::min(one.find('='), one.size());
    const std::string_view name = one.substr(0, equals);
    if (one.empty() || name == "X-Amz-Signature") continue;
    pairs.emplace_back(name, one.substr(std::min(one.size(), equals + 1)));
  }
  return s3::CanonicalQuery(std::move(pairs));
}

}  // namespace

std::string Claim::scope() const {
  return s3::ScopeOf(day, region);
}

Outcome<std::optional<Claim>> ReadClaim(const Request& request) {
  const std::string_view authorization = request.Header("Authorization");
  const bool in_query = request.Has("X-Amz-Algorithm") || request.Has("X-Amz-Signature") ||
                        request.Has("X-Amz-Credential");
  if (!authorization.empty() && in_query) {
    return Refuse(kinds::kInvalidArgument, kOneMechanism);
  }
  if (!authorization.empty()) {
    FB_ASSIGN(Claim claim, ReadHeader(request, authorization));
    return std::optional(std::move(claim));
  }
  if (in_query) {
    FB_ASSIGN(Claim claim, ReadQuery(request));
    return std::optional(std::move(claim));
  }
  return std::nullopt;
}

Outcome<void> CheckSkew(int64_t moment_ns, int64_t now_ns) {
  if (moment_ns >= now_ns - kMostSkewNs && moment_ns <= now_ns + kMostSkewNs) return {};
  S3Error error(kinds::kRequestTimeTooSkewed);
  error.With("RequestTime", http_origin::BasicIsoDate(moment_ns))
      .With("ServerTime", http_origin::BasicIsoDate(now_ns))
      .With("MaxAllowedSkewMilliseconds", std::to_string(kMostSkewNs / 1'000'000));
  return std::unexpected(std::move(error));
}

Outcome<void> CheckClaim(const Claim& claim, std::string_view region, int64_t now_ns) {
  const auto& malformed = claim.presigned ? kinds::kAuthorizationQueryParametersError
                                          : kinds::kAuthorizationHeaderMalformed;
  if (claim.region != region) {
    S3Error error(malformed,
                  fmt::format("the region '{}' is wrong; expecting '{}'", claim.region, region));
    return std::unexpected(std::move(error.With("Region", std::string(region))));
  }
  if (claim.day != claim.moment.substr(0, 8)) {
    return Refuse(malformed, fmt::format("Invalid credential date \"{}\". This date is not the "
                                         "same as X-Amz-Date: \"{}\".",
                                         claim.day, claim.moment.substr(0, 8)));
  }
  if (!claim.presigned) return CheckSkew(claim.moment_ns, now_ns);
  if (claim.moment_ns > now_ns + kMostSkewNs) {
    return Refuse(kinds::kAccessDenied, "Request is not valid yet");
  }
  if (claim.moment_ns < now_ns - claim.valid_s * kNanosASecond) {
    S3Error error(kinds::kRequestExpired);
    error.With("X-Amz-Expires", std::to_string(claim.valid_s))
        .With("Expires", http_origin::BasicIsoDate(claim.moment_ns + claim.valid_s * kNanosASecond))
        .With("ServerTime", http_origin::BasicIsoDate(now_ns));
    return std::unexpected(std::move(error));
  }
  return {};
}

Outcome<void> CheckCoverage(const Claim& claim, const Request& request) {
  const auto covered = [&claim](std::string_view name) {
    return std::ranges::any_of(claim.signed_headers,
                               [name](std::string_view lower) { return IsName(name, lower); });
  };
  std::string missing = covered("host") ? "" : "host";
  for (const http::Header& header : request.head->headers) {
    if (!IsName(std::string_view(header.name).substr(0, kSignedAlways.size()), kSignedAlways)) {
      continue;
    }
    if (covered(header.name)) continue;
    const std::string name = Lower(header.name);
    // The URL of a presigned request is all that its sender was given: a hash that it adds is
    // checked, and takes nothing away.
    if (claim.presigned && name == s3::kPayloadHashHeader) continue;
    missing += (missing.empty() ? "" : ", ") + name;
  }
  if (missing.empty()) return {};
  S3Error error(kinds::kAccessDenied,
                "There were headers present in the request which were not "
                "signed");
  return std::unexpected(std::move(error.With("HeadersNotSigned", missing)));
}

std::string CanonicalRequest(const Claim& claim, const Request& request, Spelling spelling) {
  constexpr size_t kUsualBytes = 1024;
  const bool sent = spelling == Spelling::kAsSent;
  std::string text;
  text.reserve(kUsualBytes);
  (text += request.head->method) += '\n';
  text += sent ? std::string(request.head->path()) : http_origin::PercentEncode(request.path, true);
  (text += '\n') += sent ? SentQuery(request) : EncodedQuery(request);
  text += '\n';
  AppendCanonicalHeaders(claim, request, text);
  text += '\n';
  for (const std::string& name : claim.signed_headers) {
    if (text.back() != '\n') text += ';';
    text += name;
  }
  return (text += '\n') += claim.payload;
}

}  // namespace forebay::s3door
