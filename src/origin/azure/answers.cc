#include "src/origin/azure/answers.h"

#include <fmt/format.h>

#include <limits>
#include <optional>

#include "src/origin/http/request.h"
#include "src/origin/http/text.h"
#include "src/origin/http/xml.h"

namespace forebay::azure {
namespace {

using http_origin::Lower;
using http_origin::ParseHttpDate;
using http_origin::ParseXml;
using http_origin::Refusal;
using http_origin::XmlElement;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kAllowedSkewSeconds = int64_t{15} * 60;

/// What a code of the service means here.
struct Meaning {
  std::string_view name;
  Code code;
  bool slow_down = false;
  bool credentials = false;
};
constexpr Meaning kMeanings[] = {
    {"BlobNotFound", Code::kNotFound},
    {"PathNotFound", Code::kNotFound},
    // Not kNotFound: a whole container that is missing must not look like objects that are not
    // there. ResourceNotFound is what anonymous readers are told of private containers.
    {"ContainerNotFound", Code::kInvalidArgument},
    {"ResourceNotFound", Code::kInvalidArgument},
    {"ContainerBeingDeleted", Code::kUnavailable},
    {"ContainerDisabled", Code::kPermissionDenied},
    {"AccountIsDisabled", Code::kPermissionDenied},
    {"AuthenticationFailed", Code::kPermissionDenied, false, true},
    {"InvalidAuthenticationInfo", Code::kPermissionDenied, false, true},
    {"NoAuthenticationInformation", Code::kPermissionDenied},
    {"PublicAccessNotPermitted", Code::kPermissionDenied},
    {"AuthorizationFailure", Code::kPermissionDenied},
    {"AuthorizationPermissionMismatch", Code::kPermissionDenied},
    {"AuthorizationProtocolMismatch", Code::kPermissionDenied},
    {"AuthorizationResourceTypeMismatch", Code::kPermissionDenied},
    {"AuthorizationServiceMismatch", Code::kPermissionDenied},
    {"AuthorizationSourceIPMismatch", Code::kPermissionDenied},
    {"InsufficientAccountPermissions", Code::kPermissionDenied},
    {"KeyBasedAuthenticationNotPermitted", Code::kPermissionDenied},
    {"BlobArchived", Code::kPermissionDenied},
    {"BlobBeingRehydrated", Code::kPermissionDenied},
    {"BlobImmutableDueToPolicy", Code::kPermissionDenied},
    {"LeaseIdMissing", Code::kPermissionDenied},
    {"LeaseLost", Code::kPermissionDenied},
    {"BlobAlreadyExists", Code::kAlreadyExists},
    {"ConditionNotMet", Code::kVersionChanged},
    {"TargetConditionNotMet", Code::kVersionChanged},
    {"SnapshotsPresent", Code::kInvalidArgument},
    {"InvalidBlobType", Code::kInvalidArgument},
    {"InvalidBlockList", Code::kInvalidArgument},
    {"InvalidBlobOrBlock", Code::kInvalidArgument},
    {"BlockCountExceedsLimit", Code::kInvalidArgument},
    {"InvalidHeaderValue", Code::kInvalidArgument},
    {"Md5Mismatch", Code::kUnavailable},
    {"Crc64Mismatch", Code::kUnavailable},
    {"FeatureNotSupported", Code::kUnsupported},
    {"UnsupportedHeader", Code::kUnsupported},
    {"InternalError", Code::kUnavailable},
    {"OperationTimedOut", Code::kUnavailable},
    {"ServerBusy", Code::kOverloaded, true},
    {"TooManyRequests", Code::kOverloaded, true},
    {"AccountIngressLimitExceeded", Code::kOverloaded, true},
};

Meaning MeaningOf(std::string_view name, int status) {
  for (const Meaning& meaning : kMeanings) {
    if (meaning.name == name) return meaning;
  }
  if (status == 429 || status == 503) return {"", Code::kOverloaded, true};
  if (status == 401) return {"", Code::kPermissionDenied, false, true};
  if (status == 403) return {"", Code::kPermissionDenied};
  if (status == 404) return {"", Code::kNotFound};
  if (status == 412) return {"", Code::kVersionChanged};
  if (status == 501 || status == 405) return {"", Code::kUnsupported};
  if (status == 408 || status >= 500) return {"", Code::kUnavailable};
  return {"", Code::kInvalidArgument};
}

bool SpeaksHtml(const Answer& answer) {
  if (answer.content_type.starts_with("text/html")) return true;
  const size_t at = answer.body.find_first_not_of(" \t\r\n");
  if (at == answer.body.npos) return false;
  const std::string begin = Lower(answer.body.substr(at, 16));
  return begin.starts_with("<!doctype html") || begin.starts_with("<html");
}

std::string InWords(int64_t seconds) {
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
}

/// AuthenticationFailed says the same of a clock, a key and a signature that are wrong.
std::string ExplainFailed(const Asked& asked, const Answer& answer) {
  const std::optional<int64_t> theirs = ParseHttpDate(answer.date);
  const int64_t ours = asked.signer.last_signed_wall_ns();
  const int64_t apart = theirs && ours != 0 ? (ours - *theirs) / kSecond : 0;
  if (std::abs(apart) > kAllowedSkewSeconds) {
    return fmt::format(
        "the clock of this machine is {} {} the service's, which says {}; set it by NTP (at most "
        "15 min are allowed)",
        InWords(std::abs(apart)), apart < 0 ? "behind" : "ahead of",
        http_origin::HttpDate(*theirs));
  }
  const Credential* credential = asked.signer.credential();
  const std::string who = asked.signer.Describe();
  if (credential == nullptr)
    return fmt::format("{} does not believe {}", asked.address.account, who);
  switch (credential->kind) {
    case Credential::Kind::kKey:
      return fmt::format(
          "the {} is not one of account {} (was it rotated?), or a proxy on the way changes "
          "headers",
          who, asked.address.account);
    case Credential::Kind::kSas:
      return credential->ends_wall_ns == INT64_MAX
                 ? fmt::format("the {} is not, or no longer, valid", who)
                 : fmt::format(
                       "the {}, which ends at {}, is not valid here: its signature or its "
                       "start is wrong, or the key it was made with was rotated",
                       who, http_origin::HttpDate(credential->ends_wall_ns));
    case Credential::Kind::kToken:
      return fmt::format("the token of {} is not, or no longer, valid for account {}", who,
                         asked.address.account);
    case Credential::Kind::kAnonymous:
      return "anonymous requests are refused; name credentials with ?credentials=";
  }
  return "";
}

std::string ExplainForbidden(const Asked& asked, std::string_view name) {
  const Address& address = asked.address;
  const std::string who = asked.signer.Describe();
  const Credential* credential = asked.signer.credential();
  const bool sas = credential != nullptr && credential->kind == Credential::Kind::kSas;
  if (name == "AuthorizationPermissionMismatch" && !sas) {
    return fmt::format(
        "{} may not do this in container {}: it needs the role Storage Blob Data Reader, for "
        "writing "
        "Storage Blob Data Contributor (new roles take some minutes)",
        who, address.container);
  }
  if (sas && name.starts_with("Authorization")) {
    return fmt::format(
        "the {} does not allow this: it needs the permissions r and l, for writing also c, w and "
        "d, "
        "on container {} with its objects, from this address and by this protocol",
        who, address.container);
  }
  if (name == "AuthorizationFailure") {
    return fmt::format(
        "account {} refuses the {}: its firewall or networks do not let this machine in, or the "
        "credential is another account's",
        address.account, who);
  }
  if (name == "KeyBasedAuthenticationNotPermitted") {
    return fmt::format("account {} takes no keys; use managed-identity or workload-identity",
                       address.account);
  }
  if (name == "NoAuthenticationInformation" || name == "PublicAccessNotPermitted") {
    return fmt::format("container {} is not public; name credentials with ?credentials=",
                       address.container);
  }
  return fmt::format("{} may not do this in container {}", who, address.container);
}

std::string Fix(const Asked& asked, std::string_view name, const Answer& answer) {
  const Address& address = asked.address;
  if (name == "ContainerNotFound") {
    return fmt::format(
        "there is no container '{}' at {}; create it, or correct the name or "
        "?endpoint=",
        address.container, address.endpoint);
  }
  if (name == "ResourceNotFound") {
    return fmt::format("{} shows no container '{}' to {}: is it missing, or not public?",
                       address.endpoint, address.container, asked.signer.Describe());
  }
  if (name == "AuthenticationFailed" || name == "InvalidAuthenticationInfo") {
    return ExplainFailed(asked, answer);
  }
  if (name.starts_with("BlobArchived") || name == "BlobBeingRehydrated") {
    return "the object is in the archive tier; bring it to a hot, cool or cold one first";
  }
  if (name == "BlobImmutableDueToPolicy") return "a policy of the container forbids to change it";
  if (name.starts_with("Lease")) return "somebody else holds a lease of the object";
  if (name == "SnapshotsPresent") return "the object has snapshots; remove those first";
  if (name == "InvalidBlobType")
    return "the object is an append or page blob; only reading it works";
  if (name == "InvalidBlobOrBlock") {
    return "an unfinished upload of another tool is in the way (its blocks have names of another "
           "length); remove the object, or wait a week until they expire";
  }
  if (answer.status == 401 || answer.status == 403) return ExplainForbidden(asked, name);
  return "";
}

std::optional<Duration> WaitOf(std::string_view retry_after) {
  const auto seconds = http_origin::ParseNumber(retry_after);
  if (!seconds || *seconds > std::numeric_limits<int32_t>::max()) return std::nullopt;
  return std::chrono::seconds(*seconds);
}

}  // namespace

Answer AnswerOf(int status, const HttpResponse& response, std::string_view body) {
  return {.status = status,
          .body = body,
          .code = response.Header("x-ms-error-code"),
          .content_type = response.Header("Content-Type"),
          .date = response.Header("Date"),
          .retry_after = response.Header("Retry-After"),
          .request_id = response.Header("x-ms-request-id")};
}

Refusal Explain(const Asked& asked, const Answer& answer) {
  const auto root = ParseXml(answer.body);
  const XmlElement* error = root && root->name == "Error" ? &*root : nullptr;
  std::string_view name = answer.code;
  if (name.empty() && error != nullptr) name = error->Text("Code");
  const Meaning meaning = MeaningOf(name, answer.status);
  std::string text;
  if (name.empty() && SpeaksHtml(answer)) {
    text = fmt::format(
        "{} answers with a page of HTML (status {}), not as Blob does: is it a web "
        "proxy or a login page, or is ?endpoint= wrong?",
        asked.address.endpoint, answer.status);
  } else {
    text = Fix(asked, name, answer);
    if (!text.empty()) text += " ";
    text += name.empty() ? fmt::format("(status {}", answer.status) : fmt::format("({}", name);
    // Only the first line: what follows may repeat the request.
    std::string_view words = error == nullptr ? "" : error->Text("Message");
    words = words.substr(0, words.find_first_of("\r\n"));
    if (!words.empty()) text += fmt::format(": {}", words.substr(0, 300));
    text += answer.request_id.empty() ? ")" : fmt::format("; request {})", answer.request_id);
  }
  return {.error = Error(meaning.code, std::move(text)),
          .slow_down = meaning.slow_down,
          .credentials = meaning.credentials,
          .wait = WaitOf(answer.retry_after)};
}

bool Says(const Error& error, std::string_view code) {
  return error.message().find(fmt::format("({}", code)) != std::string::npos;
}

}  // namespace forebay::azure
