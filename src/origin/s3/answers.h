// What S3 says when it does not do what was asked: in the words of its code, with the likely fix.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "src/origin/http/fetcher.h"
#include "src/origin/s3/signer.h"

namespace forebay::s3 {

/// What explanations name.
struct Place {
  std::string bucket;
  std::string endpoint;  // "https://s3.eu-central-1.amazonaws.com"
  std::shared_ptr<S3Signer> signer;
};

/// The parts of a failed answer that tell something.
struct Answer {
  int status = 0;
  std::string_view body;  // its beginning
  std::string_view content_type;
  std::string_view date;
  std::string_view region;  // x-amz-bucket-region
  std::string_view location;
  std::string_view retry_after;  // in seconds
  std::string_view request_id;
};
Answer AnswerOf(int status, const HttpResponse& response, std::string_view body);

/// The code is the service's where it names one, and follows from the status otherwise.
http_origin::Refusal Explain(const Place& place, const Answer& answer);

/// What that means, in words with the fix.
std::string NoSuchBucket(const Place& place);

/// "NoSuchKey", or "" where the body is no error of S3.
std::string ErrorCodeOf(std::string_view body);

}  // namespace forebay::s3
