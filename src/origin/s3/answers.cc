#include "src/origin/s3/answers.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "src/origin/http/request.h"
#include "src/origin/http/text.h"
#include "src/origin/http/xml.h"

namespace forebay::s3 {
namespace {

using http_origin::ParseHttpDate;
using http_origin::ParseIsoDate;
using http_origin::ParseXml;
using http_origin::Refusal;
using http_origin::XmlElement;

constexpr int64_t kSecond = 1'000'000'000;

/// What a code of S3 means here.
struct Meaning {
  std::string_view name;
  Code code;
  bool slow_down = false;
  bool credentials = false;
};
constexpr Meaning kMeanings[] = {
    {"NoSuchKey", Code::kNotFound},
    {"NoSuchUpload", Code::kNotFound},
    {"NoSuchVersion", Code::kNotFound},
    // Not kNotFound: a whole bucket that is missing must not look like objects that are not there.
    {"NoSuchBucket", Code::kInvalidArgument},
    {"InvalidBucketName", Code::kInvalidArgument},
    {"AccessDenied", Code::kPermissionDenied},
    {"AllAccessDisabled", Code::kPermissionDenied},
    {"AccountProblem", Code::kPermissionDenied},
    {"InvalidObjectState", Code::kPermissionDenied},
    {"InvalidAccessKeyId", Code::kPermissionDenied, false, true},
    {"SignatureDoesNotMatch", Code::kPermissionDenied, false, true},
    {"ExpiredToken", Code::kPermissionDenied, false, true},
    {"InvalidToken", Code::kPermissionDenied, false, true},
    {"TokenRefreshRequired", Code::kPermissionDenied, false, true},
    {"RequestTimeTooSkewed", Code::kPermissionDenied},
    {"RequestExpired", Code::kPermissionDenied},
    {"AuthorizationHeaderMalformed", Code::kInvalidArgument},
    {"PermanentRedirect", Code::kInvalidArgument},
    {"IllegalLocationConstraintException", Code::kInvalidArgument},
    {"PreconditionFailed", Code::kVersionChanged},
    {"ConditionalRequestConflict", Code::kUnavailable},
    {"OperationAborted", Code::kUnavailable},
    {"InternalError", Code::kUnavailable},
    {"RequestTimeout", Code::kUnavailable},
    {"IncompleteBody", Code::kUnavailable},
    {"BadDigest", Code::kUnavailable},
    {"XAmzContentSHA256Mismatch", Code::kUnavailable},
    {"TemporaryRedirect", Code::kUnavailable},
    {"SlowDown", Code::kOverloaded, true},
    {"SlowDownRead", Code::kOverloaded, true},
    {"SlowDownWrite", Code::kOverloaded, true},
    {"ServiceUnavailable", Code::kOverloaded, true},
    {"Throttling", Code::kOverloaded, true},
    {"ThrottlingException", Code::kOverloaded, true},
    {"RequestLimitExceeded", Code::kOverloaded, true},
    {"TooManyRequests", Code::kOverloaded, true},
    {"BandwidthLimitExceeded", Code::kOverloaded, true},
    {"NotImplemented", Code::kUnsupported},
    {"QuotaExceeded", Code::kNoSpace},
    {"XMinioStorageFull", Code::kNoSpace},
};

Meaning MeaningOf(std::string_view name, int status) {
  for (const Meaning& meaning : kMeanings) {
    if (meaning.name == name) return meaning;
  }
  if (status == 429 || status == 503) return {"", Code::kOverloaded, true};
  if (status == 401 || status == 403) return {"", Code::kPermissionDenied};
  if (status == 404) return {"", Code::kNotFound};
  if (status == 412) return {"", Code::kVersionChanged};
  if (status == 501 || status == 405) return {"", Code::kUnsupported};
  if (status == 307 || status == 408 || status == 409 || status >= 500)
    return {"", Code::kUnavailable};
  return {"", Code::kInvalidArgument};
}

bool SpeaksHtml(const Answer& answer) {
  const auto begins = [&](std::string_view with) {
    const size_t at = answer.body.find_first_not_of(" \t\r\n");
    if (at == answer.body.npos || answer.body.size() - at < with.size()) return false;
    for (size_t i = 0; i < with.size(); ++i) {
      const char c = answer.body[at + i];
      if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != with[i]) return false;
    }
    return true;
  };
  return answer.content_type.starts_with("text/html") || begins("<!doctype html") ||
         begins("<html");
}

std::string HoursAndSeconds(int64_t seconds) {
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
}

/// Whose clock is wrong, and by how much, as far as the answer tells.
std::string ExplainSkew(const Place& place, const Answer& answer, const XmlElement* error) {
  std::optional<int64_t> theirs = ParseHttpDate(answer.date);
  if (!theirs && error != nullptr) theirs = ParseIsoDate(error->Text("ServerTime"));
  const int64_t ours = place.signer == nullptr ? 0 : place.signer->last_signed_wall_ns();
  if (!theirs || ours == 0) {
    return "the clock of this machine is too far from the store's; set it by NTP";
  }
  const int64_t apart = (ours - *theirs) / kSecond;
  return fmt::format(
      "the clock of this machine is {} {} the store's, which says {}; set it by NTP (at most 15 "
      "min "
      "are allowed)",
      HoursAndSeconds(apart < 0 ? -apart : apart), apart < 0 ? "behind" : "ahead of",
      http_origin::HttpDate(*theirs));
}

std::string ExplainRegion(const Place& place, const Answer& answer, const XmlElement* error) {
  std::string_view right = answer.region;
  if (right.empty() && error != nullptr) right = error->Text("Region");
  if (!right.empty()) {
    return fmt::format(
        "bucket {} is in region {}, not in {}; say ?region={}", place.bucket, right,
        place.signer == nullptr ? "the one of this endpoint" : place.signer->region(), right);
  }
  const std::string_view endpoint = error == nullptr ? "" : error->Text("Endpoint");
  return fmt::format("bucket {} is not to be asked at {}{}{}; say its ?region= and ?endpoint=",
                     place.bucket, place.endpoint, endpoint.empty() ? "" : " but at ", endpoint);
}

bool IsRefusal(int status) {
  return status == 400 || status == 401 || status == 403;
}

/// Services name a bucket's region in answers without words, too.
bool IsElsewhere(const Place& place, const Answer& answer) {
  return IsRefusal(answer.status) && answer.body.empty() && place.signer != nullptr &&
         !answer.region.empty() && answer.region != place.signer->region();
}

std::string Fix(const Place& place, std::string_view name, const Answer& answer,
                const XmlElement* error) {
  const std::string who = place.signer == nullptr ? "anonymous" : place.signer->Describe();
  if (name == "NoSuchBucket") return NoSuchBucket(place);
  if (name == "RequestTimeTooSkewed" || name == "RequestExpired") {
    return ExplainSkew(place, answer, error);
  }
  if (name == "AuthorizationHeaderMalformed" || name == "PermanentRedirect" ||
      name == "IllegalLocationConstraintException" || answer.status == 301 ||
      IsElsewhere(place, answer)) {
    return ExplainRegion(place, answer, error);
  }
  if (name == "TemporaryRedirect" || answer.status == 307) {
    const std::string_view host = http_origin::SplitUrl(answer.location).host;
    return fmt::format(
        "for now bucket {} is to be asked at {}, not at {}, as new buckets are for some hours; try "
        "later, or say that as its ?endpoint=",
        place.bucket, host.empty() ? "another place" : host, place.endpoint);
  }
  if (name == "InvalidAccessKeyId") {
    return fmt::format("{} does not know the access key of {}; is it of another store or removed?",
                       place.endpoint, who);
  }
  if (name == "SignatureDoesNotMatch") {
    return fmt::format(
        "the secret key of {} is not the one of its access key, or a proxy on the "
        "way changes headers",
        who);
  }
  if (name == "ExpiredToken" || name == "InvalidToken" || name == "TokenRefreshRequired") {
    return fmt::format("the session token of {} is not, or no longer, valid", who);
  }
  if (name == "InvalidObjectState") return "the object is archived; restore it first";
  if (answer.status == 401 || answer.status == 403) {
    return fmt::format(
        "{} may not do this in bucket {}; allow it s3:GetObject, s3:PutObject, "
        "s3:DeleteObject, s3:AbortMultipartUpload and, on the bucket, s3:ListBucket "
        "(without that, what is missing is refused, too)",
        who, place.bucket);
  }
  return "";
}

std::optional<Duration> WaitOf(std::string_view retry_after) {
  int seconds = 0;
  const char* begin = retry_after.data();
  const char* end = begin + retry_after.size();
  const auto [at, error] = std::from_chars(begin, end, seconds);
  if (retry_after.empty() || error != std::errc() || at != end || seconds < 0) return std::nullopt;
  return std::chrono::seconds(seconds);
}

Refusal ExplainHtml(const Place& place, const Answer& answer, const Meaning& meaning) {
  const std::string text = fmt::format(
      "{} answers with a page of HTML (status {}), not as S3 does: is it a web proxy, a login page "
      "or the console of the store, whose port is not that of its API?",
      place.endpoint, answer.status);
  return {.error = Error(meaning.code, text), .slow_down = meaning.slow_down};
}

}  // namespace

