#include "src/origin/azure/container.h"

#include <fmt/format.h>

#include <utility>

#include "src/origin/azure/answers.h"
#include "src/origin/azure/attributes.h"
#include "src/origin/azure/crc64.h"
#include "src/origin/http/request.h"
#include "src/origin/http/text.h"

namespace forebay::azure {
namespace {

using http_origin::BareEtag;
using http_origin::FetchRequest;
using http_origin::ParseHttpDate;
using http_origin::PercentEncode;
using http_origin::QuotedEtag;
using http_origin::SetHeader;

constexpr uint64_t kMaxListingBytes = 64 << 20;    // 5,000 names with all that is told of them
constexpr uint64_t kMaxBlockListBytes = 64 << 20;  // 150,000 blocks
constexpr uint64_t kMaxAnswerBytes = 1 << 20;
constexpr uint64_t kMaxJudgedBytes = 4 << 20;  // of which the service tells a CRC64
constexpr std::string_view kMarkHeader = "x-ms-meta-forebaywrite";
constexpr std::string_view kCrcHeader = "x-ms-content-crc64";

bool IsConditional(const Condition& condition) {
  return condition.if_absent || !condition.if_match.empty();
}

void AddCondition(FetchRequest& request, const Condition& condition) {
  if (condition.if_absent) SetHeader(request.http, "If-None-Match", "*");
  if (!condition.if_match.empty()) {
    SetHeader(request.http, "If-Match", QuotedEtag(EtagOfState(condition.if_match)));
  }
}

void AddBody(FetchRequest& request, Bytes body, std::string_view type) {
  SetHeader(request.http, "Content-Type", std::string(type));
  SetHeader(request.http, "Content-Length", std::to_string(body.size()));
  if (!body.empty()) request.http.body = {body};
}

/// The service's words for a write that was not to happen, in those of our interface.
Error Refusal(const Error& error, const Condition& condition) {
  const bool condition_failed =
      error.code() == Code::kVersionChanged || error.code() == Code::kAlreadyExists;
  if (condition.if_absent && condition_failed) {
    return Error(Code::kAlreadyExists, "there is such an object already");
  }
  const bool gone = error.code() == Code::kNotFound;
  if (!condition.if_match.empty() && (condition_failed || gone)) {
    return Error(Code::kVersionChanged,
                 gone ? "the object is gone" : "the object is another one by now");
  }
  return error;
}

}  // namespace

Container::Container(Address address, std::shared_ptr<AzureSigner> signer,
                     const http_origin::DriverParts& parts)
    : address_(std::move(address)),
      signer_(std::move(signer)),
      // What Azure limits is an account.
      lane_(parts.lanes->Of(fmt::format("azure {}", address_.endpoint))),
      fetcher_(signer_,
               [this](int status, const HttpResponse& response, std::string_view body) {
                 return Explain({.address = address_, .signer = *signer_},
                                AnswerOf(status, response, body));
               },
               {.state_name = StateNameOf,
                .crc64_header = std::string(kCrcHeader),
                .id_header = "x-ms-client-request-id"}) {}

FetchRequest Container::Request(std::string method, std::string_view key,
                                std::string_view query) const {
  FetchRequest request{.lane = lane_.get()};
  request.http.method = std::move(method);
  request.http.url = key.empty() ? address_.ContainerUrl() : address_.UrlOf(key);
  // A blob has a limit of its own (500 requests a second).
  if (!key.empty()) request.object = request.http.url;
  if (!query.empty()) request.http.url += fmt::format("?{}", query);
  request.http.tls = address_.tls;
  return request;
}

std::unexpected<Error> Container::StrippedOf(std::string_view what) const {
  return Fail(Code::kUnavailable,
              fmt::format("{} answers without {}: does a proxy on the way strip headers?",
                          address_.endpoint, what));
}

FetchRequest Container::GetRequest(std::string_view key, uint64_t offset, uint64_t size,
                                   const std::string& if_match, bool judged) const {
  FetchRequest request = Request("GET", key);
  request.hedged = true;
  const bool to_end = size == UINT64_MAX || offset + size < offset;
  if (offset > 0 || !to_end) {
    SetHeader(request.http, "Range",
              to_end ? fmt::format("bytes={}-", offset)
                     : fmt::format("bytes={}-{}", offset, offset + size - 1));
  }
  if (judged && size <= kMaxJudgedBytes) {
    SetHeader(request.http, "x-ms-range-get-content-crc64", "true");
  }
  if (!if_match.empty()) {
    SetHeader(request.http, "If-Match", QuotedEtag(EtagOfState(if_match)));
  }
  return request;
}

Task<Result<Container::Found>> Container::Head(Env& env, std::string key, Call call) {
  FetchRequest request = Request("HEAD", key);
  request.hedged = true;
  FB_CO_ASSIGN(const auto response, co_await fetcher_.Send(env, std::move(request), call));
  const auto size = http_origin::ParseNumber(response->Header("Content-Length"));
  Found found{.info = {.etag = StateNameOf(*response),
                       .size = size.value_or(0),
                       .modified_ns = ParseHttpDate(response->Header("Last-Modified")).value_or(0)},
              .mark = std::string(response->Header(kMarkHeader)),
              .attributes = ReadAttributes(*response)};
  found.directory = response->Header("x-ms-meta-hdi_isfolder") == "true" ||
                    response->Header("x-ms-resource-type") == "directory";
  if (found.info.etag.empty()) co_return StrippedOf("an ETag");
  if (!size) co_return StrippedOf("a good Content-Length");
  co_return found;
}

Task<Result<std::string>> Container::List(Env& env, std::string query, Call call) {
  FetchRequest request = Request("GET", "", query);
  request.hedged = true;
  FB_CO_ASSIGN(Whole whole,
               co_await fetcher_.SendWhole(env, std::move(request), kMaxListingBytes, call));
  co_return std::move(whole.body);
}

Result<ObjectInfo> Container::Written(const Whole& whole, const ObjectAttributes& attributes,
                                      uint64_t size) const {
  if (whole.Header("ETag").empty()) return StrippedOf("an ETag");
  return ObjectInfo{.etag = StateName(BareEtag(whole.Header("ETag")), Md5Of(attributes)),
                    .size = size,
                    .modified_ns = ParseHttpDate(whole.Header("Last-Modified")).value_or(0)};
}

Task<Result<ObjectInfo>> Container::Put(Env& env, Writing writing, CheckedBody body, Call call) {
  FetchRequest request = Request("PUT", writing.key);
  AddBody(request, body.bytes, "application/octet-stream");
  SetHeader(request.http, "x-ms-blob-type", "BlockBlob");
  // The service checks either, and refuses both.
  if (Md5Of(writing.attributes).empty()) {
    SetHeader(request.http, kCrcHeader, Crc64Text(body.crc64));
  }
  AddAttributes(request.http, writing.attributes);
  AddCondition(request, writing.condition);
  const bool conditional = IsConditional(writing.condition);
  if (conditional) SetHeader(request.http, kMarkHeader, writing.mark);
  const auto whole = co_await fetcher_.SendWhole(env, std::move(request), kMaxAnswerBytes, call);
  if (whole) co_return Written(*whole, writing.attributes, body.bytes.size());
  if (!conditional) co_return Fail(whole.error());
  co_return co_await AfterRefusal(env, std::move(writing), whole.error(), call);
}

Task<Result<ObjectInfo>> Container::AfterRefusal(Env& env, Writing writing, Error refusal,
                                                 Call call) {
  const bool refused = refusal.code() == Code::kVersionChanged ||
                       refusal.code() == Code::kAlreadyExists ||
                       refusal.code() == Code::kNotFound || Says(refusal, "InvalidBlockList");
  if (!refused) co_return Fail(std::move(refusal));
  auto found = co_await Head(env, std::move(writing.key), call);
  if (found && found->mark == writing.mark) co_return std::move(found->info);
  if (!found && found.error().code() != Code::kNotFound) co_return Fail(found.error());
  co_return Fail(Refusal(refusal, writing.condition));
}

Task<Result<void>> Container::Delete(Env& env, std::string key, Condition condition, Call call) {
  // Asked first, because of a removal whose answer is lost, the next try says "not found".
  const auto found = co_await Head(env, key, call);
  if (!found) co_return Fail(Refusal(found.error(), condition));
  if (found->directory) co_return Fail(Code::kNotFound, "it is a directory");
  if (!condition.if_match.empty() && found->info.etag != condition.if_match) {
    co_return Fail(Code::kVersionChanged, "the object is another one by now");
  }
  FetchRequest request = Request("DELETE", key);
  AddCondition(request, condition);
  const auto removed = co_await fetcher_.SendWhole(env, std::move(request), kMaxAnswerBytes, call);
  if (!removed && removed.error().code() != Code::kNotFound) {
    co_return Fail(Refusal(removed.error(), condition));
  }
  co_return Result<void>();
}

Task<Result<void>> Container::PutBlock(Env& env, std::string key, std::string block_id,
                                       CheckedBody body, Call call) {
  FetchRequest request =
      Request("PUT", key, fmt::format("comp=block&blockid={}", PercentEncode(block_id, false)));
  AddBody(request, body.bytes, "application/octet-stream");
  const std::string crc = Crc64Text(body.crc64);
  SetHeader(request.http, kCrcHeader, crc);
  FB_CO_ASSIGN(const Whole whole,
               co_await fetcher_.SendWhole(env, std::move(request), kMaxAnswerBytes, call));
  const std::string_view theirs = whole.Header(kCrcHeader);
  if (!theirs.empty() && theirs != crc) {
    co_return Fail(Code::kCorrupt, "the service received other bytes than were sent (CRC64)");
  }
  co_return Result<void>();
}

Task<Result<BlockList>> Container::Blocks(Env& env, std::string key, Call call) {
  FetchRequest request = Request("GET", key, "comp=blocklist&blocklisttype=all");
  request.hedged = true;
  const auto whole = co_await fetcher_.SendWhole(env, std::move(request), kMaxBlockListBytes, call);
  if (!whole && whole.error().code() == Code::kNotFound) co_return BlockList();
  if (!whole) co_return Fail(whole.error());
  co_return ReadBlockList(whole->body);
}

Task<Result<ObjectInfo>> Container::Complete(Env& env, Writing writing,
                                             std::vector<std::string> blocks, uint64_t size,
                                             Call call) {
  FetchRequest request = Request("PUT", writing.key, "comp=blocklist");
  const std::string body = BlockListBody(blocks);
  AddBody(request, AsBytes(body), "application/xml");
  SetHeader(request.http, "x-ms-blob-content-type", "application/octet-stream");
  AddAttributes(request.http, writing.attributes);
  SetHeader(request.http, kMarkHeader, writing.mark);
  AddCondition(request, writing.condition);
  const auto whole = co_await fetcher_.SendWhole(env, std::move(request), kMaxAnswerBytes, call);
  if (whole) co_return Written(*whole, writing.attributes, size);
  co_return co_await AfterRefusal(env, std::move(writing), whole.error(), call);
}

}  // namespace forebay::azure
