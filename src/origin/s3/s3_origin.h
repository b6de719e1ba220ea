// The driver of "s3://BUCKET/PREFIX". docs/ORIGINS.md has what it promises.
#pragma once

#include <memory>
#include <string>

#include "src/origin/http/driver_parts.h"
#include "src/origin/origin.h"
#include "src/origin/origin_url.h"
#include "src/origin/s3/bucket.h"
#include "src/origin/s3/upload.h"

namespace forebay {

class S3Origin final : public Origin {
 public:
  /// Asks nobody yet: a bucket that is missing and keys that are refused are errors of each
  /// operation.
  static Result<std::unique_ptr<S3Origin>> Create(const OriginUrl& url,
                                                  const http_origin::DriverParts& parts,
                                                  s3::UploadOptions options = {});

  const std::string& url() const override { return url_; }
  const OriginCapabilities& capabilities() const override { return capabilities_; }
  std::string credentials() const override { return signer_->Describe(); }
  http_origin::Fetcher& fetcher() { return bucket_.fetcher(); }

  Task<Result<ObjectInfo>> Head(Env& env, std::string key, Call call) override;
  Task<Result<std::unique_ptr<OriginBody>>> Get(Env& env, std::string key, GetOptions options,
                                                Call call) override;
  Task<Result<ListPage>> List(Env& env, ListOptions options, Call call) override;
  Task<Result<std::unique_ptr<OriginUpload>>> Put(Env& env, std::string key, Condition condition,
                                                  Call call) override;
  Task<Result<void>> Delete(Env& env, std::string key, Condition condition, Call call) override;
  /// Ids carry the key's hash before the store's own: "HASH.ID".
  Task<Result<std::string>> CreateMultipart(Env& env, std::string key, Call call) override;
  Task<Result<std::string>> CreateDescribed(Env& env, std::string key, ObjectAttributes attributes,
                                            Call call) override;
  Task<Result<ObjectAttributes>> Attributes(Env& env, std::string key, std::string etag,
                                            Call call) override;
  Task<Result<std::unique_ptr<OriginUpload>>> PutPart(Env& env, std::string key,
                                                      std::string upload_id, uint32_t number,
                                                      Call call) override;
  Task<Result<std::vector<UploadedPart>>> ListParts(Env& env, std::string key,
                                                    std::string upload_id, Call call) override;
  Task<Result<ObjectInfo>> CompleteMultipart(Env& env, std::string key, std::string upload_id,
                                             std::vector<UploadedPart> parts, Condition condition,
                                             Call call) override;
  Task<Result<void>> AbortMultipart(Env& env, std::string key, std::string upload_id,
                                    Call call) override;
  Task<Result<std::vector<PendingUpload>>> ListUploads(Env& env, std::string prefix,
                                                       Call call) override;
  /// Nothing: a bucket does not say whose an upload is, and others may be at it. The bucket's own
  /// life cycle rule is the one that can know.
  Task<Result<void>> Sweep(Env& env) override;

 private:
  S3Origin(std::string url, s3::Address address, std::shared_ptr<s3::S3Signer> signer,
           const http_origin::DriverParts& parts, s3::UploadOptions options);
  /// "origin s3://bucket/prefix: key".
  std::string Name(std::string_view key) const;
  std::unexpected<Error> Named(std::string_view key, const Error& error) const;
  /// Why the store refused to complete: the first part that is missing, differs or is too small.
  Task<Error> ExplainParts(Env& env, std::string key, std::string upload,
                           std::vector<UploadedPart> parts, Error refusal, Call call);

  const std::string url_;
  const s3::UploadOptions options_;
  const std::shared_ptr<s3::S3Signer> signer_;
  s3::Bucket bucket_;
  OriginCapabilities capabilities_;
};

}  // namespace forebay
