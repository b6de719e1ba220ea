// Who is let in by the double of Blob, and the doubles of those who give tokens. Written from the
// published protocol, apart from what the driver does.
#include <fmt/format.h>

#include <algorithm>

#include "src/origin/http/text.h"
#include "src/origin/testing/blob_double.h"

namespace forebay {

using sim::FindHeader;
using sim::SimHttpReply;
using sim::SimHttpRequest;

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kAllowedSkew = 900 * kSecond;

std::string InLowerCase(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

SimHttpReply Json(int status, std::string body) {
  return {.status = status,
          .headers = {{"Content-Type", "application/json; charset=utf-8"}},
          .body = std::move(body)};
}

}  // namespace

std::string BlobDouble::Signature(const Request& asked) const {
  std::string text = asked.http.method;
  for (const char* name :
       {"content-encoding", "content-language", "content-length", "content-md5", "content-type",
        "date", "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"}) {
    std::string value(asked.Header(name));
    if (std::string_view(name) == "content-length") {
      value = asked.http.body.empty() ? "" : std::to_string(asked.http.body.size());
    }
    text += "\n" + value;
  }
  std::vector<std::string> lines;
  for (const HttpHeader& header : asked.http.headers) {
    const std::string name = InLowerCase(header.name);
    if (name.substr(0, 5) == "x-ms-") lines.push_back(name + ":" + header.value);
  }
  std::ranges::sort(lines);
  for (const std::string& line : lines) text += "\n" + line;
  text += "\n/" + options_.account + asked.path;
  for (const auto& [name, value] : asked.query) text += "\n" + InLowerCase(name) + ":" + value;
  const std::string key = http_origin::FromBase64(options_.key).value();
  return http_origin::Base64(http_origin::HmacSha256(AsBytes(key), text));
}

std::optional<SimHttpReply> BlobDouble::CheckProof(const Request& asked) {
  last_authorization_ = asked.Header("Authorization");
  const std::string& proof = last_authorization_;
  const int64_t now = options_.now();
  if (open_) return std::nullopt;
  const auto refused = [](std::string_view why) {
    return BlobError(403, "AuthenticationFailed",
                     fmt::format("Server failed to authenticate the request: {}", why));
  };
  if (asked.query.contains("sig")) {
    const size_t at = asked.http.url.find("sig=");
    if (sas_.empty() || asked.http.url.substr(at) != sas_) return refused("signature");
    return std::nullopt;
  }
  if (proof.empty()) return BlobError(401, "NoAuthenticationInformation");
  const auto date = http_origin::ParseHttpDate(asked.Header("x-ms-date"));
  if (!date || std::abs(*date - now) > kAllowedSkew) return refused("the date");
  if (proof.starts_with("Bearer ")) {
    const auto token = tokens_.find(proof.substr(7));
    if (token != tokens_.end() && now < token->second) return std::nullopt;
    return BlobError(401, "InvalidAuthenticationInfo", "The token has expired.");
  }
  if (proof != "SharedKey " + options_.account + ":" + Signature(asked))
    return refused("signature");
  return std::nullopt;
}

SimHttpReply BlobDouble::GiveToken() {
  const std::string token = fmt::format("token-{}", ++last_token_);
  tokens_[token] = options_.now() + options_.token_seconds * kSecond;
  return Json(200, fmt::format(R"({{"access_token":"{}","expires_in":"{}","token_type":"Bearer"}})",
                               token, options_.token_seconds));
}

sim::HttpHandler BlobDouble::MachineHandler() {
  return [this](const SimHttpRequest& request) {
    ++asked_["machine"];
    const bool right =
        request.path.starts_with("/metadata/identity/oauth2/token?api-version=2018-02-01") &&
        request.path.find("resource=https%3A%2F%2Fstorage.azure.com%2F") != std::string::npos;
    if (FindHeader(request.headers, "Metadata") != "true" || !right) {
      return Json(400, R"({"error":"invalid_request","error_description":"No."})");
    }
    if (request.path.find("client_id=unknown") != std::string::npos) {
      return Json(400, R"({"error":"invalid_request","error_description":"Identity not found"})");
    }
    return GiveToken();
  };
}

sim::HttpHandler BlobDouble::AuthorityHandler(std::string assertion) {
  return [this, assertion = std::move(assertion)](const SimHttpRequest& request) {
    ++asked_["authority"];
    const std::string wanted =
        "client_id=client&scope=https%3A%2F%2Fstorage.azure.com%2F.default&client_assertion_type="
        "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=" +
        http_origin::PercentEncode(assertion, false) + "&grant_type=client_credentials";
    if (request.path != "/tenant/oauth2/v2.0/token" || request.method != "POST") {
      return Json(404, R"({"error":"invalid_tenant"})");
    }
    if (request.body != wanted) {
      return Json(401,
                  R"({"error":"invalid_client","error_description":"AADSTS700024: ended.\r\n"})");
    }
    return GiveToken();
  };
}

}  // namespace forebay
