#include "src/origin/s3/s3_origin.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "src/base/hash.h"
#include "src/origin/http/request.h"
#include "src/origin/http/text.h"
#include "src/origin/s3/listing.h"

namespace forebay {

using http_origin::CheckCall;

namespace {

constexpr uint64_t kMaxKeyBytes = 1024;  // of S3, its prefix included

std::string PrefixOfIds(std::string_view key) {
  return fmt::format("{:016x}.", HashBytes(AsBytes(key), 0).lo);
}

/// The store's own id. nullopt: none of ours, or of another key, which not every store would
/// notice.
std::optional<std::string> ParseUploadId(std::string_view id, std::string_view key) {
  const std::string prefix = PrefixOfIds(key);
  if (!id.starts_with(prefix) || id.size() == prefix.size()) return std::nullopt;
  return std::string(id.substr(prefix.size()));
}

Error NoSuchUpload() {
  return Error(Code::kNotFound, "there is no such upload");
}

Result<void> CheckPartNumber(uint32_t number) {
  if (number >= 1 && number <= s3::kMaxParts) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("part {}: parts have numbers from 1 to {}", number, s3::kMaxParts));
}

Result<void> CheckParts(const std::vector<UploadedPart>& parts) {
  if (parts.empty()) return Fail(Code::kInvalidArgument, "an object has at least one part");
  for (size_t i = 0; i < parts.size(); ++i) {
    FB_TRY(CheckPartNumber(parts[i].number));
    if (i == 0 || parts[i - 1].number < parts[i].number) continue;
    return Fail(Code::kInvalidArgument,
                fmt::format("part {} stands behind part {}", parts[i].number, parts[i - 1].number));
  }
  return {};
}

}  // namespace

S3Origin::S3Origin(std::string url, s3::Address address, std::shared_ptr<s3::S3Signer> signer,
                   const http_origin::DriverParts& parts, s3::UploadOptions options)
    : url_(std::move(url)),
      options_(options),
      signer_(std::move(signer)),
      bucket_(std::move(address), signer_, parts) {
  const size_t prefix = bucket_.address().prefix.size();
  capabilities_ = {.retries = true,
                   .attributes = true,
                   .max_key_bytes = kMaxKeyBytes - std::min<uint64_t>(prefix, kMaxKeyBytes - 1),
                   .min_part_bytes = s3::kMinPartBytes,
                   .max_parts = s3::kMaxParts};
}

Result<std::unique_ptr<S3Origin>> S3Origin::Create(const OriginUrl& url,
                                                   const http_origin::DriverParts& parts,
                                                   s3::UploadOptions options) {
  FB_TRY(url.OnlyParameters({"ca", "credentials", "endpoint", "region", "style"}));
  FB_ASSIGN(s3::Address address, s3::Address::Of(url, parts.surroundings));
  std::unique_ptr<s3::KeySource> source;
  const std::string_view reference = url.Parameter("credentials");
  if (reference != "anonymous") {
    auto made = s3::MakeKeySource(reference, parts.surroundings, address.region);
    if (!made) {
      return Fail(made.error().code(),
                  fmt::format("origin s3://{}: {}", url.authority, made.error().message()));
    }
    source = std::move(*made);
  }
  auto signer = std::make_shared<s3::S3Signer>(std::move(source), address.region);
  return std::unique_ptr<S3Origin>(
      new S3Origin(url.ToString(), std::move(address), std::move(signer), parts, options));
}

std::string S3Origin::Name(std::string_view key) const {
  return fmt::format("origin {}: {}", url_, key);
}

std::unexpected<Error> S3Origin::Named(std::string_view key, const Error& error) const {
  return Fail(error.code(), fmt::format("{}: {}", Name(key), error.message()));
}

Task<Result<ObjectInfo>> S3Origin::Head(Env& env, std::string key, Call call) {
  FB_CO_TRY(CheckCall(env, call));
  auto found = co_await bucket_.Head(env, key, call);
  if (!found) co_return Named(key, found.error());
  co_return std::move(found->info);
}

