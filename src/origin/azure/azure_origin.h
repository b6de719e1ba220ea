// The driver of "azure://ACCOUNT/CONTAINER/PREFIX". docs/ORIGINS.md has what it promises.
#pragma once

#include <memory>
#include <string>

#include "src/origin/azure/blocks.h"
#include "src/origin/azure/container.h"
#include "src/origin/azure/listing.h"
#include "src/origin/azure/upload.h"
#include "src/origin/http/driver_parts.h"
#include "src/origin/origin.h"
#include "src/origin/origin_url.h"

namespace forebay {

class AzureOrigin final : public Origin {
 public:
  /// Asks nobody yet: a container that is missing and keys that are refused are errors of each
  /// operation.
  static Result<std::unique_ptr<AzureOrigin>> Create(const OriginUrl& url,
                                                     const http_origin::DriverParts& parts,
                                                     azure::UploadOptions options = {});

  const std::string& url() const override { return url_; }
  const OriginCapabilities& capabilities() const override { return capabilities_; }
  std::string credentials() const override { return container_.fetcher().signer().Describe(); }

  Task<Result<ObjectInfo>> Head(Env& env, std::string key, Call call) override;
  Task<Result<std::unique_ptr<OriginBody>>> Get(Env& env, std::string key, GetOptions options,
                                                Call call) override;
  Task<Result<ListPage>> List(Env& env, ListOptions options, Call call) override;
  Task<Result<std::unique_ptr<OriginUpload>>> Put(Env& env, std::string key, Condition condition,
                                                  Call call) override;
  Task<Result<void>> Delete(Env& env, std::string key, Condition condition, Call call) override;
  /// An upload is its blocks; the first of them says that it was begun.
  Task<Result<std::string>> CreateMultipart(Env& env, std::string key, Call call) override;
  Task<Result<std::string>> CreateDescribed(Env& env, std::string key, ObjectAttributes attributes,
                                            Call call) override;
  Task<Result<std::unique_ptr<OriginUpload>>> PutPart(Env& env, std::string key,
                                                      std::string upload_id, uint32_t number,
                                                      Call call) override;
  Task<Result<std::vector<UploadedPart>>> ListParts(Env& env, std::string key,
                                                    std::string upload_id, Call call) override;
  Task<Result<ObjectInfo>> CompleteMultipart(Env& env, std::string key, std::string upload_id,
                                             std::vector<UploadedPart> parts, Condition condition,
                                             Call call) override;
  /// Leaves a block that says so: single blocks cannot be removed.
  Task<Result<void>> AbortMultipart(Env& env, std::string key, std::string upload_id,
                                    Call call) override;
  /// Those of keys where there is no object, or one without bytes: of others the service does not
  /// tell that they have blocks. Ids come without what they carried.
  Task<Result<std::vector<PendingUpload>>> ListUploads(Env& env, std::string prefix,
                                                       Call call) override;
  Task<Result<ObjectAttributes>> Attributes(Env& env, std::string key, std::string etag,
                                            Call call) override;
  /// Nothing: the service drops blocks of dead uploads after a week.
  Task<Result<void>> Sweep(Env& env) override;

 private:
  AzureOrigin(std::string url, azure::Address address, std::shared_ptr<azure::AzureSigner> signer,
              const http_origin::DriverParts& parts, azure::UploadOptions options);
  /// "origin azure://account/container/prefix: key".
  std::string Name(std::string_view key) const;
  std::unexpected<Error> Named(std::string_view key, const Error& error) const;
  Result<void> Check(Env& env, std::string_view key, const Condition& condition,
                     const Call& call) const;
  /// A block that belongs to no part.
  Task<Result<void>> LeaveWord(Env& env, std::string key, std::string upload,
                               azure::BlockName::Kind kind, Call call);
  /// Keys that may have blocks and no object.
  Task<Result<std::vector<std::string>>> Unfinished(Env& env, std::string prefix, Call call);
  struct Asking;
  Task<void> AskForUploads(Env& env, Asking& asking, Call call);
  /// As the service lists, but in the order of bytes.
  Task<Result<ListPage>> ListLevel(Env& env, ListOptions options, Call call);
  /// All names of a hierarchical account, directory by directory, the next ones ahead.
  Task<Result<ListPage>> Walk(Env& env, ListOptions options, Call call);
  struct Ahead;
  Task<Result<ListPage>> WalkOn(Env& env, ListOptions options, Ahead& ahead, Call call);
  Task<void> ListAhead(Env& env, std::string directory, Ahead& ahead, Call call);
  Task<Result<azure::ListAnswer>> ListOnce(Env& env, ListOptions options, azure::Place place,
                                           Call call);

  const std::string url_;
  const azure::UploadOptions options_;
  azure::Container container_;
  azure::Markers markers_;
  bool hierarchical_ = false;  // as far as is known
  /// Of ranges; likewise. While nobody knows one request at a time finds out.
  enum class Tells : uint8_t { kUnknown, kAsked, kYes, kNo } crc64_ = Tells::kUnknown;
  OriginCapabilities capabilities_;
};

}  // namespace forebay
