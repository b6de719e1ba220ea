// What all operations share that write objects or parts of them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "src/front/s3/exchange.h"

namespace forebay::s3door {

inline constexpr uint64_t kMaxPutBytes = 5ull << 30;  // of one request, and of one part

/// Headers of the request that are kept with the object.
ObjectAttributes AttributesOf(const Request& request);
/// Tells the upload, as far as its origin keeps them. What HTTP itself asks of a writer may be
/// lost; what its user said of the object may not.
Task<Outcome<void>> Describe(Exchange& x, OriginUpload& upload, ObjectAttributes attributes);
/// MetadataTooLarge.
Outcome<void> CheckAttributes(const ObjectAttributes& attributes);
bool HasUserMetadata(const ObjectAttributes& attributes);

/// If-Match and If-None-Match of a write to the request's key.
Task<Outcome<Condition>> WriteCondition(Exchange& x);

/// The body of the request; kMissingContentLength and its like.
Outcome<std::unique_ptr<Payload>> OpenPayload(Exchange& x);
/// The sum of an object that S3 calls a checksum, in base64.
struct NamedSum {
  Algorithm algorithm;
  std::string value;
};
/// What is said of an object that is being written.
struct Description {
  ObjectAttributes attributes;
  bool keep_sums = false;  // its origin has no MD5 of its own, and keeps ours
  std::string md5;         // in hex, once all was written; "" where it was not kept

  static Description Of(const Attachment& bucket, ObjectAttributes attributes) {
    return {.attributes = std::move(attributes),
            .keep_sums = bucket.origin->capabilities().late_attributes,
            .md5 = {}};
  }
  std::string etag(const ObjectInfo& info) const {
    return md5.empty() ? ShownEtag(info.etag) : md5;
  }
};
/// Says it anew, with the MD5, and the checksum where there is one.
Task<Outcome<void>> DescribeSums(Exchange& x, OriginUpload& upload, Description& description,
                                 std::string md5, const std::optional<NamedSum>& checksum);

/// All of the body into the upload, and commits it. An upload that fails is aborted. Null: it is a
/// part of an object.
Task<Outcome<ObjectInfo>> Receive(Exchange& x, Payload& payload, OriginUpload& upload,
                                  Description* description);
/// The checksum that was asked for and holds.
void AddChecksum(const Payload& payload, Reply& reply);

/// An object, or a range of it, that a copy reads.
struct Source {
  std::shared_ptr<Handle> handle;
  Span span;
};
/// Opens what x-amz-copy-source names, under its conditions. nullopt: not this state of it, but one
/// that its origin has to be asked for.
Task<Outcome<std::optional<Source>>> OpenSource(Exchange& x, bool afresh);
/// As Receive. `checksum`: the value is computed where the description keeps sums. nullopt: the
/// source is another by now.
Task<Outcome<std::optional<ObjectInfo>>> Copy(Exchange& x, Source source, OriginUpload& upload,
                                              Description* description,
                                              std::optional<NamedSum>* checksum);

}  // namespace forebay::s3door
