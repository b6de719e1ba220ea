// Whatever a client may send as a request: it reads the same, whether it comes in one piece or byte
// by byte, and no more of it is used than there is.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/assert.h"
#include "src/front/http/codec.h"

namespace {

using forebay::AsBytes;
using forebay::AsText;
using forebay::http::RequestHead;
using forebay::http::RequestReader;

constexpr size_t kMaxHeader = 2048;

struct Outcome {
  int status = 0;  // 0: more was needed
  std::string target;
  std::string body;
  size_t used = 0;
  bool operator==(const Outcome&) const = default;
};

/// Reads the first request of `text`, of which `step` bytes more are to be seen each time.
Outcome Read(std::string_view text, size_t step) {
  RequestReader reader(kMaxHeader);
  Outcome outcome;
  std::byte into[64];
  bool taken = false;
  for (size_t seen = 0; !reader.done();) {
    const std::string_view unread = text.substr(outcome.used, seen - outcome.used);
    size_t consumed = 0;
    size_t produced = 0;
    if (!unread.empty() && !reader.head_done()) {
      const auto used = reader.ReadHead(AsBytes(unread));
      if (!used) return outcome.status = used.error().status, outcome;
      consumed = *used;
    } else if (!unread.empty()) {
      const auto progress = reader.ReadBody(AsBytes(unread), into);
      if (!progress) return outcome.status = progress.error().status, outcome;
      consumed = progress->consumed;
      produced = progress->produced;
    }
    FB_ASSERT(consumed <= unread.size() && produced <= sizeof into);
    outcome.used += consumed;
    outcome.body += AsText(forebay::Bytes(into).first(produced));
    if (reader.head_done() && !taken) {
      outcome.target = reader.TakeHead().target;
      taken = true;
    }
    if (consumed > 0 || produced > 0) continue;
    if (seen == text.size()) return outcome;
    seen = std::min(text.size(), seen + step);
  }
  outcome.status = 200;
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Outcome whole = Read(text, text.size() + 1);
  const Outcome pieces = Read(text, 1);
  // Which of two faults was met first may differ, and how much was used of what is not whole.
  FB_ASSERT((whole.status == 200) == (pieces.status == 200));
  if (whole.status == 200) FB_ASSERT(whole == pieces);
  return 0;
}
