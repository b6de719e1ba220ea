// What Blob says when it does not do what was asked: in the words of its code, with the likely fix.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "src/origin/azure/address.h"
#include "src/origin/azure/signer.h"
#include "src/origin/http/fetcher.h"

namespace forebay::azure {

/// What explanations name.
struct Asked {
  const Address& address;
  const AzureSigner& signer;
};

/// The parts of a failed answer that tell something.
struct Answer {
  int status = 0;
  std::string_view body;  // its beginning
  std::string_view code;  // x-ms-error-code
  std::string_view content_type;
  std::string_view date;
  std::string_view retry_after;  // in seconds
  std::string_view request_id;
};
Answer AnswerOf(int status, const HttpResponse& response, std::string_view body);

/// The code is the service's where it names one, and follows from the status otherwise.
http_origin::Refusal Explain(const Asked& asked, const Answer& answer);

/// Whether the service's own code, which explanations keep, is this one.
bool Says(const Error& error, std::string_view code);

}  // namespace forebay::azure
