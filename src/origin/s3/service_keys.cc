// Keys that services give out for a while: STS for a web identity, an instance's metadata service.
#include <fmt/format.h>

#include <utility>

#include "src/origin/http/flat_json.h"
#include "src/origin/http/request.h"
#include "src/origin/http/text.h"
#include "src/origin/http/trust.h"
#include "src/origin/http/xml.h"
#include "src/origin/s3/address.h"
#include "src/origin/s3/key_source.h"

namespace forebay::s3 {
namespace {

using http_origin::ParseFlatJson;
using http_origin::ParseIsoDate;
using http_origin::ParseXml;
using http_origin::PercentEncode;
using http_origin::ReadSmallFile;
using http_origin::XmlElement;

constexpr size_t kMaxAnswerBytes = 64 << 10;
constexpr Duration kStsTime = std::chrono::seconds(10);      // of one try
constexpr Duration kInstanceTime = std::chrono::seconds(1);  // it is next door, or nowhere
constexpr Duration kPause = std::chrono::milliseconds(200);
constexpr int kTries = 3;

struct Answer {
  int status = 0;
  std::string body;
};

/// One exchange of at most `most` time.
Task<Result<Answer>> ExchangeOnce(Env& env, HttpRequest request, Duration most, Call call) {
  call.deadline = std::min(call.deadline, env.clock.Now() + most);
  FB_CO_ASSIGN(const auto response, co_await env.http.Send(std::move(request), call));
  Answer answer{.status = response->status()};
  std::byte buffer[4096];
  for (;;) {
    FB_CO_ASSIGN(const size_t got, co_await response->Read(buffer, call));
    if (got == 0) co_return answer;
    if (answer.body.size() + got > kMaxAnswerBytes) {
      co_return Fail(Code::kCorrupt, "the answer is too long");
    }
    answer.body += AsText(Bytes(buffer).first(got));
  }
}

/// Tries again what may pass: no answer, or one of the service's own trouble.
Task<Result<Answer>> Exchange(Env& env, HttpRequest request, Duration most, int tries, Call call) {
  for (;;) {
    auto answer = co_await ExchangeOnce(env, request, most, call);
    const bool again =
        answer ? answer->status >= 500 || answer->status == 429
               : answer.error().retryable() || answer.error().code() == Code::kDeadlineExceeded;
    if (!again || --tries == 0 || env.clock.Now() >= call.deadline) co_return answer;
    FB_CO_TRY(co_await env.clock.Sleep(kPause, call.cancel));
  }
}

class WebIdentityKeys final : public KeySource {
 public:
  explicit WebIdentityKeys(WebIdentity identity) : identity_(std::move(identity)) {}

  Task<Result<Looked>> Look(Env& env, Call call) override {
    if (identity_.token_file.empty() && identity_.role.empty()) {
      co_return Looked{.told = "AWS_WEB_IDENTITY_TOKEN_FILE is not set"};
    }
    if (identity_.token_file.empty() || identity_.role.empty()) {
      co_return Wrong(
          "of its token file and its role (AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN) "
          "only one is named");
    }
    // Read anew each time: Kubernetes replaces the token before it ends.
    auto token = co_await ReadSmallFile(env, identity_.token_file);
    if (!token) co_return Wrong(token.error().message());
    while (!token->empty() && token->back() <= ' ') token->pop_back();
    const std::string body = fmt::format(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={}"
        "&RoleSessionName={}&WebIdentityToken={}",
        PercentEncode(identity_.role, false), PercentEncode(identity_.session, false),
        PercentEncode(*token, false));
    const HttpRequest request{
        .method = "POST",
        .url = identity_.endpoint + "/",
        .headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
                    {"Accept", "application/xml"}},
        .body = {AsBytes(body)},
        .tls = identity_.tls};
    const auto answer = co_await Exchange(env, request, kStsTime, kTries, call);
    if (!answer) {
      co_return Fail(answer.error().code(), fmt::format("{} did not answer: {}", identity_.endpoint,
                                                        answer.error().message()));
    }
    co_return Read(*answer);
  }

 private:
  std::unexpected<Error> Wrong(std::string_view why) const {
    return Fail(Code::kPermissionDenied, fmt::format("web identity: {}", why));
  }
  Result<Looked> Read(const Answer& answer) const {
    const auto root = ParseXml(answer.body);
    if (answer.status != 200) {
      const XmlElement* error = root ? root->Child("Error") : nullptr;
      const std::string said =
          error == nullptr ? fmt::format("status {}", answer.status)
                           : fmt::format("{}: {}", error->Text("Code"), error->Text("Message"));
      const bool passes = answer.status >= 500 || answer.status == 429;
      return Fail(passes ? Code::kUnavailable : Code::kPermissionDenied,
                  fmt::format("web identity: {} refuses the role {} for the token of {}: {}",
                              identity_.endpoint, identity_.role, identity_.token_file, said));
    }
    const XmlElement* result = root ? root->Child("AssumeRoleWithWebIdentityResult") : nullptr;
    const XmlElement* given = result == nullptr ? nullptr : result->Child("Credentials");
    if (given == nullptr || given->Text("AccessKeyId").empty() ||
        given->Text("SecretAccessKey").empty()) {
      return Wrong(fmt::format("{} answered without credentials", identity_.endpoint));
    }
    return Looked{
        .keys = Keys{.id = std::string(given->Text("AccessKeyId")),
                     .secret = std::string(given->Text("SecretAccessKey")),
                     .token = std::string(given->Text("SessionToken")),
                     .ends_wall_ns = ParseIsoDate(given->Text("Expiration")).value_or(INT64_MAX)},
        .told = fmt::format("web identity (role {}, token of {})", identity_.role,
                            identity_.token_file)};
  }