Task<Result<std::unique_ptr<OriginBody>>> S3Origin::Get(Env& env, std::string key,
                                                        GetOptions options, Call call) {
  FB_CO_TRY(CheckCall(env, call));
  const bool conditional = !options.if_match.empty();
  const auto make = [this, key](uint64_t offset, uint64_t size, const std::string& if_match) {
    http_origin::FetchRequest request = bucket_.Request("GET", key);
    request.hedged = true;
    const bool to_end = size == UINT64_MAX || offset + size < offset;
    if (offset > 0 || !to_end) {
      http_origin::SetHeader(request.http, "Range",
                             to_end ? fmt::format("bytes={}-", offset)
                                    : fmt::format("bytes={}-{}", offset, offset + size - 1));
    }
    if (!if_match.empty())
      http_origin::SetHeader(request.http, "If-Match", http_origin::QuotedEtag(if_match));
    return request;
  };
  auto body = co_await bucket_.fetcher().Get(env, Name(key), make, std::move(options), call);
  if (body) co_return body;
  if (conditional && body.error().code() == Code::kNotFound) {
    co_return Named(key, Error(Code::kVersionChanged, "the object is gone"));
  }
  co_return Named(key, body.error());
}

Task<Result<ListPage>> S3Origin::List(Env& env, ListOptions options, Call call) {
  FB_CO_TRY(CheckCall(env, call));
  const std::string& base = bucket_.address().prefix;
  ListPage page;
  std::string token;
  do {
    const auto body = co_await bucket_.List(env, s3::ListQuery(options, base, token), call);
    if (!body && body.error().code() == Code::kNotFound) {
      // A listing finds its bucket or it does not; nothing of it can be "not there".
      co_return Named("listing", Error(Code::kInvalidArgument, body.error().message()));
    }
    if (!body) co_return Named("listing", body.error());
    auto answer = s3::ReadListing(*body, options, base);
    if (!answer) {
      co_return Named("listing",
                      Error(answer.error().code(),
                            fmt::format("{} does not answer as S3 does; is ?endpoint= "
                                        "the store's API, or a web page? ({})",
                                        bucket_.address().endpoint, answer.error().message())));
    }
    page.entries = std::move(answer->entries);
    page.more = answer->truncated;
    token = std::move(answer->token);
    // Nothing but names that we cannot name: the caller could not go on from there.
  } while (page.entries.empty() && page.more);
  co_return page;
}

Task<Result<std::unique_ptr<OriginUpload>>> S3Origin::Put(Env& env, std::string key,
                                                          Condition condition, Call call) {
  FB_CO_TRY(CheckCall(env, call));
  std::string name = Name(key);
  co_return s3::NewUpload(bucket_, env, std::move(name), std::move(key), std::move(condition),
                          options_);
}

Task<Result<void>> S3Origin::Delete(Env& env, std::string key, Condition condition, Call call) {
  FB_CO_TRY(CheckCall(env, call));
  const auto removed = co_await bucket_.Delete(env, key, std::move(condition.if_match), call);
  if (!removed) co_return Named(key, removed.error());
  co_return removed;
}

Task<Result<void>> S3Origin::Sweep(Env&) {
  co_return Result<void>();
}

Task<Result<ObjectAttributes>> S3Origin::Attributes(Env& env, std::string key, std::string etag,
                                                    Call call) {
  FB_CO_TRY(CheckCall(env, call));
  auto found = co_await bucket_.Head(env, key, call);
  if (!found) co_return Named(key, found.error());
  if (found->info.etag == etag) co_return std::move(found->attributes);
  co_return Named(key, Error(Code::kVersionChanged, "the object is another one by now"));
}

Task<Result<std::string>> S3Origin::CreateMultipart(Env& env, std::string key, Call call) {
  return CreateDescribed(env, std::move(key), {}, call);
}

Task<Result<std::string>> S3Origin::CreateDescribed(Env& env, std::string key,
                                                    ObjectAttributes attributes, Call call) {
  FB_CO_TRY(CheckCall(env, call));
  const auto upload = co_await bucket_.CreateUpload(env, key, "", std::move(attributes), call);
  if (!upload) co_return Named(key, upload.error());
  co_return PrefixOfIds(key) + *upload;
}

