#include "src/origin/s3/bucket.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <utility>

#include "src/base/hash.h"
#include "src/origin/http/request.h"
#include "src/origin/http/text.h"
#include "src/origin/http/xml.h"
#include "src/origin/s3/answers.h"
#include "src/origin/s3/listing.h"

namespace forebay::s3 {
namespace {

using http_origin::BareEtag;
using http_origin::FetchRequest;
using http_origin::ParseHttpDate;
using http_origin::ParseIsoDate;
using http_origin::ParseXml;
using http_origin::PercentEncode;
using http_origin::QuotedEtag;
using http_origin::SetHeader;
using http_origin::XmlElement;
using http_origin::XmlEscape;

constexpr uint64_t kMaxListingBytes = 16 << 20;
constexpr uint64_t kMaxAnswerBytes = 1 << 20;
constexpr int kCompleteTries = 3;
constexpr size_t kMd5Bytes = 16;
constexpr size_t kMostPending = 100'000;
constexpr Duration kCompletePause = std::chrono::milliseconds(200);
constexpr Duration kLongestPause = std::chrono::seconds(5);
/// Objects that are not there are believed without asking for their bucket for so long after
/// something of it was.
constexpr Duration kBucketSeen = std::chrono::minutes(1);
constexpr std::string_view kMarkHeader = "x-amz-meta-forebay-write";

template <class Number>
Number NumberOf(std::string_view text) {
  Number number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

void AddCondition(FetchRequest& request, const Condition& condition) {
  if (condition.if_absent) SetHeader(request.http, "If-None-Match", "*");
  if (!condition.if_match.empty()) {
    SetHeader(request.http, "If-Match", QuotedEtag(condition.if_match));
  }
}

void AddBody(FetchRequest& request, const HashedBody& body) {
  SetHeader(request.http, kPayloadHashHeader, body.sha256);
  if (!body.bytes.empty()) request.http.body = {body.bytes};
}

void AddAttributes(FetchRequest& request, const ObjectAttributes& attributes) {
  for (const auto& [name, value] : attributes) SetHeader(request.http, name, value);
}

/// Of the answer to a HEAD.
ObjectAttributes AttributesOf(const HttpResponse& response) {
  constexpr std::string_view kKept[] = {"cache-control",    "content-disposition",
                                        "content-encoding", "content-language",
                                        "content-type",     "expires"};
  ObjectAttributes attributes;
  for (const HttpHeader& header : response.headers()) {
    std::string name = header.name;
    for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    const bool kept = std::ranges::find(kKept, name) != std::end(kKept);
    if ((!kept && !name.starts_with("x-amz-meta-")) || name == kMarkHeader) continue;
    attributes.emplace_back(std::move(name), header.value);
  }
  return attributes;
}

bool IsConditional(const Condition& condition) {
  return condition.if_absent || !condition.if_match.empty();
}

std::string UploadQuery(std::string_view upload) {
  return fmt::format("uploadId={}", PercentEncode(upload, false));
}

std::string_view WithoutSpaceBefore(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  return begin == text.npos ? std::string_view() : text.substr(begin);
}

}  // namespace

std::string NewMark(Env& env, std::string_view key) {
  return fmt::format("{:016x}{:016x}", env.rng.Next(), HashBytes(AsBytes(key), 0).lo);
}

std::string EtagOfParts(const std::vector<UploadedPart>& parts) {
  std::string sums;
  for (const UploadedPart& part : parts) {
    if (part.etag.size() != 2 * kMd5Bytes) return {};
    for (size_t at = 0; at < part.etag.size(); at += 2) {
      const char* const digits = part.etag.data() + at;
      uint8_t byte = 0;
      if (std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2) return {};
      sums += static_cast<char>(byte);
    }
  }
  std::array<std::byte, kMd5Bytes> sum{};
  unsigned size = 0;
  // Where the machine's policy forbids MD5, nothing is known.
  if (EVP_Digest(sums.data(), sums.size(), reinterpret_cast<unsigned char*>(sum.data()), &size,
                 EVP_md5(), nullptr) != 1) {
    return {};
  }
  return fmt::format("{}-{}", http_origin::Hex(sum), parts.size());
}

Bucket::Bucket(Address address, std::shared_ptr<S3Signer> signer,
               const http_origin::DriverParts& parts)
    : address_(std::move(address)),
      signer_(std::move(signer)),
      // What S3 limits is a prefix of a bucket.
      lane_(parts.lanes->Of(fmt::format("s3 {} {}", address_.bucket_url, address_.prefix))),
      fetcher_(signer_, [this](int status, const HttpResponse& response, std::string_view body) {
        return Explained(status, response, body);
      }) {}

http_origin::Refusal Bucket::Explained(int status, const HttpResponse& response,
                                       std::string_view body) const {
  const Place place{.bucket = address_.bucket, .endpoint = address_.endpoint, .signer = signer_};
  return Explain(place, AnswerOf(status, response, body));
}

FetchRequest Bucket::Request(std::string method, std::string_view key,
                             std::string_view query) const {
  FetchRequest request{.lane = lane_.get()};
  request.http.method = std::move(method);
  request.http.url = key.empty() ? address_.bucket_url : address_.UrlOf(key);
  if (!query.empty()) request.http.url += fmt::format("?{}", query);
  request.http.tls = address_.tls;
  return request;
}

std::unexpected<Error> Bucket::StrippedOf(std::string_view what) const {
  return Fail(Code::kUnavailable,
              fmt::format("{} answers without {}: does a proxy on the way strip headers?",
                          address_.endpoint, what));
}

Task<Result<Bucket::Found>> Bucket::Head(Env& env, std::string key, Call call) {
  FetchRequest request = Request("HEAD", key);
  request.hedged = true;
  const auto answer = co_await fetcher_.Send(env, std::move(request), call);
  if (!answer && answer.error().code() == Code::kNotFound) FB_CO_TRY(co_await IsThere(env, call));
  if (!answer) co_return Fail(answer.error());
  const auto& response = *answer;
  bucket_seen_until_ = env.clock.Now() + kBucketSeen;
  const auto size = http_origin::ParseNumber(response->Header("Content-Length"));
  Found found{.info = {.etag = BareEtag(response->Header("ETag")),
                       .size = size.value_or(0),
                       .modified_ns = ParseHttpDate(response->Header("Last-Modified")).value_or(0)},
              .mark = std::string(response->Header(kMarkHeader)),
              .attributes = AttributesOf(*response)};
  if (found.info.etag.empty()) co_return StrippedOf("an ETag");
  if (!size) co_return StrippedOf("a good Content-Length");
  co_return found;
}

/// What a HEAD does not find may lack no more than its bucket: its answer has no words.
Task<Result<void>> Bucket::IsThere(Env& env, Call call) {
  if (env.clock.Now() < bucket_seen_until_) co_return Result<void>();
  bucket_seen_until_ = env.clock.Now() + kBucketSeen;  // others need not ask, too
  const auto answer = co_await fetcher_.Send(env, Request("HEAD", ""), call);
  if (!answer && answer.error().code() == Code::kNotFound) {
    bucket_seen_until_ = {};
    co_return Fail(Code::kInvalidArgument,
                   NoSuchBucket({.bucket = address_.bucket, .endpoint = address_.endpoint}));
  }
  // Who may not ask this, or cannot now, was still told that the object is not there.
  co_return Result<void>();
}

Task<Result<std::string>> Bucket::List(Env& env, std::string query, Call call) {
  FetchRequest request = Request("GET", "", query);
  request.hedged = true;
  FB_CO_ASSIGN(Whole whole,
               co_await fetcher_.SendWhole(env, std::move(request), kMaxListingBytes, call));
  bucket_seen_until_ = env.clock.Now() + kBucketSeen;
  co_return std::move(whole.body);
}

Task<Result<ObjectInfo>> Bucket::Put(Env& env, std::string key, HashedBody body,
                                     ObjectAttributes attributes, Condition condition, Call call) {
  FetchRequest request = Request("PUT", key);
  AddBody(request, body);
  AddAttributes(request, attributes);
  AddCondition(request, condition);
  std::string mark;
  if (IsConditional(condition)) {
    mark = NewMark(env, key);
    SetHeader(request.http, kMarkHeader, mark);
  }
  const auto whole = co_await fetcher_.SendWhole(env, std::move(request), kMaxAnswerBytes, call);
  if (!whole) {
    co_return co_await AfterRefusal(env, std::move(key), std::move(mark), std::move(condition),
                                    whole.error(), call);
  }
  if (whole->Header("ETag").empty()) co_return StrippedOf("an ETag");
  co_return ObjectInfo{.etag = BareEtag(whole->Header("ETag")),
                       .size = body.bytes.size(),
                       .modified_ns = ParseHttpDate(whole->Header("Date")).value_or(0)};
}

Task<Result<ObjectInfo>> Bucket::AfterRefusal(Env& env, std::string key, std::string mark,
                                              Condition condition, Error refusal, Call call) {
  const bool gone = refusal.code() == Code::kNotFound;
  const bool may_be_ours = refusal.code() == Code::kVersionChanged || gone;
  if (!may_be_ours || (mark.empty() && !IsConditional(condition))) {
    co_return Fail(std::move(refusal));
  }
  if (!mark.empty()) {
    auto found = co_await Head(env, std::move(key), call);
    if (found && found->mark == mark) co_return std::move(found->info);
    if (!found && found.error().code() != Code::kNotFound) co_return Fail(found.error());
  }
  if (condition.if_absent && !gone) {
    co_return Fail(Code::kAlreadyExists, "there is such an object already");
  }
  // What a completion misses may also be its upload.
  const bool no_upload = refusal.message().find("NoSuchUpload") != std::string::npos;
  if (!condition.if_match.empty() && !no_upload) {
    co_return Fail(Code::kVersionChanged, "the object is another one by now");
  }
  co_return Fail(std::move(refusal));
}

Task<Result<void>> Bucket::Delete(Env& env, std::string key, std::string if_match, Call call) {
  const auto found = co_await Head(env, key, call);  // S3 removes what is not there without a word
  if (!found) co_return Fail(found.error());
  if (!if_match.empty() && found->info.etag != if_match) {
    co_return Fail(Code::kVersionChanged, "the object is another one by now");
  }
  FetchRequest request = Request("DELETE", key);
  AddCondition(request, {.if_match = if_match});
  const auto removed = co_await fetcher_.SendWhole(env, std::move(request), kMaxAnswerBytes, call);
  // It was there a moment ago: our own first try may have removed it.
  if (!removed && removed.error().code() != Code::kNotFound) co_return Fail(removed.error());
  co_return Result<void>();
}

Task<Result<std::string>> Bucket::CreateUpload(Env& env, std::string key, std::string mark,
                                               ObjectAttributes attributes, Call call) {
  FetchRequest request = Request("POST", key, "uploads");
  AddAttributes(request, attributes);
  if (!mark.empty()) SetHeader(request.http, kMarkHeader, std::move(mark));
  FB_CO_ASSIGN(const Whole whole,
               co_await fetcher_.SendWhole(env, std::move(request), kMaxAnswerBytes, call));
  const auto root = ParseXml(whole.body);
  std::string upload(root ? root->Text("UploadId") : "");
  if (upload.empty()) co_return Fail(Code::kUnavailable, "the store gave the upload no id");
  co_return upload;
}

Task<Result<std::string>> Bucket::PutPart(Env& env, std::string key, std::string upload,
                                          uint32_t number, HashedBody body, Call call) {
  FetchRequest request =
      Request("PUT", key, fmt::format("partNumber={}&{}", number, UploadQuery(upload)));
  AddBody(request, body);
  FB_CO_ASSIGN(const Whole whole,
               co_await fetcher_.SendWhole(env, std::move(request), kMaxAnswerBytes, call));
  std::string etag = BareEtag(whole.Header("ETag"));
  if (etag.empty()) co_return StrippedOf("an ETag");
  co_return etag;
}

Task<Result<std::vector<UploadedPart>>> Bucket::Parts(Env& env, std::string key, std::string upload,
                                                      Call call) {
  std::vector<UploadedPart> parts;
  for (uint32_t after = 0;;) {
    const FetchRequest request =
        Request("GET", key,
                fmt::format("max-parts=1000&part-number-marker={}&{}", after, UploadQuery(upload)));
    FB_CO_ASSIGN(const Whole whole,
                 co_await fetcher_.SendWhole(env, request, kMaxAnswerBytes, call));
    FB_CO_ASSIGN(const XmlElement root, ParseXml(whole.body));
    for (const XmlElement& child : root.children) {
      if (child.name != "Part") continue;
      parts.push_back({.number = NumberOf<uint32_t>(child.Text("PartNumber")),
                       .etag = BareEtag(child.Text("ETag")),
                       .size = NumberOf<uint64_t>(child.Text("Size")),
                       .modified_ns = ParseIsoDate(child.Text("LastModified")).value_or(0)});
    }
    const bool more = root.Text("IsTruncated") == "true" && !parts.empty();
    if (!more || parts.back().number <= after || parts.size() > kMaxParts) co_return parts;
    after = parts.back().number;
  }
}

Task<Result<std::vector<PendingUpload>>> Bucket::Uploads(Env& env, std::string prefix, Call call) {
  std::vector<PendingUpload> pending;
  std::string from;
  for (;;) {
    const std::string query = fmt::format("uploads&encoding-type=url&max-uploads=1000&prefix={}{}",
                                          PercentEncode(address_.prefix + prefix, false), from);
    FB_CO_ASSIGN(const std::string body, co_await List(env, query, call));
    FB_CO_ASSIGN(UploadsAnswer answer, ReadUploads(body, address_.prefix));
    std::ranges::move(answer.uploads, std::back_inserter(pending));
    if (!answer.truncated) co_return pending;
    if (pending.size() > kMostPending) {
      co_return Fail(Code::kOverloaded, "too many uploads are pending to be listed");
    }
    std::string next =
        fmt::format("&key-marker={}&upload-id-marker={}", PercentEncode(answer.next_key, false),
                    PercentEncode(answer.next_id, false));
    if (next == from) co_return Fail(Code::kCorrupt, "the list of uploads does not go on");
    from = std::move(next);
  }
}

Task<Result<ObjectInfo>> Bucket::Complete(Env& env, Completion completion, Call call) {
  std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  uint64_t size = 0;
  for (const UploadedPart& part : completion.parts) {
    body += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", part.number,
                        XmlEscape(QuotedEtag(part.etag)));
    size += part.size;
  }
  body += "</CompleteMultipartUpload>";
  FetchRequest request = Request("POST", completion.key, UploadQuery(completion.upload));
  SetHeader(request.http, "Content-Type", "application/xml");
  AddCondition(request, completion.condition);
  request.http.body = {AsBytes(body)};
  auto whole = co_await CompleteOnce(env, completion, request, call);
  int failures = 0;
  for (Duration pause = kCompletePause; !whole; pause = std::min(pause * 2, kLongestPause)) {
    // Who asks for less gets it, until time is up: the parts would be lost.
    const bool less = whole.error().code() == Code::kOverloaded;
    const bool failed = whole.error().code() == Code::kUnavailable;
    if (!less && (!failed || ++failures == kCompleteTries)) break;
    const auto jittered = Duration(env.rng.Below(static_cast<uint64_t>(pause.count())) + 1);
    if (env.clock.Now() + jittered >= call.deadline) break;
    FB_CO_TRY(co_await env.clock.Sleep(jittered, call.cancel));
    whole = co_await CompleteOnce(env, completion, request, call);
  }
  const std::string etag = completion.mark.empty() ? EtagOfParts(completion.parts) : "";
  if (!whole && !etag.empty() && co_await IsOver(env, completion, whole.error().code(), call)) {
    // What it was to become may be there: then the answer was lost.
    auto found = co_await Head(env, completion.key, call);
    if (found && found->info.etag == etag) co_return std::move(found->info);
  }
  if (!whole) {
    co_return co_await AfterRefusal(env, completion.key, completion.mark, completion.condition,
                                    whole.error(), call);
  }
  const auto root = ParseXml(WithoutSpaceBefore(whole->body));
  const bool said = root && root->name == "CompleteMultipartUploadResult";
  ObjectInfo info{.etag = BareEtag(said ? root->Text("ETag") : ""),
                  .size = size,
                  .modified_ns = ParseHttpDate(whole->Header("Date")).value_or(0)};
  if (!info.etag.empty()) co_return info;
  // It was cut off, or says nothing: the object itself tells.
  FB_CO_ASSIGN(Found found, co_await Head(env, completion.key, call));
  const bool ours = completion.mark.empty() ? !etag.empty() && found.info.etag == etag
                                            : found.mark == completion.mark;
  if (ours) co_return std::move(found.info);
  co_return Fail(Code::kUnavailable, "the store does not say whether the upload is complete");
}

/// After a refusal: a store may look at the condition before it looks for the upload.
Task<bool> Bucket::IsOver(Env& env, const Completion& completion, Code refusal, Call call) {
  if (refusal != Code::kVersionChanged) co_return refusal == Code::kNotFound;
  const auto parts = co_await Parts(env, completion.key, completion.upload, call);
  co_return !parts && parts.error().code() == Code::kNotFound;
}

/// S3 may say 200 at once and find out afterwards that it failed: the body then holds an error,
/// which the fetcher, who went by the status, has not seen.
Task<Result<Bucket::Whole>> Bucket::CompleteOnce(Env& env, const Completion& completion,
                                                 FetchRequest request, Call call) {
  auto whole = co_await fetcher_.SendWhole(env, std::move(request), kMaxAnswerBytes, call);
  if (!whole) co_return whole;
  const std::string_view body = WithoutSpaceBefore(whole->body);
  if (ErrorCodeOf(body).empty()) co_return whole;
  const Place place{.bucket = address_.bucket, .endpoint = address_.endpoint, .signer = signer_};
  const Answer answer{.status = whole->status, .body = body, .date = whole->Header("Date")};
  co_return Fail(Explain(place, answer).error.Within(fmt::format("upload of {}", completion.key)));
}

Task<Result<void>> Bucket::Abort(Env& env, std::string key, std::string upload, Call call) {
  FetchRequest request = Request("DELETE", key, UploadQuery(upload));
  const auto aborted = co_await fetcher_.SendWhole(env, std::move(request), kMaxAnswerBytes, call);
  if (!aborted) co_return Fail(aborted.error());
  co_return Result<void>();
}

}  // namespace forebay::s3