std::string NoSuchBucket(const Place& place) {
  return fmt::format("there is no bucket '{}' at {}; create it, or correct the name or ?endpoint=",
                     place.bucket, place.endpoint);
}

Answer AnswerOf(int status, const HttpResponse& response, std::string_view body) {
  return {.status = status,
          .body = body,
          .content_type = response.Header("Content-Type"),
          .date = response.Header("Date"),
          .region = response.Header("x-amz-bucket-region"),
          .location = response.Header("Location"),
          .retry_after = response.Header("Retry-After"),
          .request_id = response.Header("x-amz-request-id")};
}

std::string ErrorCodeOf(std::string_view body) {
  const auto root = ParseXml(body);
  return root && root->name == "Error" ? std::string(root->Text("Code")) : "";
}

Refusal Explain(const Place& place, const Answer& answer) {
  const auto root = ParseXml(answer.body);
  const XmlElement* error = root && root->name == "Error" ? &*root : nullptr;
  const std::string_view name = error == nullptr ? "" : error->Text("Code");
  const Meaning meaning = MeaningOf(name, answer.status);
  Refusal refusal{
      .error = Error(meaning.code, ""),
      .slow_down = meaning.slow_down,
      // The answer to a HEAD has no words: keys that have ended look like all refusals.
      .credentials = meaning.credentials || (answer.body.empty() && IsRefusal(answer.status)),
      .wait = WaitOf(answer.retry_after)};
  if (error == nullptr && SpeaksHtml(answer)) {
    refusal.error = ExplainHtml(place, answer, meaning).error;
    return refusal;
  }
  std::string text = Fix(place, name, answer, error);
  if (!text.empty()) text += " ";
  const std::string_view id =
      answer.request_id.empty() && error != nullptr ? error->Text("RequestId") : answer.request_id;
  text += error != nullptr ? fmt::format("({}: {}", name, error->Text("Message"))
                           : fmt::format("(status {}", answer.status);
  text += id.empty() ? ")" : fmt::format("; request {})", id);
  refusal.error = Error(meaning.code, std::move(text));
  return refusal;
}

}  // namespace forebay::s3