Task<Result<std::vector<PendingUpload>>> S3Origin::ListUploads(Env& env, std::string prefix,
                                                               Call call) {
  FB_CO_TRY(CheckCall(env, call));
  auto pending = co_await bucket_.Uploads(env, std::move(prefix), call);
  if (!pending) co_return Named("uploads", pending.error());
  for (PendingUpload& upload : *pending) upload.id.insert(0, PrefixOfIds(upload.key));
  co_return pending;
}

Task<Result<std::unique_ptr<OriginUpload>>> S3Origin::PutPart(Env& env, std::string key,
                                                              std::string upload_id,
                                                              uint32_t number, Call call) {
  FB_CO_TRY(CheckCall(env, call));
  if (const auto checked = CheckPartNumber(number); !checked) co_return Named(key, checked.error());
  auto id = ParseUploadId(upload_id, key);
  if (!id) co_return Named(key, NoSuchUpload());
  std::string name = fmt::format("{}: part {}", Name(key), number);
  co_return s3::NewPartUpload(bucket_, env, std::move(name), std::move(key), *std::move(id),
                              number);
}

Task<Result<std::vector<UploadedPart>>> S3Origin::ListParts(Env& env, std::string key,
                                                            std::string upload_id, Call call) {
  FB_CO_TRY(CheckCall(env, call));
  const auto id = ParseUploadId(upload_id, key);
  if (!id) co_return Named(key, NoSuchUpload());
  auto parts = co_await bucket_.Parts(env, key, *id, call);
  if (!parts) co_return Named(key, parts.error());
  co_return parts;
}

Task<Result<ObjectInfo>> S3Origin::CompleteMultipart(Env& env, std::string key,
                                                     std::string upload_id,
                                                     std::vector<UploadedPart> parts,
                                                     Condition condition, Call call) {
  FB_CO_TRY(CheckCall(env, call));
  if (const auto checked = CheckParts(parts); !checked) co_return Named(key, checked.error());
  const auto id = ParseUploadId(upload_id, key);
  if (!id) co_return Named(key, NoSuchUpload());
  auto info = co_await bucket_.Complete(
      env, {.key = key, .upload = *id, .parts = parts, .condition = std::move(condition)}, call);
  if (info) co_return info;
  if (info.error().code() != Code::kInvalidArgument) co_return Named(key, info.error());
  co_return Named(key, co_await ExplainParts(env, key, *id, std::move(parts), info.error(), call));
}

Task<Error> S3Origin::ExplainParts(Env& env, std::string key, std::string upload,
                                   std::vector<UploadedPart> parts, Error refusal, Call call) {
  const auto there = co_await bucket_.Parts(env, std::move(key), std::move(upload), call);
  if (!there) co_return refusal;
  std::string small;
  for (const UploadedPart& part : parts) {
    const auto found = std::ranges::find(*there, part.number, &UploadedPart::number);
    if (found == there->end()) {
      co_return Error(Code::kInvalidArgument, fmt::format("part {} was not uploaded", part.number));
    }
    if (found->etag != part.etag) {
      co_return Error(Code::kInvalidArgument,
                      fmt::format("part {} is another one: its etag is {}, not {}", part.number,
                                  found->etag, part.etag));
    }
    if (small.empty() && found->size < s3::kMinPartBytes && part.number != parts.back().number) {
      small = fmt::format("part {} has {} bytes; all but the last have at least {}: ", part.number,
                          found->size, s3::kMinPartBytes);
    }
  }
  co_return Error(refusal.code(), small + refusal.message());
}

Task<Result<void>> S3Origin::AbortMultipart(Env& env, std::string key, std::string upload_id,
                                            Call call) {
  FB_CO_TRY(CheckCall(env, call));
  const auto id = ParseUploadId(upload_id, key);
  if (!id) co_return Named(key, NoSuchUpload());
  const auto aborted = co_await bucket_.Abort(env, key, *id, call);
  if (!aborted) co_return Named(key, aborted.error());
  co_return aborted;
}

}  // namespace forebay
