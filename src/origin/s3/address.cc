#include "src/origin/s3/address.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/origin/folder_mark.h"
#include "src/origin/http/request.h"
#include "src/origin/http/text.h"
#include "src/origin/http/trust.h"
#include "src/origin/s3/sigv4.h"

namespace forebay::s3 {
namespace {

using http_origin::IsNameable;
using http_origin::PercentEncode;
using http_origin::SplitUrl;
using http_origin::UrlParts;

Result<void> CheckBucket(std::string_view bucket) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  };
  if (bucket.empty()) {
    return Fail(Code::kInvalidArgument, "names no bucket; write s3://BUCKET/PREFIX");
  }
  if (!std::ranges::all_of(bucket, fits) || bucket.front() == '.' || bucket.size() > 255) {
    return Fail(Code::kInvalidArgument, fmt::format("'{}' is no name of a bucket", bucket));
  }
  return {};
}

Result<std::string> CheckEndpoint(std::string_view endpoint) {
  const UrlParts parts = SplitUrl(endpoint);
  const bool http = parts.scheme == "http" || parts.scheme == "https";
  if (!http || parts.host.empty() || endpoint.find_first_of("?#@ ") != endpoint.npos) {
    return Fail(Code::kInvalidArgument,
                "?endpoint= is the URL of the store's API: https://HOST or http://HOST:PORT");
  }
  while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  return std::string(endpoint);
}

std::string RegionOf(const OriginUrl& url, const Surroundings& surroundings) {
  for (const std::string_view region :
       {url.Parameter("region"), surroundings.Variable("AWS_REGION"),
        surroundings.Variable("AWS_DEFAULT_REGION")}) {
    if (!region.empty()) return std::string(region);
  }
  return "us-east-1";
}

Result<std::string> CheckPrefix(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return std::string();
  if (!IsNameable(path)) {
    return Fail(
        Code::kInvalidArgument,
        fmt::format("a prefix like '{}', with '//', '.' or '..' in it, cannot be used", path));
  }
  return std::string(path) + "/";
}

bool IsRegion(std::string_view region) {
  return region.size() <= 64 && std::ranges::all_of(region, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

}  // namespace

Result<Address> Address::Of(const OriginUrl& url, const Surroundings& surroundings) {
  const auto wrong = [&](std::string_view why) {
    return Fail(Code::kInvalidArgument, fmt::format("origin {}: {}", url.Name(), why));
  };
  const auto bucket = CheckBucket(url.authority);
  if (!bucket) return wrong(bucket.error().message());
  Address address{.bucket = url.authority, .region = RegionOf(url, surroundings)};
  if (!IsRegion(address.region)) return wrong("?region= is a name like eu-central-1");
  auto prefix = CheckPrefix(url.path);
  if (!prefix) return wrong(prefix.error().message());
  address.prefix = std::move(*prefix);
  FB_ASSIGN(address.tls, http_origin::TlsOf(url, surroundings, {kAuthoritiesVariable}));
  const std::string_view given = url.Parameter("endpoint"), style = url.Parameter("style");
  if (!style.empty() && style != "path" && style != "virtual") {
    return wrong("?style= is path (HOST/BUCKET) or virtual (BUCKET.HOST)");
  }
  // A name with dots is no single label of a certificate for *.s3.amazonaws.com.
  bool virtual_host = given.empty() && address.bucket.find('.') == std::string::npos;
  if (!style.empty()) virtual_host = style == "virtual";
  address.endpoint = fmt::format("https://s3.{}.amazonaws.com{}", address.region,
                                 address.region.starts_with("cn-") ? ".cn" : "");
  if (!given.empty()) {
    auto endpoint = CheckEndpoint(given);
    if (!endpoint) return wrong(endpoint.error().message());
    address.endpoint = std::move(*endpoint);
  }
  const size_t host = address.endpoint.find("://") + 3;
  address.bucket_url = virtual_host ? fmt::format("{}{}.{}", address.endpoint.substr(0, host),
                                                  address.bucket, address.endpoint.substr(host))
                                    : fmt::format("{}/{}", address.endpoint, address.bucket);
  return address;
}

std::string Address::UrlOf(std::string_view key) const {
  return fmt::format("{}/{}{}", bucket_url, PercentEncode(prefix, true),
                     PercentEncode(WithoutFolderMark(key), true));
}

}  // namespace forebay::s3
