#include "src/origin/origin_url.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "src/origin/http/text.h"

namespace forebay {
namespace {

using http_origin::PercentDecode;
using http_origin::PercentEncode;

/// What stands behind the '?' may be a secret that does not belong there.
std::unexpected<Error> Bad(std::string_view text, std::string_view why) {
  return Fail(Code::kInvalidArgument,
              fmt::format("origin '{}': {}", text.substr(0, text.find('?')), why));
}

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool IsAuthority(std::string_view text) {
  constexpr std::string_view kAlso = "-._:";
  return std::ranges::all_of(
      text, [&](char c) { return IsAlphanumeric(c) || kAlso.find(c) != kAlso.npos; });
}

bool IsScheme(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
}

/// As encoded as needed to be read again, so that people can read it, too: "dt=2026" stays.
std::string EncodeKeeping(std::string_view text, std::string_view kept) {
  std::string encoded;
  for (const char c : text) {
    if (kept.find(c) != kept.npos) {
      encoded += c;
    } else {
      encoded += PercentEncode(std::string_view(&c, 1), true);
    }
  }
  return encoded;
}

Result<void> ReadParameters(std::string_view text, OriginUrl* url) {
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const size_t equals = one.find('=');
    if (equals == 0 || equals == one.npos) {
      return Fail(Code::kInvalidArgument,
                  "what stands behind the '?' is no name=value; write %3F for a '?' of the prefix");
    }
    FB_ASSIGN(std::string name, PercentDecode(one.substr(0, equals)));
    FB_ASSIGN(std::string value, PercentDecode(one.substr(equals + 1)));
    if (!url->parameters.emplace(name, std::move(value)).second) {
      return Fail(Code::kInvalidArgument, fmt::format("'{}' is given twice", name));
    }
  }
  return {};
}

}  // namespace

Result<OriginUrl> OriginUrl::Parse(std::string_view text) {
  // Checked before anything is put into a message: what stands before an '@' is a secret.
  const size_t scheme_end = text.find("://");
  const std::string_view rest = scheme_end == text.npos ? text : text.substr(scheme_end + 3);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.find('@') != authority.npos) {
    return Fail(Code::kInvalidArgument,
                "an origin holds no user and no password ('...@'): name where the credentials are "
                "with ?credentials=");
  }
  OriginUrl url;
  if (scheme_end == text.npos || !IsScheme(text.substr(0, scheme_end))) {
    return Bad(text, "not a URL; write SCHEME://NAME/PREFIX, for example s3://bucket/data");
  }
  if (text.find('#') != text.npos) return Bad(text, "write %23 for a '#' of the prefix");
  url.scheme = text.substr(0, scheme_end);
  if (!IsAuthority(authority)) {
    return Bad(text,
               fmt::format("'{}' is no name of letters, digits, '-', '.' and '_'", authority));
  }
  url.authority = authority;
  const size_t question = rest.find('?');
  std::string_view path = rest.substr(0, question).substr(authority.size());
  if (path.starts_with('/')) path.remove_prefix(1);
  auto decoded = PercentDecode(path);
  if (!decoded) return Bad(text, decoded.error().message());
  if (decoded->find('\0') != std::string::npos) return Bad(text, "a prefix has no NUL");
  url.path = std::move(*decoded);
  if (question != rest.npos) {
    const auto read = ReadParameters(rest.substr(question + 1), &url);
    if (!read) return Bad(text, read.error().message());
  }
  return url;
}

std::string OriginUrl::Name() const {
  std::string text = fmt::format("{}://{}", scheme, authority);
  if (!path.empty()) text += "/" + EncodeKeeping(path, "!$&'()*+,;=:@");
  return text;
}

std::string OriginUrl::ToString() const {
  std::string text = Name();
  char separator = '?';
  for (const auto& [name, value] : parameters) {
    text +=
        fmt::format("{}{}={}", separator, PercentEncode(name, false), EncodeKeeping(value, ":,@"));
    separator = '&';
  }
  return text;
}

std::string_view OriginUrl::Parameter(std::string_view name) const {
  const auto found = parameters.find(name);
  return found == parameters.end() ? std::string_view() : std::string_view(found->second);
}

Result<void> OriginUrl::OnlyParameters(std::initializer_list<std::string_view> known) const {
  for (const auto& [name, value] : parameters) {
    if (std::ranges::find(known, name) != known.end()) continue;
    return Fail(Code::kInvalidArgument,
                fmt::format("origin '{}://{}': there is no parameter '{}'; known: {}", scheme,
                            authority, name, fmt::join(known, ", ")));
  }
  return {};
}

}  // namespace forebay
