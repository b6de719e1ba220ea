// Whatever is framed: how the bytes are split changes nothing of what is told.
#include <cstddef>
#include <cstdint>
#include <string>

#include "src/base/assert.h"
#include "src/front/s3/aws_chunks.h"

namespace {

using forebay::AsBytes;
using forebay::AsText;
using forebay::Bytes;
using forebay::s3door::AwsChunks;

std::string Told(std::string_view body, AwsChunks::Trailers trailers, size_t step) {
  AwsChunks chunks(trailers);
  std::string told;
  for (size_t at = 0; at < body.size(); at += step) {
    Bytes input = AsBytes(body.substr(at, step));
    for (;;) {
      const size_t before = input.size();
      const auto event = chunks.Next(input);
      if (!event) return told + "!";
      FB_ASSERT(input.size() <= before);
      using Kind = AwsChunks::Event::Kind;
      if (event->kind == Kind::kChunk) told += "<" + event->signature + ":";
      if (event->kind == Kind::kData) told += AsText(event->data);
      if (event->kind == Kind::kTrailer) told += "{" + event->name + "=" + event->value + "}";
      if (event->kind == Kind::kEnd) return told + ".";
      if (event->kind == Kind::kNeedMore && input.empty()) break;
    }
  }
  return told;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto trailers = static_cast<AwsChunks::Trailers>(data[0] % 3);
  const size_t step = 1 + data[1] % 16;
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  FB_ASSERT(Told(body, trailers, step) == Told(body, trailers, body.size() + 1));
  return 0;
}