  const WebIdentity identity_;
};

class InstanceKeys final : public KeySource {
 public:
  InstanceKeys(std::string endpoint, bool disabled, bool patient)
      : endpoint_(std::move(endpoint)), disabled_(disabled), patient_(patient) {}

  Task<Result<Looked>> Look(Env& env, Call call) override {
    if (disabled_) co_return Looked{.told = "AWS_EC2_METADATA_DISABLED is set"};
    const HttpRequest ask{.method = "PUT",
                          .url = endpoint_ + "/latest/api/token",
                          .headers = {{"X-aws-ec2-metadata-token-ttl-seconds", "300"}}};
    const auto token = co_await Exchange(env, ask, kInstanceTime, patient_ ? kTries : 1, call);
    if (!token || token->status != 200) {
      // Nobody there: most machines are no instances of EC2.
      std::string why = token ? fmt::format("status {}", token->status) : token.error().message();
      why = fmt::format("no instance metadata at {} ({})", endpoint_, why);
      if (patient_ || env.clock.Now() >= call.deadline) co_return Fail(Code::kUnavailable, why);
      co_return Looked{.told = why};
    }
    const std::string path = "/latest/meta-data/iam/security-credentials/";
    FB_CO_ASSIGN(const Answer roles, co_await Ask(env, path, token->body, call));
    if (roles.status == 404) {
      co_return Looked{.told = fmt::format("the instance has no role ({})", endpoint_)};
    }
    const std::string role = roles.body.substr(0, roles.body.find_first_of("\r\n"));
    if (roles.status != 200 || role.empty()) co_return Wrong("which role", roles);
    FB_CO_ASSIGN(const Answer keys,
                 co_await Ask(env, path + PercentEncode(role, false), token->body, call));
    co_return Read(role, keys);
  }

 private:
  Task<Result<Answer>> Ask(Env& env, std::string path, std::string token, Call call) {
    const HttpRequest request{.url = endpoint_ + path,
                              .headers = {{"X-aws-ec2-metadata-token", token}}};
    auto answer = co_await Exchange(env, request, kInstanceTime, kTries, call);
    if (!answer) {
      co_return Fail(Code::kUnavailable, fmt::format("instance metadata at {}: {}", endpoint_,
                                                     answer.error().message()));
    }
    co_return answer;
  }
  std::unexpected<Error> Wrong(std::string_view what, const Answer& answer) const {
    return Fail(answer.status >= 500 ? Code::kUnavailable : Code::kPermissionDenied,
                fmt::format("instance metadata at {}: asked for {}, it answered with status {}",
                            endpoint_, what, answer.status));
  }
  Result<Looked> Read(const std::string& role, const Answer& answer) const {
    if (answer.status != 200) return Wrong("keys of role " + role, answer);
    const auto json = ParseFlatJson(answer.body);
    if (!json || json->Get("AccessKeyId").empty() || json->Get("SecretAccessKey").empty()) {
      return Fail(Code::kUnavailable,
                  fmt::format("instance metadata at {}: no keys of role {} ({})", endpoint_, role,
                              json ? json->Get("Code") : "no JSON"));
    }
    return Looked{
        .keys = Keys{.id = std::string(json->Get("AccessKeyId")),
                     .secret = std::string(json->Get("SecretAccessKey")),
                     .token = std::string(json->Get("Token")),
                     .ends_wall_ns = ParseIsoDate(json->Get("Expiration")).value_or(INT64_MAX)},
        .told = fmt::format("instance metadata (role {})", role)};
  }

  const std::string endpoint_;
  const bool disabled_;
  const bool patient_;
};

std::string WithoutSlash(std::string_view url) {
  while (url.ends_with('/')) url.remove_suffix(1);
  return std::string(url);
}

}  // namespace

WebIdentity UsualWebIdentity(const Surroundings& surroundings, std::string_view region) {
  WebIdentity identity{
      .token_file = std::string(surroundings.Variable("AWS_WEB_IDENTITY_TOKEN_FILE")),
      .role = std::string(surroundings.Variable("AWS_ROLE_ARN")),
      .endpoint = WithoutSlash(surroundings.Variable("AWS_ENDPOINT_URL_STS")),
      .tls = http_origin::UsualTls(surroundings, {kAuthoritiesVariable})};
  const std::string_view session = surroundings.Variable("AWS_ROLE_SESSION_NAME");
  if (!session.empty()) identity.session = session;
  if (identity.endpoint.empty()) {
    identity.endpoint = fmt::format("https://sts.{}.amazonaws.com{}", region,
                                    region.starts_with("cn-") ? ".cn" : "");
  }
  return identity;
}

std::unique_ptr<KeySource> KeysOfWebIdentity(WebIdentity identity) {
  return std::make_unique<WebIdentityKeys>(std::move(identity));
}

std::unique_ptr<KeySource> KeysOfInstance(const Surroundings& surroundings, bool patient) {
  std::string endpoint = WithoutSlash(surroundings.Variable("AWS_EC2_METADATA_SERVICE_ENDPOINT"));
  if (endpoint.empty()) endpoint = "http://169.254.169.254";
  const std::string_view disabled = surroundings.Variable("AWS_EC2_METADATA_DISABLED");
  return std::make_unique<InstanceKeys>(std::move(endpoint), disabled == "true", patient);
}

}  // namespace forebay::s3
