// The only unit that sees Boost.Beast, and through it the buffers (no sockets) of Boost.Asio.
//
// Its assertions are off: one of 1.74 fails on a body without chunks whose trailer comes slowly,
// and what a stranger sends must not end the program. The fuzzer looks after its memory.
#define BOOST_DISABLE_ASSERTS
#include "src/front/http/codec.h"

#include <algorithm>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <limits>
#include <optional>

#include "src/base/assert.h"

namespace forebay::http {
namespace {

namespace beast = boost::beast;

constexpr size_t kUsualHeaders = 16;

Refusal ToRefusal(const beast::error_code& error) {
  if (error == beast::http::error::header_limit) {
    return {431, "the request's headers are too large"};
  }
  if (error == beast::http::error::bad_version) {
    return {505, "HTTP/1.0 and HTTP/1.1 are spoken here"};
  }
  return {400, "no request of HTTP/1.1: " + error.message()};
}

beast::string_view View(std::string_view text) {
  return {text.data(), text.size()};
}

void Take(beast::string_view from, std::string& into) {
  into.assign(from.data(), from.size());
}

/// RFC 9112 lets a client send "GET http://host/path"; the host is not ours to look at.
void TakeTarget(std::string_view target, std::string& into) {
  const size_t scheme = target.starts_with('/') ? target.npos : target.find("://");
  const std::string_view name = scheme == target.npos ? "" : target.substr(0, scheme);
  if (!SameToken(name, "http") && !SameToken(name, "https")) {
    into.assign(target);
    return;
  }
  target.remove_prefix(scheme + 3);
  target.remove_prefix(std::min(target.size(), target.find_first_of("/?")));
  into.assign(target.starts_with('/') ? "" : "/").append(target);
}

bool IsHeaderText(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 && byte != 0x7f) || c == '\t';
}

void AppendClean(std::string& text, std::string_view value) {
  const size_t begin = text.size();
  text += value;
  std::replace_if(
      text.begin() + static_cast<ptrdiff_t>(begin), text.end(),
      [](char c) { return !IsHeaderText(c); }, '?');
}

}  // namespace

bool SameToken(std::string_view one, std::string_view other) {
  return beast::iequals(View(one), View(other));
}

const std::string* RequestHead::Find(std::string_view name) const {
  for (const Header& header : headers) {
    if (SameToken(header.name, name)) return &header.value;
  }
  return nullptr;
}

size_t RequestHead::HeldBytes() const {
  size_t bytes = target.capacity();
  for (const Header& header : headers) bytes += header.name.capacity() + header.value.capacity();
  return bytes;
}

struct RequestReader::State {
  using Parser = beast::http::request_parser<beast::http::buffer_body>;
  explicit State(size_t max_header_bytes) : max_header_bytes(max_header_bytes) { Begin(); }

  void Begin() {
    parser.emplace();
    parser->header_limit(static_cast<uint32_t>(max_header_bytes));
    // Bodies are read piece by piece; how much of one is wanted is up to the service. Not none,
    // which Boost 1.74 takes for less than every length.
    parser->body_limit(std::numeric_limits<uint64_t>::max());
    head_bytes = 0;
  }

  const size_t max_header_bytes;
  std::optional<Parser> parser;
  size_t head_bytes = 0;
};

RequestReader::RequestReader(size_t max_header_bytes)
    : state_(std::make_unique<State>(max_header_bytes)) {}

void RequestReader::Reset() {
  state_->Begin();
}

RequestReader::~RequestReader() = default;

