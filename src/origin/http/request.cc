#include "src/origin/http/request.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/base/utf8.h"

namespace forebay::http_origin {
namespace {

constexpr size_t kMaxFileBytes = 256 << 10;

char LowerOf(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
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
    if (!SameHeaderName(header.name, name)) continue;
    header.value = std::move(value);
    return;
  }
  request.headers.push_back({.name = std::string(name), .value = std::move(value)});
}

void RemoveHeader(HttpRequest& request, std::string_view name) {
  std::erase_if(request.headers, [&](const HttpHeader& h) { return SameHeaderName(h.name, name); });
}

std::string_view HeaderOf(const HttpRequest& request, std::string_view name) {
  for (const HttpHeader& header : request.headers) {
    if (SameHeaderName(header.name, name)) return header.value;
  }
  return {};
}

bool IsNameable(std::string_view key) {
  if (key.find('\0') != key.npos || !IsUtf8(key)) return false;
  for (size_t at = 0; at <= key.size();) {
    const size_t slash = std::min(key.find('/', at), key.size());
    const std::string_view part = key.substr(at, slash - at);
    if (part.empty() || part == "." || part == "..") return false;
    at = slash + 1;
  }
  return true;
}

Result<void> CheckCall(Env& env, const Call& call) {
  if (call.cancel.cancelled()) return Fail(Code::kCancelled, "given up");
  if (env.clock.Now() >= call.deadline) {
    return Fail(Code::kDeadlineExceeded, "the deadline passed");
  }
  return {};
}

Task<Result<std::string>> ReadSmallFile(Env& env, std::string path) {
  FB_CO_ASSIGN(const auto file, co_await env.disk.Open(path, {}));
  std::string text(kMaxFileBytes + 1, '\0');
  const auto bytes = std::as_writable_bytes(std::span(text));
  size_t size = 0;
  for (;;) {
    FB_CO_ASSIGN(const size_t got, co_await env.disk.Read(*file, size, bytes.subspan(size)));
    size += got;
    if (got == 0 || size == text.size()) break;
  }
  if (size > kMaxFileBytes) {
    co_return Fail(Code::kInvalidArgument,
                   fmt::format("{} is too large for a file of credentials: more than {} bytes",
                               path, kMaxFileBytes));
  }
  text.resize(size);
  co_return text;
}

}  // namespace forebay::http_origin
