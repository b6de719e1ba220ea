// The store of record behind an attachment. Drivers are thin: what all stores that speak HTTP need
// (turns, retries, hedges) stands in http/, so that every driver gets the same.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/result.h"
#include "src/runtime/env.h"

namespace forebay {

/// One state of one object, as the origin names it.
struct ObjectInfo {
  std::string etag;  // equal etags of one key mean equal bytes
  uint64_t size = 0;
  int64_t modified_ns = 0;  // since 1970
};

/// What a writer says of an object beside its bytes, as headers of HTTP have it, in lower case:
/// "content-type", "x-amz-meta-color".
using ObjectAttributes = std::vector<std::pair<std::string, std::string>>;
/// Among them, and never told as one of them: the MD5 of the object, in hex, where the origin has
/// no name of its own for it.
inline constexpr std::string_view kMd5Attribute = "forebay-md5";

struct OriginCapabilities {
  /// A Head costs no round trip worth sparing; otherwise the first Get of an object tells its size
  /// and etag, and no Head comes before it.
  bool cheap_head = false;
  /// It tries again by itself, and takes its time for that: nobody above does.
  bool retries = false;
  bool conditional_put = true;
  bool multipart = true;
  bool attributes = false;  // keeps ObjectAttributes
  /// Describe may come, and come again, until Commit: of what is known only once all was written.
  bool late_attributes = false;
  /// Of what was put with kMd5Attribute, the etag ends with "/" and it.
  bool md5_in_etag = false;
  uint64_t max_key_bytes = 1024;
  uint64_t min_part_bytes = 0;  // of multipart, the last one excepted
  uint64_t max_parts = 10'000;
};

/// The bytes of a ranged read, as they come. Used from its own loop; dropping it gives the rest up.
class OriginBody {
 public:
  virtual ~OriginBody() = default;
  /// Of the whole object; known before the first byte.
  virtual const ObjectInfo& info() const = 0;
  /// How many bytes Read will give in all: the range that was asked for, cut at the object's end.
  virtual uint64_t size() const = 0;
  /// At least one byte unless the range has ended (0) or `into` is empty. kVersionChanged where the
  /// object changed while it was read: what was given before must not be used either, unless it was
  /// verified by other means. A body that ends early is kUnavailable, never a short one.
  virtual Task<Result<size_t>> Read(MutableBytes into, Call call) = 0;
  /// Of the pages that the last Read gave, as the store keeps them (base/checksum.h), where the
  /// bytes came with them and were checked. Empty: they are to be computed.
  virtual std::span<const uint32_t> crcs() const { return {}; }
  /// The store told a checksum of it, so the Read that gives the last byte fails with kCorrupt
  /// where others came: nothing of it is to be used before.
  virtual bool judged_at_end() const { return false; }
};

struct GetOptions {
  uint64_t offset = 0;
  uint64_t size = UINT64_MAX;  // cut at the object's end; an offset past it gives an empty body
  /// kVersionChanged where the object has another etag (or is gone while this is set).
  std::string if_match;
  /// Whoever asks needs all of it before he uses any: a store that tells checksums of ranges is
  /// asked for one.
  bool judged = false;
};

/// What must hold for a write or a removal to happen. kAlreadyExists or kVersionChanged where it
/// does not.
struct Condition {
  bool if_absent = false;
  std::string if_match;
};

struct ListOptions {
  std::string prefix;
  std::string delimiter;  // "" or "/"
  std::string after;      // names after this one, byte-wise
  uint32_t limit = 1000;
};

struct ListEntry {
  std::string key;
  ObjectInfo info;
  bool is_prefix = false;  // a common prefix, ending with the delimiter; info is empty
};

struct ListPage {
  std::vector<ListEntry> entries;  // in byte order of their keys
  bool more = false;               // the next page begins after entries.back().key
};

/// An object on its way in: invisible until Commit, gone without a trace if it is dropped before.
class OriginUpload {
 public:
  virtual ~OriginUpload() = default;
  /// Before the first Write, unless capabilities().late_attributes; what was said before is
  /// replaced. kUnsupported where the origin does not keep attributes.
  virtual Task<Result<void>> Describe(ObjectAttributes attributes, Call call);
  /// `parts` must live until the task is done.
  virtual Task<Result<void>> Write(std::span<const Bytes> parts, Call call) = 0;
  /// Durable at the origin, whole and under its name, when it returns. The condition is decided
  /// here.
  virtual Task<Result<ObjectInfo>> Commit(Call call) = 0;
  /// To be awaited before dropping an upload that was not committed.
  virtual Task<void> Abort() = 0;
};

inline Task<Result<void>> OriginUpload::Describe(ObjectAttributes attributes, Call) {
  if (attributes.empty()) co_return Result<void>();
  co_return Fail(Code::kUnsupported, "this origin keeps no attributes of objects");
}

struct UploadedPart {
  uint32_t number = 0;  // 1..max_parts
  std::string etag;
  uint64_t size = 0;
  int64_t modified_ns = 0;  // since 1970; only ListParts tells it
};

/// An upload in parts that was begun and is neither complete nor aborted.
struct PendingUpload {
  std::string key;
  std::string id;
  int64_t begun_ns = 0;  // since 1970
};

/// Where a range can be read without the origin's front end, for stores that let readers do that.
struct DirectSource {
  std::string url;
  std::string token;
  int64_t expires_ns = 0;  // wall clock
};

/// Any loop may use it with its own Env. Keys are relative to the origin's prefix, non-empty, and
/// were checked by the node (no "..", NUL, leading or doubled slash).
/// Errors: kNotFound, kVersionChanged, kAlreadyExists, kPermissionDenied and kInvalidArgument are
/// final; kUnavailable and kOverloaded (it asked to slow down) may be tried again.
class Origin {
 public:
  virtual ~Origin() = default;

