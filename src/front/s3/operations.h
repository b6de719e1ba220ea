// Which operation of S3 a request asks for. Pure.
#pragma once

#include <span>
#include <string_view>

#include "src/front/s3/request.h"

namespace forebay::s3door {

enum class Op : unsigned char {
  // The service.
  kListBuckets,
  // Buckets.
  kHeadBucket,
  kCreateBucket,
  kDeleteBucket,
  kListObjects,
  kListObjectsV2,
  kListObjectVersions,
  kListMultipartUploads,
  kGetBucketLocation,
  kGetBucketVersioning,
  kGetBucketAcl,
  kGetBucketRequestPayment,
  kGetBucketEmptyConfiguration,  // one of those that a bucket has from the start, empty
  kGetBucketNoConfiguration,     // one of those that a bucket does not have from the start
  kDeleteObjects,
  // Objects.
  kGetObject,
  kHeadObject,
  kGetObjectAttributes,
  kGetObjectAcl,
  kGetObjectTagging,
  kPutObject,
  kCopyObject,
  kDeleteObject,
  kCreateMultipartUpload,
  kUploadPart,
  kUploadPartCopy,
  kCompleteMultipartUpload,
  kAbortMultipartUpload,
  kListParts,
  // Of S3, and not offered here.
  kNotOffered,
};

struct Operation {
  Op op = Op::kNotOffered;
  std::string_view name;  // as S3 names it: "GetObject"
  /// Of kGetBucketEmptyConfiguration the element, of kGetBucketNoConfiguration the error's code.
  std::string_view detail = {};
};

/// Names in a query that stand for something else than the object or the bucket itself.
std::span<const std::string_view> Subresources();

/// kMethodNotAllowed where S3 has no such operation.
Outcome<Operation> OperationOf(const Request& request);

}  // namespace forebay::s3door
