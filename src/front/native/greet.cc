// The door's side of the handshake.
#include <fmt/format.h>

#include "src/front/native/session.h"
#include "src/wire/handshake.h"

namespace forebay {
namespace {

using wire::MessageType;

constexpr size_t kHandshakeBytes = 1024;  // of one receive
constexpr size_t kMaxHandshakeMeta = 4096;

std::vector<std::byte> Copy(Bytes bytes) {
  return {bytes.begin(), bytes.end()};
}

}  // namespace

/// Until a frame of this type is in the inbox.
Task<Result<void>> Session::ReceiveFrame(MessageType type) {
  for (;;) {
    FB_CO_ASSIGN(const bool whole, inbox_.Parse());
    if (whole || inbox_.claimed_meta_bytes() > kMaxHandshakeMeta) break;
    FB_CO_ASSIGN(const size_t received, co_await stream_->Recv(inbox_.Room(kHandshakeBytes), {}));
    if (received == 0) co_return Fail(Code::kUnavailable, "ended within the handshake");
    inbox_.Received(received);
  }
  const wire::FrameHeader& header = inbox_.header();
  if (header.type != type || header.data_size > 0 || header.meta_size > kMaxHandshakeMeta) {
    co_return Fail(Code::kInvalidArgument,
                   fmt::format("expected {}, got {}", NameOf(type), NameOf(header.type)));
  }
  co_return Result<void>{};
}

Task<Result<void>> Session::SendNow(Bytes frame) {
  send_until_ = door_.env.clock.Now() + door_.options.send_timeout;
  auto sent = co_await stream_->Send(std::span(&frame, 1), {});
  send_until_ = Instant::Never();
  co_return sent;
}

/// After what is being sent. The client can read it whatever it speaks.
Task<void> Session::Refuse(Error error) {
  const std::string_view message = error.message();
  const wire::Refused refused{.status = wire::StatusOf(error.code()),
                              .min_version = door_.options.versions.min,
                              .max_version = door_.options.versions.max,
                              .message = message.substr(0, wire::kMaxErrorBytes),
                              .later = {}};
  Queued(EncodeHandshake(batch().Room(wire::kHeaderBytes + wire::kMaxErrorBytes + 64), refused));
  while (sending_ && !ended_) co_await changed_.Wait();
  if (batch_ && !ended_) co_await Flush();
}

/// Nobody can tell the next one, nor make it come again: a counter under a secret of this start.
wire::Nonce Session::DrawNonce() {
  const uint64_t words[] = {++door_.shared.last_nonce, door_.env.rng.Next()};
  return wire::Prove(door_.options.nonce_secret, AsText(std::as_bytes(std::span(words))));
}

bool Session::FromThisMachine() const {
  const std::string& peer = stream_->peer();
  if (door_.options.is_loopback) return door_.options.is_loopback(peer);
  return peer.starts_with("127.") || peer.starts_with("[::1]:") || peer.starts_with("[::ffff:127.");
}

Result<uint8_t> Session::AuthMethods() const {
  const bool tokens = door_.node.gate().has_tokens();
  const uint8_t token = tokens || door_.node.gate().has_peers() ? wire::kAuthToken : 0;
  if (is_unix_) return uint8_t(wire::kAuthNone | token);
  if (!tokens && FromThisMachine()) return uint8_t(wire::kAuthNone | token);
  if (token != 0) return token;
  return Fail(
      Code::kUnauthenticated,
      "this node has no tokens and serves only its own machine: start it with a token file");
}

Result<Authenticated> Session::Admit(const wire::Auth& auth, uint8_t methods, Bytes hello,
                                     Bytes welcome) {
  const Gate& gate = door_.node.gate();
  if ((auth.method != wire::kAuthNone && auth.method != wire::kAuthToken) ||
      (auth.method & methods) == 0) {
    return Fail(Code::kUnauthenticated, "this node asks for another proof of who you are");
  }
  if (auth.method == wire::kAuthToken) {
    const std::string transcript = wire::ClientTranscript(hello, welcome);
    return gate.AdmitToken(auth.token_name, AsBytes(transcript), auth.proof);
  }
  if (!is_unix_) return gate.AdmitLoopback();
  const auto peer = stream_->peer_process();
  if (peer) return gate.AdmitLocal({.uid = peer->uid, .gid = peer->gid, .pid = peer->pid});
  return Fail(Code::kUnauthenticated, "the kernel does not say who is at the socket's other end");
}

/// The Welcome's meta, which the proofs are made over.
Task<Result<std::vector<std::byte>>> Session::SendWelcome(wire::Hello hello, uint8_t methods) {
  FB_CO_ASSIGN(const uint16_t version, wire::Negotiate(hello, door_.options.versions));
  const bool window = is_unix_ && door_.options.window != nullptr;
  const wire::Welcome welcome{.version = version,
                              .auth_methods = methods,
                              .nonce = DrawNonce(),
                              .features = window ? uint64_t{wire::kFeatureWindow} : 0,
                              .node_id = door_.options.node_id,
                              .node_name = door_.options.node_name,
                              .limits = door_.options.limits};
  std::array<std::byte, 1024> frame;
  const size_t size = EncodeHandshake(frame, welcome);
  FB_CO_TRY(co_await SendNow(Bytes(frame).first(size)));
  co_return Copy(Bytes(frame).first(size).subspan(wire::kHeaderBytes));
}

Task<Result<void>> Session::Greet() {
  // 1. Versions: whoever has none in common with us reads why.
  FB_CO_TRY(co_await ReceiveFrame(MessageType::kHello));
  const std::vector<std::byte> hello_meta = Copy(inbox_.meta());
  FB_CO_ASSIGN(const auto hello, wire::DecodeMeta<wire::Hello>(MessageType::kHello, hello_meta));
  if (hello.magic != wire::kMagic) {
    co_return Fail(Code::kInvalidArgument, "the Hello is not of Forebay's protocol");
  }
  inbox_.Finish();
  FB_CO_ASSIGN(const uint8_t methods, AuthMethods());
  FB_CO_ASSIGN(const std::vector<std::byte> welcome_meta, co_await SendWelcome(hello, methods));

  // 2. Who it is; then our own proof.
  FB_CO_TRY(co_await ReceiveFrame(MessageType::kAuth));
  FB_CO_ASSIGN(const auto auth, wire::DecodeMeta<wire::Auth>(MessageType::kAuth, inbox_.meta()));
  FB_CO_ASSIGN(auto who, Admit(auth, methods, hello_meta, welcome_meta));
  wire::Ready ready;
  if (auth.method == wire::kAuthToken) {
    const std::string transcript = wire::ServerTranscript(hello_meta, welcome_meta);
    FB_CO_ASSIGN(const std::string proof,
                 door_.node.gate().ProveToken(auth.token_name, AsBytes(transcript)));
    FB_ASSERT(proof.size() == ready.proof.size());
    std::memcpy(ready.proof.data(), proof.data(), proof.size());
  }
  inbox_.Finish();
  std::array<std::byte, 128> frame;
  const size_t size = EncodeHandshake(frame, ready);
  FB_CO_TRY(co_await SendNow(Bytes(frame).first(size)));
  who_ = std::move(who);
  co_return Result<void>{};
}

}  // namespace forebay