  /// "file:///data", without credentials: for people.
  virtual const std::string& url() const = 0;
  virtual const OriginCapabilities& capabilities() const = 0;
  /// For people, known after the first request: "the environment (AWS_ACCESS_KEY_ID)". Never a
  /// secret; "" where none is needed.
  virtual std::string credentials() const { return ""; }

  virtual Task<Result<ObjectInfo>> Head(Env& env, std::string key, Call call) = 0;
  virtual Task<Result<std::unique_ptr<OriginBody>>> Get(Env& env, std::string key,
                                                        GetOptions options, Call call) = 0;
  virtual Task<Result<ListPage>> List(Env& env, ListOptions options, Call call) = 0;

  virtual Task<Result<std::unique_ptr<OriginUpload>>> Put(Env& env, std::string key,
                                                          Condition condition, Call call) = 0;
  /// kNotFound where there was nothing; a removal that was asked for twice is the caller's
  /// business.
  virtual Task<Result<void>> Delete(Env& env, std::string key, Condition condition, Call call) = 0;

  /// An upload in parts, by id: parts in any order and from any process, a part again replaces it.
  virtual Task<Result<std::string>> CreateMultipart(Env& env, std::string key, Call call) = 0;
  /// The same, of an object that is to have attributes: kUnsupported by default.
  virtual Task<Result<std::string>> CreateDescribed(Env& env, std::string key,
                                                    ObjectAttributes attributes, Call call);
  virtual Task<Result<std::unique_ptr<OriginUpload>>> PutPart(Env& env, std::string key,
                                                              std::string upload_id,
                                                              uint32_t number, Call call) = 0;
  virtual Task<Result<std::vector<UploadedPart>>> ListParts(Env& env, std::string key,
                                                            std::string upload_id, Call call) = 0;
  /// `parts` in ascending order; kInvalidArgument names the one that is missing or differs.
  virtual Task<Result<ObjectInfo>> CompleteMultipart(Env& env, std::string key,
                                                     std::string upload_id,
                                                     std::vector<UploadedPart> parts,
                                                     Condition condition, Call call) = 0;
  virtual Task<Result<void>> AbortMultipart(Env& env, std::string key, std::string upload_id,
                                            Call call) = 0;

  /// Of keys that begin with `prefix`, in no order. kUnsupported, which is the default, where the
  /// origin does not tell.
  virtual Task<Result<std::vector<PendingUpload>>> ListUploads(Env& env, std::string prefix,
                                                               Call call);

  /// What was said of this state of the object; none by default. kVersionChanged where it has
  /// another etag.
  virtual Task<Result<ObjectAttributes>> Attributes(Env& env, std::string key, std::string etag,
                                                    Call call);

  /// nullopt, which is the default: read through Get.
  virtual Task<Result<std::optional<DirectSource>>> Locate(Env& env, std::string key,
                                                           uint64_t offset, uint64_t size,
                                                           Call call);

  /// Removes what uploads that died left behind. Called when an attachment is opened by its node.
  virtual Task<Result<void>> Sweep(Env& env) = 0;
};

}  // namespace forebay
