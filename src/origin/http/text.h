// The texts that HTTP stores are made of: percent-encoding, base64, dates, etags.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "src/base/base64.h"
#include "src/base/bytes.h"
#include "src/base/result.h"

namespace forebay::http_origin {

/// Everything but unreserved characters (RFC 3986), and '/' where `keep_slash`.
std::string PercentEncode(std::string_view text, bool keep_slash);
/// kInvalidArgument where a '%' is not followed by two hex digits.
Result<std::string> PercentDecode(std::string_view text);

/// Of digits alone, as far as 64 bits go.
std::optional<uint64_t> ParseNumber(std::string_view text);

using forebay::Base64;
using forebay::FromBase64;
std::string Hex(Bytes bytes);

using Sha256 = std::array<std::byte, 32>;
Sha256 HashSha256(Bytes bytes);
Sha256 HmacSha256(Bytes key, std::string_view text);

/// "Sat, 21 Nov 2026 08:49:37 GMT", as of HTTP; nanoseconds since 1970.
std::string HttpDate(int64_t wall_ns);
std::optional<int64_t> ParseHttpDate(std::string_view text);
/// "2026-11-21T08:49:37.123Z", as listings of S3 have it.
std::optional<int64_t> ParseIsoDate(std::string_view text);
/// "20261121T084937Z", as signatures of S3 have it.
std::string BasicIsoDate(int64_t wall_ns);

/// Etags are kept without their quotes, because listings leave them out; W/ stays.
std::string BareEtag(std::string_view header);
std::string QuotedEtag(std::string_view bare);

}  // namespace forebay::http_origin
