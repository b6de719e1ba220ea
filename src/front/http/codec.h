// The bytes of HTTP/1.1; requests are read by Boost.Beast's parser. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "src/base/bytes.h"
#include "src/front/http/message.h"

namespace forebay::http {

/// Reads one request. What it did not use in the end belongs to the next one.
class RequestReader {
 public:
  explicit RequestReader(size_t max_header_bytes);
  ~RequestReader();
  /// Reads another one. Cheaper than another reader.
  void Reset();

  /// How many of `bytes` were used; the others are to be given again, with more behind them. After
  /// a refusal the connection is of no more use.
  std::expected<size_t, Refusal> ReadHead(Bytes bytes);
  bool head_done() const;
  /// Once, when the head is done. What `head` has of memory is used again.
  void TakeHead(RequestHead& head);
  RequestHead TakeHead() {
    RequestHead head;
    TakeHead(head);
    return head;
  }

  struct Progress {
    size_t consumed = 0;
    size_t produced = 0;  // bytes of the body, in `into`
  };
  /// Nothing consumed and nothing produced: more input is needed.
  std::expected<Progress, Refusal> ReadBody(Bytes bytes, MutableBytes into);
  /// The whole request was read.
  bool done() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// "NAME: VALUE" and the end of the line. Characters that a header cannot hold are replaced, so
/// that no value can end it.
void AppendHeader(std::string& text, std::string_view name, std::string_view value);

/// Status line and headers, with the empty line behind them.
std::string FormatHead(const ResponseHead& head);

}  // namespace forebay::http
