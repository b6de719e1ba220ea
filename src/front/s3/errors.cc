#include "src/front/s3/errors.h"

#include "src/front/s3/xml_writer.h"

namespace forebay::s3door {
namespace {

const ErrorKind& KindOf(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return kinds::kInvalidArgument;
    case Code::kNotFound:
      return kinds::kNoSuchKey;
    case Code::kAlreadyExists:
    case Code::kVersionChanged:
      return kinds::kPreconditionFailed;
    case Code::kPermissionDenied:
    case Code::kUnauthenticated:
      return kinds::kAccessDenied;
    case Code::kOverloaded:
      return kinds::kSlowDown;
    case Code::kUnavailable:
    case Code::kDeadlineExceeded:
    case Code::kCancelled:
    case Code::kInUse:
      return kinds::kServiceUnavailable;
    case Code::kUnsupported:
      return kinds::kNotImplemented;
    case Code::kCorrupt:
    case Code::kIoError:
    case Code::kNoSpace:
    case Code::kInternal:
      break;
  }
  return kinds::kInternalError;
}

}  // namespace

S3Error::S3Error(const Error& error) : S3Error(KindOf(error.code()), error.message()) {}

S3Error ErrorAbout(const Error& error, const ErrorKind& missing) {
  if (error.code() == Code::kNotFound) return S3Error(missing);
  return S3Error(error);
}

std::string ErrorXml(const S3Error& error, std::string_view resource, std::string_view request_id) {
  XmlWriter xml;
  xml.Open("Error").Text("Code", error.kind.code).Text("Message", error.text());
  for (const auto& [name, value] : error.details) xml.Text(name, value);
  xml.Text("Resource", resource).Text("RequestId", request_id);
  return xml.Close("Error").Take();
}

}  // namespace forebay::s3door
