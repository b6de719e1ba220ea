#include "src/origin/azure/address.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/origin/folder_mark.h"
#include "src/origin/http/request.h"
#include "src/origin/http/text.h"

namespace forebay::azure {
namespace {

using http_origin::IsNameable;
using http_origin::PercentEncode;
using http_origin::SplitUrl;
using http_origin::UrlParts;

bool IsSmallOrDigit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool IsContainer(std::string_view name) {
  if (name == "$root" || name == "$web" || name == "$logs") return true;
  return name.size() >= 3 && name.size() <= 63 && IsSmallOrDigit(name.front()) &&
         std::ranges::all_of(name, [](char c) { return IsSmallOrDigit(c) || c == '-'; });
}

Result<void> CheckNames(const OriginUrl& url, std::string_view container) {
  const std::string& account = url.authority;
  if (account.empty() || container.empty()) {
    return Fail(Code::kInvalidArgument, "names no container; write azure://ACCOUNT/CONTAINER");
  }
  if (account.find_first_of(".:") != account.npos) {
    return Fail(Code::kInvalidArgument, fmt::format("'{}' is no account's name but a host; write "
                                                    "azure://ACCOUNT/CONTAINER?endpoint=https://{}",
                                                    account, account));
  }
  if (!IsContainer(container)) {
    return Fail(Code::kInvalidArgument,
                fmt::format("'{}' is no name of a container: 3 to 63 small letters, digits and '-'",
                            container));
  }
  return {};
}

Result<std::string> CheckEndpoint(std::string_view endpoint) {
  const UrlParts parts = SplitUrl(endpoint);
  const bool http = parts.scheme == "http" || parts.scheme == "https";
  if (!http || parts.host.empty() || endpoint.find_first_of("?#@ ") != endpoint.npos) {
    return Fail(Code::kInvalidArgument,
                "?endpoint= is the URL of the account's Blob service: https://HOST or, for "
                "Azurite, http://HOST:PORT/ACCOUNT");
  }
  while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  return std::string(endpoint);
}

}  // namespace

Result<Address> Address::Of(const OriginUrl& url, std::string_view usual_endpoint) {
  const auto wrong = [&](std::string_view why) {
    return Fail(Code::kInvalidArgument, fmt::format("origin {}: {}", url.Name(), why));
  };
  const std::string_view path = url.path;
  const std::string_view container = path.substr(0, path.find('/'));
  if (const auto named = CheckNames(url, container); !named) return wrong(named.error().message());
  Address address{.account = url.authority, .container = std::string(container)};
  std::string_view prefix = path.substr(std::min(path.size(), container.size() + 1));
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  if (!prefix.empty()) {
    if (!IsNameable(prefix)) {
      return wrong(
          fmt::format("a prefix like '{}', with '//', '.' or '..' in it, cannot be used", prefix));
    }
    address.prefix = std::string(prefix) + "/";
  }
  std::string endpoint(url.Parameter("endpoint"));
  if (endpoint.empty()) endpoint = usual_endpoint;
  if (endpoint.empty()) endpoint = fmt::format("https://{}.blob.core.windows.net", url.authority);
  auto checked = CheckEndpoint(endpoint);
  if (!checked) return wrong(checked.error().message());
  address.endpoint = std::move(*checked);
  return address;
}

std::string Address::UrlOf(std::string_view key) const {
  return fmt::format("{}/{}{}", ContainerUrl(), PercentEncode(prefix, true),
                     PercentEncode(WithoutFolderMark(key), true));
}

std::string Address::BlobName(std::string_view key) const {
  return prefix + std::string(WithoutFolderMark(key));
}

}  // namespace forebay::azure
