#include "src/origin/azure/request.h"

#include <algorithm>

namespace forebay::azure {
namespace {

char LowerOf(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool SameName(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, LowerOf, LowerOf);
}

}  // namespace

UrlParts SplitUrl(std::string_view url) {
  UrlParts parts;
  const size_t scheme = url.find("://");
  if (scheme == url.npos) return parts;
  parts.scheme = url.substr(0, scheme);
  url.remove_prefix(scheme + 3);
  const size_t question = std::min(url.find('?'), url.size());
  parts.query = url.substr(std::min(url.size(), question + 1));
  url = url.substr(0, question);
  const size_t slash = std::min(url.find('/'), url.size());
  parts.host = url.substr(0, slash);
  parts.path = url.substr(slash);
  return parts;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), LowerOf);
  return lower;
}

void SetHeader(HttpRequest& request, std::string_view name, std::string value) {
  for (HttpHeader& header : request.headers) {
    if (!SameName(header.name, name)) continue;
    header.value = std::move(value);
    return;
  }
  request.headers.push_back({.name = std::string(name), .value = std::move(value)});
}

void RemoveHeader(HttpRequest& request, std::string_view name) {
  std::erase_if(request.headers, [&](const HttpHeader& h) { return SameName(h.name, name); });
}

std::string_view HeaderOf(const HttpRequest& request, std::string_view name) {
  for (const HttpHeader& header : request.headers) {
    if (SameName(header.name, name)) return header.value;
  }
  return {};
}

}  // namespace forebay::azure