std::expected<size_t, Refusal> RequestReader::ReadHead(Bytes bytes) {
  FB_ASSERT(!head_done());
  beast::error_code error;
  const size_t used =
      state_->parser->put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  if (error && error != beast::http::error::need_more) return std::unexpected(ToRefusal(error));
  // Beast looks at the bytes of one call only.
  state_->head_bytes += used;
  if (state_->head_bytes > state_->max_header_bytes) {
    return std::unexpected(ToRefusal(beast::http::error::header_limit));
  }
  if (!head_done()) return used;
  state_->head_bytes = 0;
  if (state_->parser->get().version() >= 11 &&
      state_->parser->get().count(beast::http::field::host) != 1) {
    return std::unexpected(Refusal{400, "a request of HTTP/1.1 names exactly one Host"});
  }
  // Anything but plain chunks would leave where the body ends, or what it says, to whoever reads
  // it.
  const auto codings = state_->parser->get().equal_range(beast::http::field::transfer_encoding);
  if (std::any_of(codings.first, codings.second,
                  [](const auto& field) { return !beast::iequals(field.value(), "chunked"); })) {
    return std::unexpected(Refusal{501, "no transfer coding but 'chunked' is understood here"});
  }
  return used;
}

bool RequestReader::head_done() const {
  return state_->parser->is_header_done();
}

void RequestReader::TakeHead(RequestHead& head) {
  const auto& message = state_->parser->get();
  head.headers.reserve(kUsualHeaders);
  Take(message.method_string(), head.method);
  TakeTarget({message.target().data(), message.target().size()}, head.target);
  size_t count = 0;
  for (const auto& field : message) {
    if (count == head.headers.size()) head.headers.emplace_back();
    Take(field.name_string(), head.headers[count].name);
    Take(field.value(), head.headers[count].value);
    ++count;
  }
  head.headers.resize(count);
  head.content_length.reset();
  if (const auto length = state_->parser->content_length()) head.content_length = *length;
  head.has_body = !state_->parser->is_done();
  head.keep_alive = state_->parser->keep_alive();
}

std::expected<RequestReader::Progress, Refusal> RequestReader::ReadBody(Bytes bytes,
                                                                        MutableBytes into) {
  Progress progress;
  auto& body = state_->parser->get().body();
  body.data = into.data();
  body.size = into.size();
  body.more = true;
  beast::error_code error;
  if (!state_->parser->is_done() && !into.empty() && !bytes.empty()) {
    progress.consumed =
        state_->parser->put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  }
  progress.produced = into.size() - body.size;
  // Heads of chunks and trailers, of which Beast again looks at one call only.
  state_->head_bytes = progress.produced > 0 ? 0 : state_->head_bytes + progress.consumed;
  if (state_->head_bytes > state_->max_header_bytes) {
    return std::unexpected(ToRefusal(beast::http::error::header_limit));
  }
  if (error && error != beast::http::error::need_more && error != beast::http::error::need_buffer) {
    return std::unexpected(ToRefusal(error));
  }
  return progress;
}

bool RequestReader::done() const {
  return state_->parser->is_done();
}

void AppendHeader(std::string& text, std::string_view name, std::string_view value) {
  AppendClean(text, name);
  text += ": ";
  AppendClean(text, value);
  text += "\r\n";
}

std::string FormatHead(const ResponseHead& head) {
  constexpr size_t kUsualBytes = 512;
  std::string text;
  text.reserve(kUsualBytes + head.lines.size());
  const auto reason =
      beast::http::obsolete_reason(beast::http::int_to_status(static_cast<unsigned>(head.status)));
  text += "HTTP/1.1 ";
  text += std::to_string(head.status);
  text += ' ';
  text.append(reason.data(), reason.size());
  text += "\r\nServer: forebay\r\n";
  if (!head.content_type.empty()) AppendHeader(text, "Content-Type", head.content_type);
  for (const Header& header : head.headers) AppendHeader(text, header.name, header.value);
  text += head.lines;
  // Those two end with their heads; RFC 9110 forbids the first to tell a length.
  if (head.status != 204 && head.status != 304) {
    ((text += "Content-Length: ") += std::to_string(head.content_length)) += "\r\n";
  }
  if (!head.keep_alive) text += "Connection: close\r\n";
  text += "\r\n";
  return text;
}

}  // namespace forebay::http
