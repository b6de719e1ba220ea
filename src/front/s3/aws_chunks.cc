#include "src/front/s3/aws_chunks.h"

#include <algorithm>
#include <charconv>

namespace forebay::s3door {
namespace {

constexpr size_t kMaxLineBytes = 1024;
constexpr size_t kMaxTrailerLines = 16;
/// Of one chunk: signatures would come too late to be of use otherwise.
constexpr uint64_t kMaxChunkBytes = uint64_t{5} << 30;

std::unexpected<S3Error> Malformed(std::string why) {
  return Refuse(kinds::kInvalidRequest, "aws-chunked: " + std::move(why));
}

std::string_view Trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

Outcome<AwsChunks::Event> AwsChunks::Header() {
  const std::string_view line = line_;
  const std::string_view digits = line.substr(0, line.find(';'));
  uint64_t size = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size() ||
      size > kMaxChunkBytes) {
    return Malformed("the size of a chunk is no hexadecimal number, or too large");
  }
  Event event{.kind = Event::Kind::kChunk, .size = size};
  constexpr std::string_view kSignature = ";chunk-signature=";
  if (const size_t at = line.find(kSignature); at != line.npos) {
    const std::string_view rest = line.substr(at + kSignature.size());
    event.signature = rest.substr(0, rest.find(';'));
  }
  left_ = size;
  state_ = size > 0                       ? State::kData
           : trailers_ != Trailers::kNone ? State::kTrailer
                                          : State::kAfterData;
  return event;
}

Outcome<AwsChunks::Event> AwsChunks::Trailer() {
  if (line_.empty()) {
    // Some clients have an empty line before the signature, too.
    if (trailers_ == Trailers::kSigned && !trailer_signed_) {
      if (++trailer_lines_ > kMaxTrailerLines) return Refuse(kinds::kMalformedTrailer);
      return Event{};
    }
    state_ = State::kEnd;
    return Event{.kind = Event::Kind::kEnd};
  }
  if (++trailer_lines_ > kMaxTrailerLines) return Refuse(kinds::kMalformedTrailer);
  const size_t colon = line_.find(':');
  if (colon == line_.npos) return Refuse(kinds::kMalformedTrailer);
  const std::string_view line = line_;
  if (Trim(line.substr(0, colon)) == kTrailerSignature) trailer_signed_ = true;
  return Event{.kind = Event::Kind::kTrailer,
               .name = std::string(Trim(line.substr(0, colon))),
               .value = std::string(Trim(line.substr(colon + 1)))};
}

Outcome<AwsChunks::Event> AwsChunks::Next(Bytes& input) {
  if (state_ == State::kEnd) return Event{.kind = Event::Kind::kEnd};
  if (state_ == State::kData && left_ > 0) {
    if (input.empty()) return Event{};
    const Bytes data = input.first(std::min<uint64_t>(input.size(), left_));
    input = input.subspan(data.size());
    left_ -= data.size();
    return Event{.kind = Event::Kind::kData, .data = data};
  }
  const auto end = std::ranges::find(input, std::byte{'\n'});
  const auto size = static_cast<size_t>(end - input.begin());
  if (line_.size() + size > kMaxLineBytes) return Malformed("a line is too long");
  line_.append(AsText(input.first(size)));
  const bool whole = size < input.size();
  input = input.subspan(whole ? size + 1 : size);
  if (!whole) return Event{};
  if (line_.ends_with('\r')) line_.pop_back();
  Outcome<Event> event = Event{};
  if (state_ == State::kHeader) {
    event = Header();
  } else if (state_ == State::kTrailer) {
    event = Trailer();
  } else if (!line_.empty()) {
    event = Malformed("a chunk is longer than it said");
  } else if (state_ == State::kAfterData) {
    state_ = State::kEnd;
    event->kind = Event::Kind::kEnd;
  } else {
    state_ = State::kHeader;
    event->kind = Event::Kind::kChunkEnd;
  }
  line_.clear();
  return event;
}

}  // namespace forebay::s3door
