#include <cstddef>
#include <cstdint>

#include "src/base/assert.h"
#include "src/core/policy/trace.h"

namespace forebay {
namespace {

/// Whatever the text and wherever its pieces end, the result is the same, and errors have words.
void ParseInPieces(std::string_view text, size_t piece) {
  TraceParser whole("whole", BadLines::kSkip), parts("parts", BadLines::kSkip);
  FB_ASSERT(whole.Feed(text).has_value());
  for (size_t at = 0; at < text.size(); at += piece) {
    FB_ASSERT(parts.Feed(text.substr(at, piece)).has_value());
  }
  FB_ASSERT(whole.skipped() == parts.skipped());
  const auto a = whole.Finish(), b = parts.Finish();
  FB_ASSERT(a.has_value() == b.has_value());
  if (a) FB_ASSERT(a->size() == b->size() && a->footprint() == b->footprint());
  if (!a) FB_ASSERT(!a.error().message().empty());
}

}  // namespace
}  // namespace forebay

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  forebay::ParseInPieces(text.substr(1), 1 + data[0] % 64);
  forebay::TraceParser strict("strict", forebay::BadLines::kFail);
  if (const auto fed = strict.Feed(text.substr(1)); !fed) {
    FB_ASSERT(fed.error().message().starts_with("strict:"));
  }
  return 0;
}
