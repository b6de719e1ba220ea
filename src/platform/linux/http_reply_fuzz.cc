// Whatever a server may send as an answer: it reads the same, whether it comes in one piece or byte
// by byte, and no more of it is used than there is.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/assert.h"
#include "src/platform/linux/http_reply.h"

namespace {

using forebay::AsBytes;
using forebay::AsText;
using forebay::platform::ReplyReader;

struct Outcome {
  bool good = true;  // as far as it came
  bool whole = false;
  int status = 0;
  std::string body;
  size_t used = 0;
  bool operator==(const Outcome&) const = default;
};

/// One step with what of `unread` may be seen; false where more is needed, or it is over.
bool Step(ReplyReader& reader, std::string_view unread, Outcome* outcome) {
  if (unread.empty()) return false;
  if (!reader.head_done()) {
    const auto used = reader.ReadHead(AsBytes(unread));
    if (!used) return outcome->good = false;
    FB_ASSERT(*used <= unread.size());
    outcome->used += *used;
    if (reader.head_done())
      outcome->status = reader.status() + static_cast<int>(reader.TakeHeaders().size());
    return *used > 0;
  }
  std::byte into[64];
  const auto progress = reader.ReadChunked(AsBytes(unread), into);
  if (!progress) return outcome->good = false;
  FB_ASSERT(progress->consumed <= unread.size() && progress->produced <= sizeof into);
  outcome->used += progress->consumed;
  outcome->body += AsText(forebay::Bytes(into).first(progress->produced));
  return progress->consumed > 0 || progress->produced > 0;
}

/// Reads an answer's head, and its body where that is chunked; `step` bytes more are seen each
/// time.
Outcome Read(std::string_view text, size_t step) {
  ReplyReader reader;
  Outcome outcome;
  const auto over = [&] {
    if (!reader.head_done()) return false;
    return reader.body() != ReplyReader::Body::kChunked || reader.chunked_done();
  };
  for (size_t seen = 0; outcome.good && !over();) {
    if (Step(reader, text.substr(outcome.used, seen - outcome.used), &outcome)) continue;
    if (seen == text.size()) return outcome;
    seen = std::min(text.size(), seen + step);
  }
  outcome.whole = outcome.good;
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Outcome whole = Read(text, text.size() + 1);
  const Outcome pieces = Read(text, 1);
  // Which of two faults was met first may differ, and how much was used of what is not whole.
  FB_ASSERT(whole.whole == pieces.whole);
  if (whole.whole) FB_ASSERT(whole == pieces);
  return 0;
}
