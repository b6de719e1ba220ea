// The requests of one bucket, each as one call. Keys are relative to the origin's prefix.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/origin/http/driver_parts.h"
#include "src/origin/http/fetcher.h"
#include "src/origin/s3/address.h"
#include "src/origin/s3/signer.h"

namespace forebay::s3 {

inline constexpr uint32_t kMaxParts = 10'000;
inline constexpr uint64_t kMinPartBytes = 5 << 20;  // but for the last

/// Memory of the caller, and its hash (BodyHash).
struct HashedBody {
  Bytes bytes;
  std::string sha256;
};

/// What a writer leaves with an object, so that it knows its own write again when the answer was
/// lost: conditions fail against one's own object, too. Half of it is chance, half is the key's.
std::string NewMark(Env& env, std::string_view key);
/// The etag that S3 gives what it makes of these parts, in their order; "" where theirs are not
/// plain ones, as of what is encrypted with keys of its own.
std::string EtagOfParts(const std::vector<UploadedPart>& parts);

/// Used from one loop, which it must outlive.
class Bucket {
 public:
  Bucket(Address address, std::shared_ptr<S3Signer> signer, const http_origin::DriverParts& parts);

  const Address& address() const { return address_; }
  http_origin::Fetcher& fetcher() { return fetcher_; }
  const http_origin::Fetcher& fetcher() const { return fetcher_; }
  http_origin::FetchRequest Request(std::string method, std::string_view key,
                                    std::string_view query = {}) const;

  struct Found {
    ObjectInfo info;
    std::string mark;
    ObjectAttributes attributes;
  };
  Task<Result<Found>> Head(Env& env, std::string key, Call call);
  Task<Result<std::string>> List(Env& env, std::string query, Call call);
  /// kAlreadyExists or kVersionChanged where the condition does not hold.
  Task<Result<ObjectInfo>> Put(Env& env, std::string key, HashedBody body,
                               ObjectAttributes attributes, Condition condition, Call call);
  /// kNotFound where there is nothing. The condition is the store's to decide, where it can.
  Task<Result<void>> Delete(Env& env, std::string key, std::string if_match, Call call);

  Task<Result<std::string>> CreateUpload(Env& env, std::string key, std::string mark,
                                         ObjectAttributes attributes, Call call);
  Task<Result<std::string>> PutPart(Env& env, std::string key, std::string upload, uint32_t number,
                                    HashedBody body, Call call);
  Task<Result<std::vector<UploadedPart>>> Parts(Env& env, std::string key, std::string upload,
                                                Call call);
  /// All that are pending below the prefix.
  Task<Result<std::vector<PendingUpload>>> Uploads(Env& env, std::string prefix, Call call);
  struct Completion {
    std::string key;
    std::string upload;
    std::string mark;  // "": it left none, and is known by the etag of its parts
    std::vector<UploadedPart> parts;
    Condition condition;
  };
  Task<Result<ObjectInfo>> Complete(Env& env, Completion completion, Call call);
  Task<Result<void>> Abort(Env& env, std::string key, std::string upload, Call call);

 private:
  using Whole = http_origin::Fetcher::Whole;
  Task<Result<Whole>> CompleteOnce(Env& env, const Completion& completion,
                                   http_origin::FetchRequest request, Call call);
  Task<bool> IsOver(Env& env, const Completion& completion, Code refusal, Call call);
  /// Whether a write that seems to have failed under its condition was ours after all.
  Task<Result<ObjectInfo>> AfterRefusal(Env& env, std::string key, std::string mark,
                                        Condition condition, Error refusal, Call call);
  Task<Result<void>> IsThere(Env& env, Call call);
  std::unexpected<Error> StrippedOf(std::string_view what) const;
  http_origin::Refusal Explained(int status, const HttpResponse& response,
                                 std::string_view body) const;

  const Address address_;
  const std::shared_ptr<S3Signer> signer_;
  const std::shared_ptr<http_origin::Lane> lane_;
  http_origin::Fetcher fetcher_;
  Instant bucket_seen_until_;  // that it is there is believed until then
};

}  // namespace forebay::s3
