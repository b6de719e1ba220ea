#include "src/base/block_key.h"

#include <string>

namespace forebay {

VersionId MakeVersionId(AttachmentId attachment, std::string_view path, std::string_view etag,
                        uint64_t size) {
  // The path's length stands in the text so that it can be cut in one way only.
  std::string text = std::to_string(path.size());
  text.append(1, ':').append(path).append(1, '@').append(std::to_string(size));
  text.append(1, ':').append(etag);
  return {HashBytes(AsBytes(text), attachment)};
}

}  // namespace forebay
