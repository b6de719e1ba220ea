// Tokens of Entra ID, from the machine's own metadata service or for a token of Kubernetes.
#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "src/origin/azure/credentials.h"
#include "src/origin/http/flat_json.h"
#include "src/origin/http/request.h"
#include "src/origin/http/text.h"
#include "src/origin/http/trust.h"

namespace forebay::azure {
namespace {

using http_origin::FlatJson;
using http_origin::ParseFlatJson;
using http_origin::PercentEncode;
using http_origin::ReadSmallFile;

constexpr size_t kMaxAnswerBytes = 64 << 10;
constexpr Duration kTryTime = std::chrono::seconds(10);
constexpr Duration kGlanceTime = std::chrono::seconds(1);
constexpr Duration kPause = std::chrono::milliseconds(500);  // doubles
constexpr int kTries = 5;
constexpr int64_t kSecond = 1'000'000'000;
constexpr std::string_view kMachineUrl =
    "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
    "https%3A%2F%2Fstorage.azure.com%2F";

struct Answer {
  int status = 0;
  std::string body;
};

Task<Result<Answer>> Ask(Env& env, HttpRequest request, Call call) {
  FB_CO_ASSIGN(const auto response, co_await env.http.Send(std::move(request), call));
  Answer answer{.status = response->status(), .body = std::string(kMaxAnswerBytes, '\0')};
  const auto into = std::as_writable_bytes(std::span(answer.body));
  size_t size = 0;
  while (size < into.size()) {
    FB_CO_ASSIGN(const size_t got, co_await response->Read(into.subspan(size), call));
    if (got == 0) break;
    size += got;
  }
  answer.body.resize(size);
  co_return answer;
}

/// Until it answers something final: such services are busy now and then, and right after a boot.
Task<Result<Answer>> AskPatiently(Env& env, HttpRequest request, int tries, Duration time,
                                  Call call) {
  Duration pause = kPause;
  for (int i = 1;; ++i) {
    Call one = call;
    one.deadline = std::min(call.deadline, env.clock.Now() + time);
    auto answer = co_await Ask(env, request, one);
    const bool final = answer && answer->status != 404 && answer->status != 408 &&
                       answer->status != 410 && answer->status != 429 && answer->status < 500;
    if (final || i >= tries) co_return answer;
    if (!answer && answer.error().code() == Code::kCancelled) co_return answer;
    if (env.clock.Now() + pause >= call.deadline) {
      if (answer) co_return answer;
      co_return Fail(Code::kDeadlineExceeded, answer.error().message());
    }
    FB_CO_TRY(co_await env.clock.Sleep(pause, call.cancel));
    pause *= 2;
  }
}

/// What such services say of an error; never the request's own parts.
std::string WordsOf(const Answer& answer) {
  const auto json = ParseFlatJson(answer.body);
  std::string words;
  if (json) {
    words = json->Get("error");
    std::string_view more = json->Get("error_description");
    more = more.substr(0, more.find_first_of("\r\n"));
    if (!more.empty()) words += fmt::format("{}{}", words.empty() ? "" : ": ", more.substr(0, 300));
  }
  return words.empty() ? fmt::format("status {}", answer.status)
                       : fmt::format("status {}, {}", answer.status, words);
}

Result<Credential> TokenOf(const Answer& answer, int64_t wall_ns) {
  const auto json = ParseFlatJson(answer.body);
  const std::string_view token = json ? json->Get("access_token") : "";
  const std::string_view seconds_text = json ? json->Get("expires_in") : "";
  int64_t seconds = 0;
  std::from_chars(seconds_text.data(), seconds_text.data() + seconds_text.size(), seconds);
  if (token.empty() || seconds <= 0) {
    return Fail(Code::kUnavailable, "the answer has no access_token or no expires_in");
  }
  return Credential{.kind = Credential::Kind::kToken,
                    .secret = std::string(token),
                    .ends_wall_ns = wall_ns + seconds * kSecond};
}

class OfMachine final : public CredentialSource {
 public:
  OfMachine(std::string client_id, bool patient)
      : client_id_(std::move(client_id)),
        patient_(patient),
        told_(client_id_.empty() ? "managed identity"
                                 : fmt::format("managed identity of client {}", client_id_)) {}

  Task<Result<Looked>> Look(Env& env, Call call) override {
    HttpRequest request{.url = std::string(kMachineUrl), .headers = {{"Metadata", "true"}}};
    if (!client_id_.empty()) request.url += "&client_id=" + PercentEncode(client_id_, false);
    const bool patient = patient_ || found_;
    const int64_t asked = env.clock.WallNanos();
    const auto answer = co_await AskPatiently(env, std::move(request), patient ? kTries : 1,
                                              patient ? kTryTime : kGlanceTime, call);
    if (!answer || answer->status != 200) {
      if (!answer && answer.error().code() == Code::kCancelled) co_return Fail(answer.error());
      const std::string why =
          !answer ? fmt::format("{}: the metadata service (169.254.169.254) does not answer", told_)
                  : fmt::format("{}: the metadata service says {}", told_, WordsOf(*answer));
      if (!patient) co_return Looked{.told = why};
      const bool away = !answer || answer->status >= 429;
      co_return Fail(away ? Code::kUnavailable : Code::kPermissionDenied,
                     why + "; has this machine an identity assigned?");
    }
    auto credential = TokenOf(*answer, asked);
    if (!credential) co_return Fail(credential.error().Within(told_));
    found_ = true;
    co_return Looked{.credential = std::move(*credential), .told = told_};
  }

