// The framing that S3's clients put around bodies that they sign as they go ("aws-chunked"): chunks
// with a signature each, and checksums behind them. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "src/base/bytes.h"
#include "src/front/s3/errors.h"

namespace forebay::s3door {

inline constexpr std::string_view kTrailerSignature = "x-amz-trailer-signature";

/// Takes the frames off. What it says of signatures is only what was sent.
class AwsChunks {
 public:
  struct Event {
    enum class Kind : unsigned char {
      kNeedMore,  // all input was used
      kChunk,     // a chunk begins: `size` and `signature`; 0 of the last one
      kData,      // `data`, within the input
      kChunkEnd,
      kTrailer,  // one line: `name` and `value`
      kEnd,
    };
    Kind kind = Kind::kNeedMore;
    uint64_t size = 0;
    std::string signature;
    Bytes data;
    std::string name, value;
  };

  enum class Trailers : unsigned char { kNone, kPlain, kSigned };
  /// `trailers`: what follows the last chunk.
  explicit AwsChunks(Trailers trailers) : trailers_(trailers) {}

  /// Takes what it used off the front of `input`. After an error or kEnd it is of no more use.
  Outcome<Event> Next(Bytes& input);

 private:
  enum class State : unsigned char { kHeader, kData, kAfterData, kTrailer, kEnd };
  Outcome<Event> Header();
  Outcome<Event> Trailer();

  const Trailers trailers_;
  State state_ = State::kHeader;
  uint64_t left_ = 0;  // of a chunk
  std::string line_;
  size_t trailer_lines_ = 0;
  bool trailer_signed_ = false;
};

}  // namespace forebay::s3door
