#include "src/origin/azure/shared_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "src/origin/http/request.h"
#include "src/origin/http/text.h"

namespace forebay::azure {
namespace {

using http_origin::HeaderOf;
using http_origin::Lower;
using http_origin::PercentDecode;
using http_origin::SetHeader;
using http_origin::SplitUrl;
using http_origin::UrlParts;

std::string Decoded(std::string_view text) {
  auto decoded = PercentDecode(text);
  return decoded ? std::move(*decoded) : std::string(text);
}

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

/// Calls `each(name, value)` for what stands between '&'.
void ForEachParameter(std::string_view query, const auto& each) {
  while (!query.empty()) {
    const std::string_view one = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), one.size() + 1));
    if (one.empty()) continue;
    const size_t equals = std::min(one.find('='), one.size());
    each(one.substr(0, equals), one.substr(std::min(one.size(), equals + 1)));
  }
}

/// As the service sorts names of headers, which is that of words: '-' counts only between names
/// that differ in nothing else, and what is neither letter nor digit comes before both.
struct InServiceOrder {
  static int Weight(char c) {
    if (c >= 'a' && c <= 'z') return 512 + c;
    if (c >= '0' && c <= '9') return 256 + c;
    return static_cast<unsigned char>(c);
  }
  bool operator()(std::string_view one, std::string_view other) const {
    size_t i = 0, j = 0;
    for (;; ++i, ++j) {
      while (i < one.size() && one[i] == '-') ++i;
      while (j < other.size() && other[j] == '-') ++j;
      if (i == one.size() || j == other.size()) break;
      if (one[i] != other[j]) return Weight(one[i]) < Weight(other[j]);
    }
    if (i < one.size() || j < other.size()) return j < other.size();
    return one < other;
  }
};

std::string CanonicalHeaders(const HttpRequest& request) {
  std::map<std::string, std::string, InServiceOrder> headers;
  for (const HttpHeader& header : request.headers) {
    std::string name = Lower(header.name);
    if (name.starts_with("x-ms-")) headers[std::move(name)] = Trimmed(header.value);
  }
  std::string text;
  for (const auto& [name, value] : headers) text += fmt::format("{}:{}\n", name, value);
  return text;
}

std::string CanonicalResource(const UrlParts& url, std::string_view account) {
  std::map<std::string, std::vector<std::string>> parameters;
  ForEachParameter(url.query, [&](std::string_view name, std::string_view value) {
    parameters[Lower(Decoded(name))].push_back(Decoded(value));
  });
  std::string text = fmt::format("/{}{}", account, url.path.empty() ? "/" : url.path);
  for (auto& [name, values] : parameters) {
    std::ranges::sort(values);
    text += fmt::format("\n{}:", name);
    for (size_t i = 0; i < values.size(); ++i) text += (i == 0 ? "" : ",") + values[i];
  }
  return text;
}

}  // namespace

std::string StringToSign(const HttpRequest& request, std::string_view account) {
  std::string text = request.method + "\n";
  for (const std::string_view name :
       {"Content-Encoding", "Content-Language", "Content-Length", "Content-MD5", "Content-Type",
        "Date", "If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range"}) {
    const std::string_view value = Trimmed(HeaderOf(request, name));
    if (name != "Content-Length" || value != "0") text += value;
    text += '\n';
  }
  return text + CanonicalHeaders(request) + CanonicalResource(SplitUrl(request.url), account);
}

void SignWithKey(HttpRequest& request, std::string_view account, std::string_view key,
                 int64_t wall_ns) {
  SetHeader(request, "x-ms-date", http_origin::HttpDate(wall_ns));
  const auto signature = http_origin::HmacSha256(AsBytes(key), StringToSign(request, account));
  SetHeader(request, "Authorization",
            fmt::format("SharedKey {}:{}", account, http_origin::Base64(signature)));
}

Result<std::string> NormalSas(std::string_view text) {
  text = Trimmed(text);
  if (text.starts_with('?')) text.remove_prefix(1);
  std::string signature, rest;
  bool printable = true;
  for (const char c : text) printable = printable && c > ' ' && c < 0x7f && c != '#';
  ForEachParameter(text, [&](std::string_view name, std::string_view value) {
    if (name == "sig") {
      signature = fmt::format("sig={}", value);
    } else {
      rest += fmt::format("&{}={}", name, value);
    }
  });
  if (signature.empty() || !printable) {
    return Fail(Code::kInvalidArgument,
                "is no shared access signature, which looks like sv=...&se=...&sig=...");
  }
  return signature + rest;
}

void AddSas(HttpRequest& request, std::string_view normal_sas) {
  // Values of ours are percent-encoded: they have no '&'.
  size_t question = request.url.find('?');
  for (const std::string_view begin : {"?sig=", "&sig="}) {
    const size_t old = question == std::string::npos ? question : request.url.find(begin, question);
    if (old != std::string::npos) request.url.resize(old);
  }
  question = request.url.find('?');
  request.url += question == std::string::npos ? '?' : '&';
  request.url += normal_sas;
}

int64_t SasEnds(std::string_view normal_sas) {
  std::string ends;
  ForEachParameter(normal_sas, [&](std::string_view name, std::string_view value) {
    if (name == "se") ends = Decoded(value);
  });
  // "2026-11-21", "2026-11-21T08:49Z" and "2026-11-21T08:49:37Z" are all allowed.
  constexpr std::string_view kForm = "0000-00-00T00:00:00Z";
  if (ends.size() == 10) ends += "T00:00:00Z";
  if (ends.size() == 17 && ends.ends_with('Z')) ends = ends.substr(0, 16) + ":00Z";
  if (ends.size() < kForm.size()) return INT64_MAX;
  return http_origin::ParseIsoDate(ends).value_or(INT64_MAX);
}

}  // namespace forebay::azure
