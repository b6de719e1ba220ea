// What all operations share that write objects or parts of them.
#pragma once

#include <memory>
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

/// Where the request's key ends with a slash: whether the origin can hold such a one.
Outcome<void> CheckFolderKey(const Exchange& x);

/// If-Match and If-None-Match of a write to the request's key.
Task<Outcome<Condition>> WriteCondition(Exchange& x);

/// The body of the request; kMissingContentLength and its like.
Outcome<std::unique_ptr<Payload>> OpenPayload(Exchange& x);
/// All of the body into the upload, and commits it. An upload that fails is aborted.
Task<Outcome<ObjectInfo>> Receive(Exchange& x, Payload& payload, OriginUpload& upload);

/// The checksum that was asked for and holds.
void AddChecksum(const Payload& payload, Reply& reply);

/// An object, or a range of it, that a copy reads.
struct Source {
  std::shared_ptr<Handle> handle;
  Span span;
};
/// Opens what x-amz-copy-source names, under its conditions.
Task<Outcome<Source>> OpenSource(Exchange& x);
Task<Outcome<ObjectInfo>> Copy(Exchange& x, Source source, OriginUpload& upload);

}  // namespace forebay::s3door
