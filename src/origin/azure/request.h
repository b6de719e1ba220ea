// Requests, taken apart and changed.
#pragma once

#include <string>
#include <string_view>

#include "src/runtime/http.h"

namespace forebay::azure {

/// "/account/container/key", "a=1&b" and "host:10000" of an absolute URL.
struct UrlParts {
  std::string_view scheme;
  std::string_view host;
  std::string_view path;
  std::string_view query;
};
UrlParts SplitUrl(std::string_view url);

void SetHeader(HttpRequest& request, std::string_view name, std::string value);
void RemoveHeader(HttpRequest& request, std::string_view name);
/// "" where it is absent; names compare without case.
std::string_view HeaderOf(const HttpRequest& request, std::string_view name);
std::string Lower(std::string_view text);

}  // namespace forebay::azure
