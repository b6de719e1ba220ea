// The driver of "file:///directory".
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "src/origin/file/key_locks.h"
#include "src/origin/file/root.h"
#include "src/origin/file/slice_cache.h"
#include "src/origin/file/staging.h"
#include "src/origin/origin.h"

namespace forebay {

/// Reads and writes in place of nothing: an object is written under a temporary name, synced and
/// renamed. Conditions on writes hold among all users of one FileOrigin, and `if_absent` among all
/// processes; if_match against another process's writer has a moment between the look and the
/// rename. Disk operations cannot be given up, so deadlines count between them.
class FileOrigin final : public Origin {
 public:
  /// Looks at nothing yet: a directory that is not there is an error of each operation.
  static Result<std::unique_ptr<Origin>> Create(std::string_view url);

  const std::string& url() const override { return root_.url(); }
  const OriginCapabilities& capabilities() const override;

  Task<Result<ObjectInfo>> Head(Env& env, std::string key, Call call) override;
  Task<Result<std::unique_ptr<OriginBody>>> Get(Env& env, std::string key, GetOptions options,
                                                Call call) override;
  Task<Result<ListPage>> List(Env& env, ListOptions options, Call call) override;
  Task<Result<std::unique_ptr<OriginUpload>>> Put(Env& env, std::string key, Condition condition,
                                                  Call call) override;
  Task<Result<ObjectAttributes>> Attributes(Env& env, std::string key, std::string etag,
                                            Call call) override;
  Task<Result<void>> Delete(Env& env, std::string key, Condition condition, Call call) override;
  Task<Result<std::string>> CreateMultipart(Env& env, std::string key, Call call) override;
  Task<Result<std::string>> CreateDescribed(Env& env, std::string key, ObjectAttributes attributes,
                                            Call call) override;
  Task<Result<std::unique_ptr<OriginUpload>>> PutPart(Env& env, std::string key,
                                                      std::string upload_id, uint32_t number,
                                                      Call call) override;
  Task<Result<std::vector<UploadedPart>>> ListParts(Env& env, std::string key,
                                                    std::string upload_id, Call call) override;
  Task<Result<std::vector<PendingUpload>>> ListUploads(Env& env, std::string prefix,
                                                       Call call) override;
  Task<Result<ObjectInfo>> CompleteMultipart(Env& env, std::string key, std::string upload_id,
                                             std::vector<UploadedPart> parts, Condition condition,
                                             Call call) override;
  Task<Result<void>> AbortMultipart(Env& env, std::string key, std::string upload_id,
                                    Call call) override;
  Task<Result<void>> Sweep(Env& env) override;

 private:
  class PutUpload;
  class PartUpload;
  using Staged = file_origin::Staged;

  explicit FileOrigin(file_origin::Root root);
  Result<void> Check(Env& env, std::string_view key, const Condition& condition,
                     const Call& call) const;
  /// kVersionChanged or kAlreadyExists; decided under the key's lock.
  Task<Result<void>> CheckCondition(Env& env, std::string key, Condition condition);
  /// Gives a staged file its name, durably.
  Task<Result<ObjectInfo>> Publish(Env& env, Staged& staged, std::string key, Condition condition,
                                   Call call);
  Task<Result<void>> Rename(Env& env, std::string from, std::string key, bool exclusive);
  /// Makes the directories above `key`, durably.
  Task<Result<void>> MakeParents(Env& env, std::string key);
  void ForgetParents(std::string_view key);

  /// The key of the upload in this directory; kNotFound where there is none.
  Task<Result<std::string>> KeyOfUpload(Env& env, std::string directory);
  /// The directory of a multipart upload of `key`; kNotFound where there is none.
  Task<Result<std::string>> FindUpload(Env& env, std::string key, std::string upload_id);
  /// The same, and nobody else ends the upload while `lock` lives: not even through another node.
  Task<Result<std::string>> HoldUpload(Env& env, std::string key, std::string upload_id,
                                       std::shared_ptr<File>* lock, Call call);
  /// A file of an upload's directory beside its parts.
  Task<Result<void>> StageUploadFile(Env& env, std::string text, std::string directory,
                                     std::string name);
  Task<Result<ObjectAttributes>> UploadAttributes(Env& env, std::string directory);
  Task<Result<void>> AppendPart(Env& env, std::string path, UploadedPart part, Staged& to,
                                Call call);
  Task<Result<void>> Concatenate(Env& env, std::string directory, std::vector<UploadedPart> parts,
                                 Staged& to, Call call);

  const file_origin::Root root_;
  file_origin::KeyLocks locks_;
  file_origin::Staging staging_;
  file_origin::SliceCache slices_;
  std::mutex mutex_;
  /// Directories, by key, that are known to be durable. A cache: forgetting costs a few syncs.
  std::set<std::string, std::less<>> durable_;  // guarded by mutex_
};

}  // namespace forebay
