// Where a bucket answers, from the origin's URL.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "src/origin/origin_url.h"
#include "src/origin/surroundings.h"
#include "src/runtime/http.h"

namespace forebay::s3 {

/// Where AWS's own tools look for the authorities to trust.
inline constexpr std::string_view kAuthoritiesVariable = "AWS_CA_BUNDLE";

struct Address {
  std::string bucket;
  std::string region;
  std::string endpoint;    // "https://s3.eu-1.amazonaws.com": for people, and to tell stores apart
  std::string bucket_url;  // with the bucket, without a slash at its end
  std::string prefix;      // "" or ending with '/'
  std::shared_ptr<const HttpTls> tls;

  /// kInvalidArgument says which part of the URL is wrong.
  static Result<Address> Of(const OriginUrl& url, const Surroundings& surroundings);

  std::string UrlOf(std::string_view key) const;
};

}  // namespace forebay::s3
