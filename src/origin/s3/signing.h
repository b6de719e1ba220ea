// What both sides of signature version 4 compute: our requests to S3, and those that come to the S3
// door. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/origin/http/text.h"

namespace forebay::s3 {

inline constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
inline constexpr std::string_view kPayloadHashHeader = "x-amz-content-sha256";

/// Signs what one day brings to S3 in one region. As secret as the secret that it is made of, but
/// good for no more than that.
using SigningKey = http_origin::Sha256;
/// `day` is "20130524".
SigningKey SigningKeyOf(std::string_view secret, std::string_view day, std::string_view region);
/// "20130524/us-east-1/s3/aws4_request"
std::string ScopeOf(std::string_view day, std::string_view region);

/// What is signed for a canonical request. `moment` is "20130524T000000Z".
std::string TextToSign(std::string_view canonical, std::string_view moment, std::string_view scope);
/// In hex.
std::string Sign(const SigningKey& key, std::string_view text);

/// Sorted, each with its '='. Names and values are encoded already.
std::string CanonicalQuery(std::vector<std::pair<std::string, std::string>> pairs);
/// Without the white space around it, and with one space for several.
std::string CanonicalValue(std::string_view header_value);

}  // namespace forebay::s3
