#include "src/base/block_key.h"

#include <string>

namespace forebay {

VersionId MakeVersionId(AttachmentId attachment, std::string_view path, std::string_view etag) {
  // The lengths stand in the text so that no path and ETag can be cut in two ways.
  std::string text = std::to_string(path.size());
  text.append(1, ':').append(path).append(1, '@').append(etag);
  return {HashBytes(AsBytes(text), attachment)};
}

}  // namespace forebay
