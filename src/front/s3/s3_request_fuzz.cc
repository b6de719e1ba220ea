// Whatever a target says: it names a bucket and a key that a node may be asked for, or is refused.
#include <cstddef>
#include <cstdint>
#include <string>

#include "src/base/assert.h"
#include "src/front/s3/operations.h"
#include "src/node/attachment.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace forebay;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t line = std::min(text.find('\n'), text.size());
  const http::RequestHead head{
      .method = size % 2 == 0 ? "GET" : "PUT",
      .target = std::string(text.substr(0, line)),
      .headers = {{"Host", std::string(text.substr(std::min(line + 1, text.size())))}}};
  const auto request = s3door::ParseRequest(head, "s3.test");
  if (!request) return 0;
  FB_ASSERT(request->key.size() <= s3door::kMaxKeyBytes && IsUtf8(request->key));
  FB_ASSERT(request->bucket.find('/') == std::string::npos ||
            !s3door::IsBucketName(request->bucket));
  const std::string framed = "/" + request->key + "/";
  FB_ASSERT(framed.find("/../") == std::string::npos && framed.find("/./") == std::string::npos);
  static_cast<void>(s3door::OperationOf(*request));
  return 0;
}
