// What S3 says when a request fails: a code with its status, a message, and what goes with it.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/result.h"

namespace forebay::s3door {

struct ErrorKind {
  std::string_view code;
  int status = 500;
  std::string_view message;
};

/// Of the codes that S3 documents, those that are given here.
namespace kinds {
inline constexpr ErrorKind kAccessDenied{"AccessDenied", 403, "Access Denied"};
inline constexpr ErrorKind kAuthorizationHeaderMalformed{
    "AuthorizationHeaderMalformed", 400,
    "The authorization header that you provided is not valid."};
inline constexpr ErrorKind kAuthorizationQueryParametersError{
    "AuthorizationQueryParametersError", 400, "The authorization query parameters are not valid."};
inline constexpr ErrorKind kBadDigest{
    "BadDigest", 400,
    "The Content-MD5 or checksum value that you specified did not match what the server received."};
inline constexpr ErrorKind kBucketAlreadyExists{
    "BucketAlreadyExists", 409,
    "The requested bucket name is not available. Select a different name and try again."};
inline constexpr ErrorKind kBucketAlreadyOwnedByYou{
    "BucketAlreadyOwnedByYou", 409, "The bucket that you tried to create already exists."};
inline constexpr ErrorKind kBucketNotEmpty{"BucketNotEmpty", 409,
                                           "The bucket that you tried to delete is not empty."};
inline constexpr ErrorKind kEntityTooLarge{
    "EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed object size."};
inline constexpr ErrorKind kEntityTooSmall{
    "EntityTooSmall", 400,
    "Your proposed upload is smaller than the minimum allowed size of a part."};
inline constexpr ErrorKind kIncompleteBody{
    "IncompleteBody", 400,
    "You did not provide the number of bytes specified by the Content-Length HTTP header."};
inline constexpr ErrorKind kInternalError{"InternalError", 500,
                                          "We encountered an internal error. Please try again."};
inline constexpr ErrorKind kInvalidAccessKeyId{
    "InvalidAccessKeyId", 403,
    "The access key ID that you provided does not exist in our records."};
inline constexpr ErrorKind kInvalidArgument{"InvalidArgument", 400, "Invalid Argument"};
inline constexpr ErrorKind kInvalidBucketName{"InvalidBucketName", 400,
                                              "The specified bucket is not valid."};
inline constexpr ErrorKind kInvalidDigest{"InvalidDigest", 400,
                                          "The Content-MD5 that you specified is not valid."};
inline constexpr ErrorKind kInvalidPart{
    "InvalidPart", 400,
    "One or more of the specified parts could not be found. The part may not have been uploaded, "
    "or the specified entity tag may not match the part's entity tag."};
inline constexpr ErrorKind kInvalidPartNumber{"InvalidPartNumber", 416,
                                              "The requested partnumber is not satisfiable"};
inline constexpr ErrorKind kInvalidPartOrder{
    "InvalidPartOrder", 400,
    "The list of parts was not in ascending order. The parts list must be specified in order by "
    "part number."};
inline constexpr ErrorKind kInvalidRange{"InvalidRange", 416,
                                         "The requested range is not satisfiable"};
inline constexpr ErrorKind kInvalidRequest{"InvalidRequest", 400, "Invalid Request"};
inline constexpr ErrorKind kInvalidUri{"InvalidURI", 400, "The specified URI couldn't be parsed."};
inline constexpr ErrorKind kKeyTooLong{"KeyTooLongError", 400, "Your key is too long."};
inline constexpr ErrorKind kMalformedTrailer{
    "MalformedTrailerError", 400,
    "The request contained trailing data that was not well-formed or did not conform to our "
    "published schema."};
inline constexpr ErrorKind kMalformedXml{
    "MalformedXML", 400,
    "The XML you provided was not well-formed or did not validate against our published schema."};
inline constexpr ErrorKind kMaxMessageLengthExceeded{"MaxMessageLengthExceeded", 400,
                                                     "Your request was too large."};
inline constexpr ErrorKind kMethodNotAllowed{
    "MethodNotAllowed", 405, "The specified method is not allowed against this resource."};
inline constexpr ErrorKind kMissingContentLength{
    "MissingContentLength", 411, "You must provide the Content-Length HTTP header."};
inline constexpr ErrorKind kNoSuchBucket{"NoSuchBucket", 404,
                                         "The specified bucket does not exist"};
inline constexpr ErrorKind kNoSuchKey{"NoSuchKey", 404, "The specified key does not exist."};
inline constexpr ErrorKind kNoSuchUpload{
    "NoSuchUpload", 404,
    "The specified multipart upload does not exist. The upload ID might be invalid, or the "
    "multipart upload might have been aborted or completed."};
inline constexpr ErrorKind kNoSuchVersion{"NoSuchVersion", 404,
                                          "The specified version does not exist."};
inline constexpr ErrorKind kNotImplemented{
    "NotImplemented", 501,
    "A header or query you provided implies functionality that is not implemented."};
inline constexpr ErrorKind kPreconditionFailed{
    "PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold"};
inline constexpr ErrorKind kRequestExpired{"AccessDenied", 403, "Request has expired"};
inline constexpr ErrorKind kRequestTimeTooSkewed{
    "RequestTimeTooSkewed", 403,
    "The difference between the request time and the server's time is too large."};
inline constexpr ErrorKind kServiceUnavailable{"ServiceUnavailable", 503,
                                               "Please reduce your request rate."};
inline constexpr ErrorKind kSignatureDoesNotMatch{
    "SignatureDoesNotMatch", 403,
    "The request signature we calculated does not match the signature you provided. Check your "
    "key and signing method."};
inline constexpr ErrorKind kSlowDown{"SlowDown", 503, "Please reduce your request rate."};
inline constexpr ErrorKind kUnexpectedContent{"UnexpectedContent", 400,
                                              "This request does not support content"};
inline constexpr ErrorKind kContentSha256Mismatch{
    "XAmzContentSHA256Mismatch", 400,
    "The provided 'x-amz-content-sha256' header does not match what was computed."};
}  // namespace kinds

struct S3Error {
  ErrorKind kind;
  std::string message;                                       // "": the kind's own
  std::vector<std::pair<std::string, std::string>> details;  // further elements of the body

  // NOLINTNEXTLINE(google-explicit-constructor): a kind alone says enough of most errors
  S3Error(const ErrorKind& what, std::string why = {}) : kind(what), message(std::move(why)) {}
  /// What an error of the node is to a client of S3, where nothing more is known about it.
  S3Error(const Error& error);  // NOLINT(google-explicit-constructor): it is one, in other words

  S3Error& With(std::string name, std::string value) {
    details.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  std::string_view text() const { return message.empty() ? kind.message : message; }
};

template <class T>
using Outcome = std::expected<T, S3Error>;

inline std::unexpected<S3Error> Refuse(const ErrorKind& kind, std::string why = {}) {
  return std::unexpected(S3Error(kind, std::move(why)));
}

/// As S3Error(error), but what is not there is `missing`.
S3Error ErrorAbout(const Error& error, const ErrorKind& missing);

std::string ErrorXml(const S3Error& error, std::string_view resource, std::string_view request_id);

}  // namespace forebay::s3door
