// Whatever Authorization and query say: a claim is read whole or refused, and what it is checked
// against contains all that it says is signed.
#include <cstddef>
#include <cstdint>
#include <string>

#include "src/base/assert.h"
#include "src/front/s3/claim.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace forebay;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t line = std::min(text.find('\n'), text.size());
  http::RequestHead head{.method = "GET", .target = "/box/key"};
  head.headers = {{"Host", "h"}, {"x-amz-date", "20130524T000000Z"}};
  if (text.starts_with('?')) {
    head.target += text.substr(0, line);
  } else {
    head.headers.push_back({"Authorization", std::string(text.substr(0, line))});
  }
  const auto request = s3door::ParseRequest(head, "");
  if (!request) return 0;
  const auto claim = s3door::ReadClaim(*request);
  if (!claim || !*claim) return 0;
  FB_ASSERT(!(*claim)->key_id.empty() && !(*claim)->signature.empty());
  FB_ASSERT(!(*claim)->signed_headers.empty() && (*claim)->moment.size() == 16);
  static_cast<void>(s3door::CheckClaim(**claim, "us-east-1", (*claim)->moment_ns));
  static_cast<void>(s3door::CheckCoverage(**claim, *request));
  for (const auto spelling : {s3door::Spelling::kOfS3, s3door::Spelling::kAsSent}) {
    const std::string canonical = s3door::CanonicalRequest(**claim, *request, spelling);
    FB_ASSERT(canonical.starts_with("GET\n/box/key\n"));
    for (const char* before : {"\nX-Amz-Signature=", "&X-Amz-Signature="}) {
      FB_ASSERT(canonical.find(before) == std::string::npos);
    }
  }
  return 0;
}
