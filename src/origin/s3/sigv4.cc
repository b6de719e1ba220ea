#include "src/origin/s3/sigv4.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "src/origin/http/request.h"
#include "src/origin/http/text.h"

namespace forebay::s3 {
namespace {

using http_origin::BasicIsoDate;
using http_origin::HashSha256;
using http_origin::HeaderOf;
using http_origin::Hex;
using http_origin::Lower;
using http_origin::SetHeader;
using http_origin::SplitUrl;
using http_origin::UrlParts;

std::string QueryOf(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!query.empty()) {
    const std::string_view one = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), one.size() + 1));
    const size_t equals = std::min(one.find('='), one.size());
    if (!one.empty()) {
      pairs.emplace_back(one.substr(0, equals), one.substr(std::min(one.size(), equals + 1)));
    }
  }
  return CanonicalQuery(std::move(pairs));
}

std::string HashOfBody(const HttpRequest& request) {
  if (request.body.size() == 1) return Hex(HashSha256(request.body[0]));
  std::string whole;
  for (const Bytes part : request.body) whole += AsText(part);
  return Hex(HashSha256(AsBytes(whole)));
}

}  // namespace

Canonical CanonicalRequest(const HttpRequest& request) {
  UrlParts url = SplitUrl(request.url);
  // Clients leave the scheme's own port out of the Host header.
  const std::string_view port = url.scheme == "https" ? ":443" : ":80";
  if (url.host.ends_with(port)) url.host.remove_suffix(port.size());
  std::map<std::string, std::string> headers = {{"host", std::string(url.host)}};
  for (const HttpHeader& header : request.headers) {
    const std::string name = Lower(header.name);
    // Gateways on the way may put a step of their own into the trace.
    if (name == "authorization" || name == "traceparent") continue;
    headers[name] = CanonicalValue(header.value);
  }
  Canonical canonical;
  std::string lines;
  for (const auto& [name, value] : headers) {
    lines += fmt::format("{}:{}\n", name, value);
    canonical.signed_headers += (canonical.signed_headers.empty() ? "" : ";") + name;
  }
  canonical.text = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method,
                               url.path.empty() ? "/" : url.path, QueryOf(url.query), lines,
                               canonical.signed_headers, headers[std::string(kPayloadHashHeader)]);
  return canonical;
}

std::string SignatureOf(std::string_view canonical, std::string_view secret,
                        std::string_view moment, std::string_view region) {
  const std::string_view day = moment.substr(0, 8);
  return Sign(SigningKeyOf(secret, day, region),
              TextToSign(canonical, moment, ScopeOf(day, region)));
}

void SignRequest(HttpRequest& request, const Keys& keys, std::string_view region, int64_t wall_ns) {
  const std::string moment = BasicIsoDate(wall_ns);
  SetHeader(request, "x-amz-date", moment);
  if (HeaderOf(request, kPayloadHashHeader).empty()) {
    SetHeader(request, kPayloadHashHeader, HashOfBody(request));
  }
  if (!keys.token.empty()) SetHeader(request, "x-amz-security-token", keys.token);
  const Canonical canonical = CanonicalRequest(request);
  SetHeader(request, "Authorization",
            fmt::format("{} Credential={}/{},SignedHeaders={},Signature={}", kAlgorithm, keys.id,
                        ScopeOf(moment.substr(0, 8), region), canonical.signed_headers,
                        SignatureOf(canonical.text, keys.secret, moment, region)));
}

}  // namespace forebay::s3
