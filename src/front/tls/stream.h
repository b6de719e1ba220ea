// One connection of TLS over another stream, as its server. OpenSSL is given bytes and gives bytes;
// it never sees a socket, so the same code runs in the simulator.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/front/tls/failure_log.h"
#include "src/front/tls/identity.h"
#include "src/runtime/env.h"
#include "src/runtime/waiters.h"

struct ssl_st;  // OpenSSL's SSL

namespace forebay::tls {

struct TlsOptions {
  Duration handshake = std::chrono::seconds(10);  // from the stream's beginning to the last of it
  /// Sent as it is to a client that does not begin with TLS but with text: what its own protocol
  /// has for "wrong door".
  std::string answer_to_plain_text;
};

/// As Stream. Whoever receives or sends first shakes hands; a Recv or Send that ends by its own
/// deadline before leaves that to the next. Holds some 20 KiB while nothing happens, and 150 KiB
/// more at most while bytes move.
///
/// The end: Recv gives 0 after the peer's close_notify only; a peer that just closes is
/// kUnavailable, because anybody on the way could have cut what it had to say. Sending goes on
/// after the peer has finished. Renegotiation is refused, keys may be updated.
class TlsStream final : public Stream {
 public:
  TlsStream(Env& env, std::unique_ptr<Stream> inner, std::shared_ptr<const ServerIdentity> identity,
            std::shared_ptr<const TlsOptions> options, std::shared_ptr<FailureLog> failures);
  ~TlsStream() override;

  Task<Result<size_t>> Recv(MutableBytes into, Call call) override;
  Task<Result<void>> Send(std::span<const Bytes> parts, Call call) override;
  /// close_notify.
  Task<void> SayEnd(Call call) override;
  void Shutdown() override;
  const std::string& peer() const override { return inner_->peer(); }
  std::optional<PeerProcess> peer_process() const override { return inner_->peer_process(); }

 private:
  enum class State : unsigned char { kShaking, kOpen, kFailed };
  /// What a call of OpenSSL came to besides bytes.
  enum class Outcome : unsigned char { kDone, kWantsInput, kPeerFinished, kFailed };
  struct Bio;  // OpenSSL's way to the two buffers

  Task<Result<void>> Ready(Call call);
  Task<Result<void>> Shake(Call call);
  Task<Result<void>> Feed(Call call);
  Task<Result<void>> Flush(Call call);
  Task<void> FlushAlert();
  Task<Result<void>> AnswerPlainText(Call call);
  Result<void> Encrypt(Bytes* plain);
  size_t Decrypt(MutableBytes into);
  Outcome OutcomeOf(int returned);
  Error Failed(Error error);
  void KeepRoom(std::vector<std::byte> used);

  Env& env_;
  const std::unique_ptr<Stream> inner_;
  const std::shared_ptr<const ServerIdentity> identity_;
  const std::shared_ptr<const TlsOptions> options_;
  const std::shared_ptr<FailureLog> failures_;
  const Instant handshake_until_;
  ssl_st* const ssl_;
  State state_ = State::kShaking;
  Outcome last_read_ = Outcome::kWantsInput;
  bool said_end_ = false;
  bool peer_closed_ = false;  // the stream below has ended
  bool heard_ = false;        // anything at all
  bool full_ = false;         // the last receive filled its room: more is coming
  std::optional<Error> failure_;
  std::vector<std::byte> in_;  // as received; OpenSSL takes it from in_begin_ on
  size_t in_begin_ = 0;
  size_t in_end_ = 0;
  std::vector<std::byte> out_;  // encrypted, not yet given to the stream below
  Budget shaking_{1};           // who shakes hands
  Budget sending_{1};           // who sends below
};

}  // namespace forebay::tls