 private:
  const std::string client_id_;
  const bool patient_;
  const std::string told_;
  bool found_ = false;  // there is such a service: it is worth waiting for
};

struct Workload {
  std::string token_file;
  std::string client_id;
  std::string tenant;
  std::string authority;
  std::shared_ptr<const HttpTls> tls;
};

class OfWorkload final : public CredentialSource {
 public:
  explicit OfWorkload(Workload workload)
      : workload_(std::move(workload)),
        told_(fmt::format("workload identity of client {}", workload_.client_id)) {}

  Task<Result<Looked>> Look(Env& env, Call call) override {
    // Anew every time: Kubernetes renews it.
    const auto assertion = co_await ReadSmallFile(env, workload_.token_file);
    if (!assertion) co_return Fail(assertion.error().Within(told_));
    const std::string body = Form(*assertion);
    HttpRequest request{.method = "POST",
                        .url = fmt::format("{}/{}/oauth2/v2.0/token", workload_.authority,
                                           PercentEncode(workload_.tenant, false)),
                        .headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                                    {"Content-Length", std::to_string(body.size())}},
                        .body = {AsBytes(body)},
                        .tls = workload_.tls};
    const int64_t asked = env.clock.WallNanos();
    const auto answer = co_await AskPatiently(env, std::move(request), kTries, kTryTime, call);
    if (!answer) co_return Fail(answer.error().Within(told_));
    if (answer->status != 200) {
      const bool away = answer->status >= 429;
      co_return Fail(
          away ? Code::kUnavailable : Code::kPermissionDenied,
          fmt::format("{}: {} refuses: {}", told_, workload_.authority, WordsOf(*answer)));
    }
    auto credential = TokenOf(*answer, asked);
    if (!credential) co_return Fail(credential.error().Within(told_));
    co_return Looked{.credential = std::move(*credential), .told = told_};
  }

 private:
  std::string Form(std::string_view assertion) const {
    while (assertion.ends_with('\n') || assertion.ends_with(' ')) assertion.remove_suffix(1);
    return fmt::format(
        "client_id={}&scope=https%3A%2F%2Fstorage.azure.com%2F.default&client_assertion_type="
        "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={}"
        "&grant_type=client_credentials",
        PercentEncode(workload_.client_id, false), PercentEncode(assertion, false));
  }

  const Workload workload_;
  const std::string told_;
};

/// Says why there is no such token, or that a part of what is needed is missing.
class NoWorkload final : public CredentialSource {
 public:
  NoWorkload(std::string missing, bool wanted) : missing_(std::move(missing)), wanted_(wanted) {}
  Task<Result<Looked>> Look(Env&, Call) override {
    if (!wanted_) co_return Looked{.told = fmt::format("no {}", missing_)};
    co_return Fail(Code::kInvalidArgument,
                   fmt::format("workload identity: {} is not set; is the pod's service account "
                               "annotated, and the pod labelled azure.workload.identity/use?",
                               missing_));
  }
  bool changes() const override { return false; }

 private:
  const std::string missing_;
  const bool wanted_;
};

}  // namespace

std::unique_ptr<CredentialSource> TokensOfMachine(std::string client_id, bool patient) {
  return std::make_unique<OfMachine>(std::move(client_id), patient);
}

std::unique_ptr<CredentialSource> TokensOfWorkload(const Surroundings& surroundings, bool wanted) {
  Workload workload{.token_file = std::string(surroundings.Variable("AZURE_FEDERATED_TOKEN_FILE")),
                    .client_id = std::string(surroundings.Variable("AZURE_CLIENT_ID")),
                    .tenant = std::string(surroundings.Variable("AZURE_TENANT_ID")),
                    .authority = std::string(surroundings.Variable("AZURE_AUTHORITY_HOST")),
                    .tls = http_origin::UsualTls(surroundings)};
  if (workload.authority.empty()) workload.authority = "https://login.microsoftonline.com";
  while (workload.authority.ends_with('/')) workload.authority.pop_back();
  if (workload.token_file.empty()) {
    return std::make_unique<NoWorkload>("AZURE_FEDERATED_TOKEN_FILE", wanted);
  }
  // The file says that a workload identity was meant; its other parts must be there then.
  if (workload.client_id.empty()) return std::make_unique<NoWorkload>("AZURE_CLIENT_ID", true);
  if (workload.tenant.empty()) return std::make_unique<NoWorkload>("AZURE_TENANT_ID", true);
  return std::make_unique<OfWorkload>(std::move(workload));
}

}  // namespace forebay::azure
