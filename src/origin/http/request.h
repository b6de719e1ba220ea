// What drivers do with their requests besides sending them.
#pragma once

#include <string>
#include <string_view>

#include "src/runtime/env.h"

namespace forebay::http_origin {

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
/// "" where it is absent.
std::string_view HeaderOf(const HttpRequest& request, std::string_view name);
std::string Lower(std::string_view text);

/// Whether a key can stand in a path: UTF-8, no NUL, no empty part, none of "." and "..".
bool IsNameable(std::string_view key);

/// kDeadlineExceeded or kCancelled where the call has ended already.
Result<void> CheckCall(Env& env, const Call& call);

/// A file with a credential or a profile; kNotFound where there is none.
Task<Result<std::string>> ReadSmallFile(Env& env, std::string path);

}  // namespace forebay::http_origin
