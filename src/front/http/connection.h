// One connection of HTTP/1.1: requests one after the other, bounded in size and time.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "src/base/result.h"
#include "src/front/http/codec.h"
#include "src/front/http/message.h"
#include "src/runtime/env.h"

namespace forebay::http {

struct HttpLimits {
  size_t connections = 64;
  size_t header_bytes = 16 * size_t{1024};
  Duration idle = std::chrono::seconds(60);    // between two requests
  Duration header = std::chrono::seconds(10);  // from a request's first byte to its head's last
  Duration body = std::chrono::seconds(30);    // without a byte of it
  /// A body that is waited for longer than that in all may take a second for so many bytes; 0: any
  /// time.
  uint64_t body_bytes_per_second = 0;
  Duration send = std::chrono::seconds(30);  // of one response, or one piece of it
  size_t requests = 100'000;                 // of one connection
  /// A body that nobody read is read away up to here, so that the connection can go on.
  uint64_t unread_body_bytes = 64 * uint64_t{1024};
};

/// Used from its stream's loop. The stream must outlive it.
class HttpConnection {
 public:
  HttpConnection(Env& env, Stream& stream, const HttpLimits& limits);

  /// False: the connection has ended, or is to be closed; what was wrong has been answered.
  Task<bool> NextRequest(CancelToken cancel);

  /// Of the current request's body: at least one byte, 0 at its end.
  Task<Result<size_t>> ReadBody(MutableBytes into, CancelToken cancel);

  /// A whole response; no body is sent where the request was a HEAD. `body` must live until then.
  Task<Result<void>> Respond(ResponseHead head, std::span<const Bytes> body, CancelToken cancel);
  /// The rest of a body of which Respond sent only the front, less than head.content_length bytes.
  /// Each call has the time that a response has: a client that takes less is let go.
  Task<Result<void>> SendMore(std::span<const Bytes> body, CancelToken cancel);
  /// The response cannot be ended as its head said: the connection ends, which tells the client.
  void BreakOff() { keep_alive_ = false; }

  Stream& stream() { return stream_; }
  const RequestHead& request() const { return request_; }

 private:
  Task<Result<size_t>> Receive(Instant deadline, CancelToken cancel);
  Task<Result<void>> InviteBody(CancelToken cancel);
  /// Until when the next bytes of a body are waited for.
  Instant BodyDeadline() const;
  void CountBody(Instant since, const Result<size_t>& came);
  Task<Result<size_t>> ReadSized(MutableBytes into, CancelToken cancel);
  Task<bool> FinishRequest(CancelToken cancel);
  Task<void> Refuse(Refusal refusal, CancelToken cancel);
  Bytes unread() const { return Bytes(buffer_).subspan(begin_, end_ - begin_); }
  ResponseHead Completed(ResponseHead head) const;

  Env& env_;
  Stream& stream_;
  const HttpLimits& limits_;
  std::vector<std::byte> buffer_;  // received and not used: [begin_, end_)
  size_t begin_ = 0;
  size_t end_ = 0;
  std::unique_ptr<RequestReader> reader_;
  RequestHead request_;
  /// Of a body whose length was told, which needs no parser.
  std::optional<uint64_t> body_left_;
  uint64_t body_bytes_ = 0;
  Duration body_waited_{};
  size_t requests_ = 0;
  bool keep_alive_ = true;
  bool expects_invitation_ = false;
  bool waits_for_invitation_ = false;
};

}  // namespace forebay::http
