// One request on its way to its answer, and what all operations share. The door's own files only.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "src/front/s3/attribute_cache.h"
#include "src/front/s3/conditions.h"
#include "src/front/s3/door.h"
#include "src/front/s3/operations.h"
#include "src/front/s3/payload.h"
#include "src/front/s3/request.h"
#include "src/front/s3/signing_keys.h"
#include "src/front/s3/upload_ids.h"
#include "src/front/s3/xml_writer.h"
#include "src/node/node_access.h"
#include "src/runtime/cancel_across.h"

namespace forebay::s3door {

/// An answer that fits into memory. What sent its answer itself says so.
struct Reply {
  int status = 200;
  std::string content_type = "application/xml";
  std::vector<http::Header> headers;
  std::string lines;  // as in http::ResponseHead
  std::string body;
  std::optional<uint64_t> length;  // of what a HEAD is told, where there is no body here
  bool sent = false;

  static Reply Sent() { return {.sent = true}; }
  static Reply Xml(std::string body) { return {.body = std::move(body)}; }
  static Reply Empty(int status = 200) { return {.status = status, .content_type = ""}; }
};

using Answer = Outcome<Reply>;

inline constexpr uint64_t kAttributeCacheBytes = 32ull << 20;
inline constexpr Duration kCallTime = std::chrono::minutes(2);  // of one step of an operation
inline constexpr size_t kMostSigningKeys = 1024;

/// What the loops of one door share. Any thread.
struct S3Door::Shared {
  Node& node;
  Executor& node_loop;
  const S3DoorOptions options;
  const UploadIds upload_ids{options.upload_secret};
  AttributeCache attributes{kAttributeCacheBytes};
  /// Of answers on their way. One for all loops: beside what a request costs it is little.
  std::atomic<uint64_t> pinned_bytes{0};
};

/// What the requests of one loop share.
struct S3Door::Parts {
  Parts(Env& e, Shared& s)
      : env(e), shared(s), options(s.options), node(s.node, s.node_loop, e.executor) {}

  Env& env;
  Shared& shared;
  const S3DoorOptions& options;
  NodeAccess node;
  int64_t date_s = -1;
  std::string date;  // of that second, as headers have it
  SigningKeys signing_keys{kMostSigningKeys};
};

/// Lives in the frame of Serve; every operation is a function of it.
struct Exchange {
  S3Door::Parts& door;
  http::HttpConnection& connection;
  CancelToken cancel;  // of the connection's loop
  std::string id;      // x-amz-request-id: the end of `trace`
  Hash128 trace = {};
  Request request = {};
  Operation operation = {};
  std::optional<Authenticated> who = std::nullopt;
  bool anonymous = false;    // where others are not
  std::string payload = {};  // what the signature says of the body
  std::optional<ChunkSigning> signing = std::nullopt;
  std::optional<CancelAcross> cancel_there = std::nullopt;  // to the node's loop; once it is needed

  Env& env() const { return door.env; }
  NodeAccess& node() const { return door.node; }
  /// For one task of the node, and for nothing here: its token is of the node's loop.
  Call call() { return call(kCallTime); }
  Call call(Duration time);
  http::ResponseHead HeadOf(Reply reply) const;
};

/// Names each object once, whatever its origin calls its states: an MD5 (of S3, or behind a '/')
/// stays as it is; anything else becomes 32 digits and "-1", which clients know not to compare with
/// an MD5.
std::string ShownEtag(std::string_view origin_etag);
/// That, where it was kept.
std::string EtagOf(const ObjectInfo& info, const ObjectAttributes& attributes);
/// Its checksum, where one was kept with its MD5: null where not.
const ObjectAttributes::value_type* ChecksumOf(const Described& described);
void WriteChecksum(XmlWriter& xml, Algorithm algorithm, std::string_view value);
/// "2026-11-21T08:49:37.123Z"
std::string IsoDate(int64_t wall_ns);

void WriteOwner(XmlWriter& xml, std::string_view element = "Owner");
/// kAccessDenied where the request names an owner of its bucket, or of what it copies, that is
/// none.
Outcome<void> CheckOwner(const Request& request);

/// kNoSuchBucket, where there is none of that name; kAccessDenied where nothing of it is for them.
Outcome<std::shared_ptr<const Attachment>> BucketOf(const Exchange& x, Rights needed);
/// An error of an operation on the request's key: what is missing may be the bucket.
S3Error ObjectError(const Exchange& x, const Error& error);

/// `afresh`: whatever is known of the name, the origin is asked what it means now.
Task<Result<std::shared_ptr<Handle>>> OpenObject(Exchange& x, std::string path, bool afresh);
/// Tries with what is known of an object, and again with what its origin says now, where `attempt`
/// says nullopt: the object has changed meanwhile.
using Attempt = Task<Outcome<std::optional<Reply>>> (*)(Exchange& x, bool afresh);
Task<Answer> UntilItStays(Exchange& x, Attempt attempt);
Task<Result<AttributeCache::Value>> DescriptionOf(Exchange& x, std::shared_ptr<Handle> handle);
Task<Result<std::string>> EtagOf(Exchange& x, std::shared_ptr<Handle> handle);
Task<Result<ReadResult>> ReadObject(Exchange& x, std::shared_ptr<Handle> handle, uint64_t offset,
                                    uint64_t size);

// -- Operations: bucket_root.cc, buckets.cc, lists.cc, reads.cc.

Task<Answer> ListBuckets(Exchange& x);
Task<Answer> HeadBucket(Exchange& x);
Task<Answer> GetBucketLocation(Exchange& x);
Task<Answer> GetBucketSetting(Exchange& x);
Task<Answer> GetAcl(Exchange& x);
Task<Answer> GetObjectTagging(Exchange& x);
Task<Answer> ListObjects(Exchange& x);
Task<Answer> ListObjectsV2(Exchange& x);
Task<Answer> ListObjectVersions(Exchange& x);
Task<Answer> GetObject(Exchange& x);
Task<Answer> GetObjectAttributes(Exchange& x);

Task<Answer> CreateBucket(Exchange& x);
Task<Answer> DeleteBucket(Exchange& x);

// -- writes.cc, copies.cc, deletes.cc, multipart.cc.

Task<Answer> PutObject(Exchange& x);
Task<Answer> CopyObject(Exchange& x);
Task<Answer> DeleteObject(Exchange& x);
Task<Answer> DeleteObjects(Exchange& x);
Task<Answer> CreateMultipartUpload(Exchange& x);
Task<Answer> UploadPart(Exchange& x);
Task<Answer> UploadPartCopy(Exchange& x);
Task<Answer> CompleteMultipartUpload(Exchange& x);
Task<Answer> AbortMultipartUpload(Exchange& x);
Task<Answer> ListParts(Exchange& x);
Task<Answer> ListMultipartUploads(Exchange& x);

}  // namespace forebay::s3door
