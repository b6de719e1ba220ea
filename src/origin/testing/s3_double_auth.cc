// The double's own reading of signature version 4, so that one misunderstanding is not made twice.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "src/origin/http/text.h"
#include "src/origin/testing/s3_double.h"

namespace forebay {

using http_origin::HashSha256;
using http_origin::Hex;
using http_origin::HmacSha256;
using sim::FindHeader;
using sim::SimHttpReply;
using sim::SimHttpRequest;

namespace {

constexpr int64_t kMostSkewNs = int64_t{15} * 60 * 1'000'000'000;

std::vector<std::string> Split(std::string_view text, char by) {
  std::vector<std::string> pieces(1);
  for (const char c : text) {
    if (c == by) {
      pieces.emplace_back();
    } else {
      pieces.back() += c;
    }
  }
  return pieces;
}

std::string Between(std::string_view text, std::string_view from, char to) {
  const size_t begin = text.find(from);
  if (begin == text.npos) return {};
  text.remove_prefix(begin + from.size());
  return std::string(text.substr(0, text.find(to)));
}

std::string HostOf(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  return std::string(url.substr(0, url.find_first_of("/?")));
}

std::string PathOf(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  const size_t slash = url.find_first_of("/?");
  if (slash == url.npos || url[slash] == '?') return "/";
  return std::string(url.substr(slash, url.find('?') - slash));
}

std::string SortedQuery(std::string_view url) {
  const size_t question = url.find('?');
  if (question == url.npos) return {};
  std::vector<std::string> pairs = Split(url.substr(question + 1), '&');
  for (std::string& pair : pairs) {
    if (pair.find('=') == pair.npos) pair += '=';
  }
  std::ranges::sort(pairs, {}, [](const std::string& pair) {
    return std::pair(pair.substr(0, pair.find('=')), pair);
  });
  std::string text;
  for (const std::string& pair : pairs) text += text.empty() ? pair : "&" + pair;
  return text;
}

std::optional<int64_t> MomentOf(std::string_view amz_date) {
  if (amz_date.size() != 16) return std::nullopt;
  std::string iso(amz_date);
  for (const size_t at : {4, 7}) iso.insert(at, "-");
  for (const size_t at : {13, 16}) iso.insert(at, ":");
  return http_origin::ParseIsoDate(iso);
}

/// "Sequential spaces" are signed as one.
std::string OneSpaced(std::string_view value) {
  std::string text(value);
  const auto twice = [](char a, char b) { return a == ' ' && b == ' '; };
  text.erase(std::unique(text.begin(), text.end(), twice), text.end());
  return text;
}

std::string Expected(const SimHttpRequest& request, const std::vector<std::string>& scope,
                     const std::string& signed_headers, const std::string& secret) {
  std::string lines;
  for (const std::string& name : Split(signed_headers, ';')) {
    lines += fmt::format(
        "{}:{}\n", name,
        name == "host" ? HostOf(request.url) : OneSpaced(FindHeader(request.headers, name)));
  }
  const std::string canonical = fmt::format(
      "{}\n{}\n{}\n{}\n{}\n{}", request.method, PathOf(request.url), SortedQuery(request.url),
      lines, signed_headers, FindHeader(request.headers, "x-amz-content-sha256"));
  const std::string text = fmt::format(
      "AWS4-HMAC-SHA256\n{}\n{}/{}/{}/{}\n{}", FindHeader(request.headers, "x-amz-date"), scope[1],
      scope[2], scope[3], scope[4], Hex(HashSha256(AsBytes(canonical))));
  const std::string start = "AWS4" + secret;
  const auto day = HmacSha256(AsBytes(start), scope[1]);
  const auto region = HmacSha256(day, scope[2]);
  const auto service = HmacSha256(region, scope[3]);
  return Hex(HmacSha256(HmacSha256(service, scope[4]), text));
}

/// What must be signed and is not.
bool LeavesOut(const SimHttpRequest& request, const std::string& signed_headers) {
  const auto names = Split(signed_headers, ';');
  const std::set<std::string> covered(names.begin(), names.end());
  if (!covered.contains("host")) return true;
  return std::ranges::any_of(request.headers, [&](const HttpHeader& header) {
    std::string name = header.name;
    for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return name.starts_with("x-amz-") && !covered.contains(name);
  });
}

}  // namespace

std::optional<SimHttpReply> S3Double::CheckSignature(const SimHttpRequest& request) const {
  const std::string_view authorization = FindHeader(request.headers, "Authorization");
  if (accounts_.empty()) return std::nullopt;
  if (authorization.empty()) return S3Error(403, "AccessDenied");
  const auto scope = Split(Between(authorization, "Credential=", ','), '/');
  const std::string signed_headers = Between(authorization, "SignedHeaders=", ',');
  if (scope.size() != 5) return S3Error(400, "AuthorizationHeaderMalformed");
  const auto account = accounts_.find(scope[0]);
  if (account == accounts_.end()) return S3Error(403, "InvalidAccessKeyId");
  if (FindHeader(request.headers, "x-amz-security-token") != account->second.token) {
    return S3Error(400, "ExpiredToken");
  }
  if (scope[2] != options_.region) {
    return S3Error(400, "AuthorizationHeaderMalformed",
                   fmt::format("<Region>{}</Region>", options_.region));
  }
  const std::string_view date = FindHeader(request.headers, "x-amz-date");
  const auto moment = MomentOf(date);
  if (!moment || date.substr(0, 8) != scope[1]) return S3Error(403, "AccessDenied");
  const int64_t apart = *moment - Now();
  if (apart > kMostSkewNs || -apart > kMostSkewNs) {
    SimHttpReply reply = S3Error(403, "RequestTimeTooSkewed");
    reply.headers.push_back({"Date", http_origin::HttpDate(Now())});
    return reply;
  }
  const std::string wanted = Expected(request, scope, signed_headers, account->second.secret);
  if (LeavesOut(request, signed_headers) || Between(authorization, "Signature=", ',') != wanted) {
    return S3Error(403, "SignatureDoesNotMatch");
  }
  if (FindHeader(request.headers, "x-amz-content-sha256") !=
      Hex(HashSha256(AsBytes(request.body)))) {
    return S3Error(400, "XAmzContentSHA256Mismatch");
  }
  return std::nullopt;
}

}  // namespace forebay
