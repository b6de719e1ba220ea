#include "src/origin/azure/azure_origin.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "src/origin/http/request.h"
#include "src/origin/http/trust.h"

namespace forebay {

using http_origin::CheckCall;

namespace {

constexpr uint64_t kMaxKeyBytes = 1024;  // of Blob, in characters, the prefix included
constexpr size_t kMostMarkers = 1024;

}  // namespace

AzureOrigin::AzureOrigin(std::string url, azure::Address address,
                         std::shared_ptr<azure::AzureSigner> signer,
                         const http_origin::DriverParts& parts, azure::UploadOptions options)
    : url_(std::move(url)),
      options_(options),
      container_(std::move(address), std::move(signer), parts),
      markers_(kMostMarkers) {
  const size_t prefix = container_.address().prefix.size();
  capabilities_ = {.retries = true,
                   .attributes = true,
                   .late_attributes = true,
                   .md5_in_etag = true,
                   .max_key_bytes = kMaxKeyBytes - std::min<uint64_t>(prefix, kMaxKeyBytes - 1),
                   .max_parts = azure::kMaxParts};
}

Result<std::unique_ptr<AzureOrigin>> AzureOrigin::Create(const OriginUrl& url,
                                                         const http_origin::DriverParts& parts,
                                                         azure::UploadOptions options) {
  FB_TRY(url.OnlyParameters({"ca", "credentials", "endpoint"}));
  const Surroundings& surroundings = parts.surroundings;
  const std::string_view reference = url.Parameter("credentials");
  FB_ASSIGN(azure::Address address,
            azure::Address::Of(url, azure::UsualEndpoint(reference, surroundings, url.authority)));
  FB_ASSIGN(address.tls, http_origin::TlsOf(url, surroundings));
  auto source = azure::MakeCredentialSource(reference, surroundings, address.account);
  if (!source) {
    return Fail(source.error().code(), fmt::format("origin azure://{}/{}: {}", address.account,
                                                   address.container, source.error().message()));
  }
  auto signer = std::make_shared<azure::AzureSigner>(std::move(*source));
  return std::unique_ptr<AzureOrigin>(
      new AzureOrigin(url.ToString(), std::move(address), std::move(signer), parts, options));
}

std::string AzureOrigin::Name(std::string_view key) const {
  return fmt::format("origin {}: {}", url_, key);
}

std::unexpected<Error> AzureOrigin::Named(std::string_view key, const Error& error) const {
  return Fail(error.code(), fmt::format("{}: {}", Name(key), error.message()));
}

Result<void> AzureOrigin::Check(Env& env, std::string_view key, const Condition& condition,
                                const Call& call) const {
  FB_TRY(CheckCall(env, call));
  if (!http_origin::IsNameable(key) || key.size() > capabilities_.max_key_bytes) {
    return Named(key, Error(Code::kInvalidArgument,
                            fmt::format("not a key: UTF-8 of at most {} bytes, without empty "
                                        "parts, '.' and '..'",
                                        capabilities_.max_key_bytes)));
  }
  if (condition.if_absent && !condition.if_match.empty()) {
    return Named(key, Error(Code::kInvalidArgument, "if_absent and if_match exclude each other"));
  }
  return {};
}

Task<Result<ObjectInfo>> AzureOrigin::Head(Env& env, std::string key, Call call) {
  FB_CO_TRY(Check(env, key, {}, call));
  auto found = co_await container_.Head(env, key, call);
  if (!found) co_return Named(key, found.error());
  if (found->directory) co_return Named(key, Error(Code::kNotFound, "it is a directory"));
  co_return std::move(found->info);
}

Task<Result<std::unique_ptr<OriginBody>>> AzureOrigin::Get(Env& env, std::string key,
                                                           GetOptions options, Call call) {
  FB_CO_TRY(Check(env, key, {}, call));
  const bool conditional = !options.if_match.empty();
  options.judged = options.judged && (crc64_ == Tells::kUnknown || crc64_ == Tells::kYes);
  const bool finds_out = options.judged && crc64_ == Tells::kUnknown;
  if (finds_out) crc64_ = Tells::kAsked;
  const auto make = [this, key, judged = options.judged](uint64_t offset, uint64_t size,
                                                         const std::string& if_match) {
    return container_.GetRequest(key, offset, size, if_match, judged);
  };
  auto body = co_await container_.fetcher().Get(env, Name(key), make, options, call);
  if (finds_out) crc64_ = body && (*body)->judged_at_end() ? Tells::kYes : Tells::kUnknown;
  if (!body && options.judged && body.error().code() == Code::kUnsupported) {
    // It is not Azure's own: Azurite, for one. Who has told checksums may lack that of one blob.
    if (finds_out) crc64_ = Tells::kNo;
    options.judged = false;
    co_return co_await Get(env, std::move(key), std::move(options), call);
  }
  if (body && (*body)->info().size == 0) {
    // Directories look like objects without bytes.
    const auto found = co_await container_.Head(env, key, call);
    if (!found && found.error().code() != Code::kNotFound) co_return Named(key, found.error());
    if (found && found->directory)
      co_return Named(key, Error(Code::kNotFound, "it is a directory"));
  }
  if (body) co_return body;
  if (conditional && body.error().code() == Code::kNotFound) {
    co_return Named(key, Error(Code::kVersionChanged, "the object is gone"));
  }
  co_return Named(key, body.error());
}

Task<Result<std::unique_ptr<OriginUpload>>> AzureOrigin::Put(Env& env, std::string key,
                                                             Condition condition, Call call) {
  FB_CO_TRY(Check(env, key, condition, call));
  std::string name = Name(key);
  co_return azure::NewUpload(container_, env, std::move(name), std::move(key), std::move(condition),
                             options_);
}

Task<Result<void>> AzureOrigin::Delete(Env& env, std::string key, Condition condition, Call call) {
  FB_CO_TRY(Check(env, key, condition, call));
  const auto removed = co_await container_.Delete(env, key, std::move(condition), call);
  if (!removed) co_return Named(key, removed.error());
  co_return removed;
}

Task<Result<ObjectAttributes>> AzureOrigin::Attributes(Env& env, std::string key, std::string etag,
                                                       Call call) {
  FB_CO_TRY(Check(env, key, {}, call));
  auto found = co_await container_.Head(env, key, call);
  if (!found) co_return Named(key, found.error());
  if (found->info.etag == etag) co_return std::move(found->attributes);
  co_return Named(key, Error(Code::kVersionChanged, "the object is another one by now"));
}

Task<Result<void>> AzureOrigin::Sweep(Env&) {
  co_return Result<void>();
}

}  // namespace forebay
