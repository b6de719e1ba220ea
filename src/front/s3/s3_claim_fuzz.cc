// Whatever Authorization and query say: a claim is read whole or refused, and what it is checked
// against contains all that it says is signed.
#include <cstddef>
#include <cstdint>
#include <string>

#include "src/base/assert.h"
#include "src/front/s3/claim.h"
#include "src/front/s3/claim_v2.h"

namespace {

using namespace forebay;

void CheckV2(const s3door::Request& request) {
  const auto claim = s3door::ReadClaimV2(request);
  if (!claim || !*claim) return;
  FB_ASSERT(!(*claim)->key_id.empty() && !(*claim)->signature.empty());
  static_cast<void>(s3door::CheckClaimV2(**claim, (*claim)->moment_ns));
  const std::string text = s3door::TextToSignV2(**claim, request, s3door::Spelling::kAsSent);
  FB_ASSERT(text.starts_with("GET\n\n\n") && text.find("\n/box/key") != std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t line = std::min(text.find('\n'), text.size());
  http::RequestHead head{.method = "GET", .target = "/box/key"};
  head.headers = {{"Host", "h"}, {"Date", "Fri, 24 May 2013 00:00:00 GMT"}};
  if (text.starts_with('?')) {
    head.target += text.substr(0, line);
  } else {
    head.headers.push_back({"Authorization", std::string(text.substr(0, line))});
  }
  const auto request = s3door::ParseRequest(head, "");
  if (!request) return 0;
  CheckV2(*request);
  const auto claim = s3door::ReadClaim(*request);
  if (!claim || !*claim) return 0;
  FB_ASSERT(!(*claim)->key_id.empty() && !(*claim)->signature.empty());
  FB_ASSERT(!(*claim)->signed_headers.empty() && (*claim)->moment.size() == 16);
  static_cast<void>(s3door::CheckClaim(**claim, "us-east-1", (*claim)->moment_ns));
  static_cast<void>(s3door::CheckCoverage(**claim, *request));
  for (const auto spelling : {s3door::Spelling::kOfS3, s3door::Spelling::kAsSent}) {
    const std::string canonical = s3door::CanonicalRequest(**claim, *request, spelling);
    constexpr std::string_view kBeforeQuery = "GET\n/box/key\n";
    FB_ASSERT(canonical.starts_with(kBeforeQuery));
    const std::string query = "&" + canonical.substr(kBeforeQuery.size());
    const size_t signature = query.find("&X-Amz-Signature=");  // a signed header may hold it
    FB_ASSERT(signature > query.find('\n'));
  }
  return 0;
}
