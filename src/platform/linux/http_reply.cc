// With src/front/http/codec.cc the only unit that sees Boost.Beast, and for the same reason without
// its assertions: what a stranger sends must not end the program. The fuzzer looks after its
// memory.
#define BOOST_DISABLE_ASSERTS
#include "src/platform/linux/http_reply.h"

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <limits>
#include <string>

#include "src/base/assert.h"

namespace forebay::platform {
namespace {

namespace beast = boost::beast;

constexpr int kFirstFinalStatus = 200;
constexpr int kSwitchingProtocols = 101;

bool NeedsMore(const beast::error_code& error) {
  return error == beast::http::error::need_more || error == beast::http::error::need_buffer;
}

std::unexpected<Error> Nonsense(const beast::error_code& error) {
  if (error == beast::http::error::header_limit) {
    return Fail(Code::kUnavailable, "the answer's head is larger than 64 KiB");
  }
  return Fail(Code::kUnavailable, "the answer is no HTTP/1.1: " + error.message());
}

}  // namespace

struct ReplyReader::State {
  using Parser = beast::http::response_parser<beast::http::buffer_body>;
  State() { Begin(); }

  void Begin() {
    parser.emplace();
    parser->header_limit(kMaxHeadBytes);
    // Not none, which Boost 1.74 takes for less than every length.
    parser->body_limit(std::numeric_limits<uint64_t>::max());
  }

  std::optional<Parser> parser;
  size_t head_bytes = 0;  // interim heads included
};

ReplyReader::ReplyReader() : state_(std::make_unique<State>()) {}
ReplyReader::~ReplyReader() = default;

Result<size_t> ReplyReader::ReadHead(Bytes bytes) {
  FB_ASSERT(!head_done());
  beast::error_code error;
  auto& parser = *state_->parser;
  const size_t used = parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  if (error && !NeedsMore(error)) return Nonsense(error);
  // Beast looks at the bytes of one call only.
  state_->head_bytes += used;
  if (state_->head_bytes > kMaxHeadBytes) return Nonsense(beast::http::error::header_limit);
  if (!head_done()) return used;
  // The counting goes on with heads of chunks and with trailers.
  if (status() >= kFirstFinalStatus) state_->head_bytes = 0;
  if (status() == kSwitchingProtocols) {
    return Fail(Code::kUnavailable, "the answer is of another protocol");
  }
  if (status() < kFirstFinalStatus) {  // the real head follows
    state_->Begin();
    return used;
  }
  if (parser.get().count(beast::http::field::transfer_encoding) > 0 && !parser.chunked()) {
    return Fail(Code::kUnavailable, "the answer has a transfer coding other than 'chunked'");
  }
  return used;
}

bool ReplyReader::head_done() const {
  return state_->parser->is_header_done();
}

int ReplyReader::status() const {
  return static_cast<int>(state_->parser->get().result_int());
}

std::vector<HttpHeader> ReplyReader::TakeHeaders() {
  constexpr size_t kUsual = 16;
  std::vector<HttpHeader> headers;
  headers.reserve(kUsual);
  for (const auto& field : state_->parser->get()) {
    headers.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  return headers;
}

bool ReplyReader::keep_alive() const {
  return state_->parser->keep_alive() && body() != Body::kUntilEnd;
}

ReplyReader::Body ReplyReader::body() const {
  const auto& parser = *state_->parser;
  if (parser.chunked()) return Body::kChunked;
  // A status without a body ends with its head, whatever length it tells.
  return parser.is_done() || parser.content_length() ? Body::kSized : Body::kUntilEnd;
}

uint64_t ReplyReader::size() const {
  const auto& parser = *state_->parser;
  return parser.is_done() ? 0 : parser.content_length().value_or(0);
}

Result<ReplyReader::Progress> ReplyReader::ReadChunked(Bytes bytes, MutableBytes into) {
  Progress progress;
  auto& parser = *state_->parser;
  if (parser.is_done() || bytes.empty() || into.empty()) return progress;
  auto& body = parser.get().body();
  body.data = into.data();
  body.size = into.size();
  body.more = true;
  beast::error_code error;
  progress.consumed = parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  progress.produced = into.size() - body.size;
  state_->head_bytes = progress.produced > 0 ? 0 : state_->head_bytes + progress.consumed;
  if (state_->head_bytes > kMaxHeadBytes) return Nonsense(beast::http::error::header_limit);
  if (error && !NeedsMore(error)) return Nonsense(error);
  return progress;
}

bool ReplyReader::chunked_done() const {
  return state_->parser->is_done();
}

}  // namespace forebay::platform
