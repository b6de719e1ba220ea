#include "src/front/s3/operations.h"

#include <algorithm>

namespace forebay::s3door {
namespace {

enum class Level : unsigned char { kService, kBucket, kObject };

struct Rule {
  Level level;
  std::string_view method;
  std::string_view query;  // a name that must be in the query; "": none of those in kSubresources
  Operation operation;
};

using enum Level;

constexpr std::string_view kSubresources[] = {"accelerate",
                                              "acl",
                                              "analytics",
                                              "attributes",
                                              "cors",
                                              "delete",
                                              "encryption",
                                              "intelligent-tiering",
                                              "inventory",
                                              "legal-hold",
                                              "lifecycle",
                                              "location",
                                              "logging",
                                              "metadataTable",
                                              "metrics",
                                              "notification",
                                              "object-lock",
                                              "ownershipControls",
                                              "policy",
                                              "policyStatus",
                                              "publicAccessBlock",
                                              "renameObject",
                                              "replication",
                                              "requestPayment",
                                              "restore",
                                              "retention",
                                              "select",
                                              "session",
                                              "tagging",
                                              "torrent",
                                              "uploadId",
                                              "uploads",
                                              "versioning",
                                              "versions",
                                              "website"};

constexpr Rule kRules[] = {
    {kService, "GET", "", {Op::kListBuckets, "ListBuckets"}},

    {kBucket, "HEAD", "", {Op::kHeadBucket, "HeadBucket"}},
    {kBucket, "PUT", "", {Op::kCreateBucket, "CreateBucket"}},
    {kBucket, "DELETE", "", {Op::kDeleteBucket, "DeleteBucket"}},
    {kBucket, "GET", "", {Op::kListObjects, "ListObjects"}},
    {kBucket, "GET", "versions", {Op::kListObjectVersions, "ListObjectVersions"}},
    {kBucket, "GET", "uploads", {Op::kListMultipartUploads, "ListMultipartUploads"}},
    {kBucket, "POST", "delete", {Op::kDeleteObjects, "DeleteObjects"}},
    {kBucket, "GET", "location", {Op::kGetBucketLocation, "GetBucketLocation"}},
    {kBucket, "GET", "versioning", {Op::kGetBucketVersioning, "GetBucketVersioning"}},
    {kBucket, "GET", "acl", {Op::kGetBucketAcl, "GetBucketAcl"}},
    {kBucket, "GET", "requestPayment", {Op::kGetBucketRequestPayment, "GetBucketRequestPayment"}},
    {kBucket,
     "GET",
     "logging",
     {Op::kGetBucketEmptyConfiguration, "GetBucketLogging", "BucketLoggingStatus"}},
    {kBucket,
     "GET",
     "accelerate",
     {Op::kGetBucketEmptyConfiguration, "GetBucketAccelerateConfiguration",
      "AccelerateConfiguration"}},
    {kBucket,
     "GET",
     "notification",
     {Op::kGetBucketEmptyConfiguration, "GetBucketNotificationConfiguration",
      "NotificationConfiguration"}},
    {kBucket,
     "GET",
     "policy",
     {Op::kGetBucketNoConfiguration, "GetBucketPolicy", "NoSuchBucketPolicy"}},
    {kBucket,
     "GET",
     "policyStatus",
     {Op::kGetBucketNoConfiguration, "GetBucketPolicyStatus", "NoSuchBucketPolicy"}},
    {kBucket,
     "GET",
     "cors",
     {Op::kGetBucketNoConfiguration, "GetBucketCors", "NoSuchCORSConfiguration"}},
    {kBucket,
     "GET",
     "lifecycle",
     {Op::kGetBucketNoConfiguration, "GetBucketLifecycleConfiguration",
      "NoSuchLifecycleConfiguration"}},
    {kBucket,
     "GET",
     "tagging",
     {Op::kGetBucketNoConfiguration, "GetBucketTagging", "NoSuchTagSet"}},
    {kBucket,
     "GET",
     "encryption",
     {Op::kGetBucketNoConfiguration, "GetBucketEncryption",
      "ServerSideEncryptionConfigurationNotFoundError"}},
    {kBucket,
     "GET",
     "website",
     {Op::kGetBucketNoConfiguration, "GetBucketWebsite", "NoSuchWebsiteConfiguration"}},
    {kBucket,
     "GET",
     "object-lock",
     {Op::kGetBucketNoConfiguration, "GetObjectLockConfiguration",
      "ObjectLockConfigurationNotFoundError"}},
    {kBucket,
     "GET",
     "replication",
     {Op::kGetBucketNoConfiguration, "GetBucketReplication",
      "ReplicationConfigurationNotFoundError"}},
    {kBucket,
     "GET",
     "publicAccessBlock",
     {Op::kGetBucketNoConfiguration, "GetPublicAccessBlock",
      "NoSuchPublicAccessBlockConfiguration"}},
    {kBucket,
     "GET",
     "ownershipControls",
     {Op::kGetBucketNoConfiguration, "GetBucketOwnershipControls",
      "OwnershipControlsNotFoundError"}},
    {kBucket, "POST", "", {Op::kNotOffered, "PostObject (uploads by HTML forms)"}},

    {kObject, "GET", "", {Op::kGetObject, "GetObject"}},
    {kObject, "HEAD", "", {Op::kHeadObject, "HeadObject"}},
    {kObject, "GET", "attributes", {Op::kGetObjectAttributes, "GetObjectAttributes"}},
    {kObject, "GET", "acl", {Op::kGetObjectAcl, "GetObjectAcl"}},
    {kObject, "GET", "tagging", {Op::kGetObjectTagging, "GetObjectTagging"}},
    {kObject, "GET", "uploadId", {Op::kListParts, "ListParts"}},
    {kObject, "PUT", "", {Op::kPutObject, "PutObject"}},
    {kObject, "PUT", "uploadId", {Op::kUploadPart, "UploadPart"}},
    {kObject, "DELETE", "", {Op::kDeleteObject, "DeleteObject"}},
    {kObject, "DELETE", "uploadId", {Op::kAbortMultipartUpload, "AbortMultipartUpload"}},
    {kObject, "POST", "uploads", {Op::kCreateMultipartUpload, "CreateMultipartUpload"}},
    {kObject, "POST", "uploadId", {Op::kCompleteMultipartUpload, "CompleteMultipartUpload"}},
};

/// The name of what S3 has and we do not, of its parts: there are too many of them for a list.
Operation NotOffered(std::string_view subresource) {
  return {Op::kNotOffered, subresource};
}

bool IsCopy(const Request& request) {
  return !request.Header("x-amz-copy-source").empty();
}

Operation Refined(const Request& request, Operation found) {
  if (found.op == Op::kListObjects && request.QueryOr("list-type", "") == "2") {
    return {Op::kListObjectsV2, "ListObjectsV2"};
  }
  if (found.op == Op::kPutObject && IsCopy(request)) return {Op::kCopyObject, "CopyObject"};
  if (found.op == Op::kUploadPart && IsCopy(request)) {
    return {Op::kUploadPartCopy, "UploadPartCopy"};
  }
  return found;
}

}  // namespace

std::span<const std::string_view> Subresources() {
  return kSubresources;
}

Outcome<Operation> OperationOf(const Request& request) {
  const Level level = request.bucket.empty() ? kService : request.key.empty() ? kBucket : kObject;
  std::string_view subresource;
  // What signs a query is most of it, and none of these.
  const auto may_be = [](const QueryItem& item) { return !item.name.starts_with("X-Amz-"); };
  if (std::ranges::any_of(request.query, may_be)) {
    for (const std::string_view name : kSubresources) {
      if (subresource.empty() && request.Has(name)) subresource = name;
    }
  }
  // Presigned requests of uploads in parts name both.
  if (request.Has("uploadId")) subresource = "uploadId";
  for (const Rule& rule : kRules) {
    if (rule.level == level && rule.method == request.head->method && rule.query == subresource) {
      return Refined(request, rule.operation);
    }
  }
  constexpr std::string_view kMethods[] = {"GET", "HEAD", "PUT", "POST", "DELETE"};
  if (std::ranges::find(kMethods, request.head->method) == std::end(kMethods)) {
    return Refuse(kinds::kMethodNotAllowed);
  }
  if (!subresource.empty()) return NotOffered(subresource);
  return Refuse(kinds::kMethodNotAllowed);
}

}  // namespace forebay::s3door
