// The bytes of a response of HTTP/1.1, read by Boost.Beast's parser. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/result.h"
#include "src/runtime/http.h"

namespace forebay::platform {

/// Reads one response to a GET, interim ones before it included. Errors are kUnavailable: the
/// connection is of no more use.
class ReplyReader {
 public:
  static constexpr size_t kMaxHeadBytes = size_t{64} << 10;

  ReplyReader();
  ~ReplyReader();

  /// How many of `bytes` were used; the others are to be given again, with more behind them.
  Result<size_t> ReadHead(Bytes bytes);
  bool head_done() const;

  // -- Once the head is done.

  int status() const;
  std::vector<HttpHeader> TakeHeaders();
  /// The connection may be used again when the body has been read.
  bool keep_alive() const;

  enum class Body : uint8_t {
    kSized,     // so many bytes, which are the caller's to read
    kChunked,   // ReadChunked reads it
    kUntilEnd,  // all that comes before the connection ends
  };
  Body body() const;
  uint64_t size() const;  // of a kSized body

  struct Progress {
    size_t consumed = 0;
    size_t produced = 0;  // bytes of the body, in `into`
  };
  /// Nothing consumed and nothing produced: more input is needed, unless it is done.
  Result<Progress> ReadChunked(Bytes bytes, MutableBytes into);
  bool chunked_done() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace forebay::platform
