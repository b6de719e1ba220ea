// The client's side of the handshake.
#include <fmt/format.h>

#include "src/wire/connection.h"

namespace forebay::wire {
namespace {

constexpr size_t kHandshakeBytes = 4096;  // of one receive, and of what we send

Nonce DrawNonce(Rng& rng) {
  Nonce nonce;
  for (size_t i = 0; i < nonce.size(); i += sizeof(uint64_t)) StoreTo(&nonce[i], rng.Next());
  return nonce;
}

Error RefusalOf(Bytes meta) {
  auto refused = DecodeMeta<Refused>(MessageType::kRefused, meta);
  if (!refused) return std::move(refused.error());
  return Error(CodeOf(refused->status), std::string(refused->message));
}

}  // namespace

/// Until a whole frame is in the inbox.
Task<Result<void>> Connection::ReceiveFrame(Call call) {
  for (;;) {
    FB_CO_ASSIGN(const bool whole, inbox_.Parse());
    if (whole) break;
    FB_CO_ASSIGN(const size_t received, co_await stream_->Recv(inbox_.Room(kHandshakeBytes), call));
    if (received == 0) co_return Fail(Code::kUnavailable, "the node closed the connection");
    inbox_.Received(received);
  }
  if (inbox_.header().type == MessageType::kRefused) co_return Fail(RefusalOf(inbox_.meta()));
  if (inbox_.header().data_size > 0) co_return Fail(Code::kCorrupt, "data within the handshake");
  co_return Result<void>{};
}

Task<Result<void>> Connection::SendNow(size_t size, MutableBytes frame, Call call) {
  if (size == 0) co_return Fail(Code::kInvalidArgument, "a name is too long for the handshake");
  const Bytes part = frame.first(size);
  co_return co_await stream_->Send(std::span(&part, 1), call);
}

Result<void> Connection::TakeWelcome(const ConnectOptions& options, Bytes meta, uint8_t* method) {
  FB_ASSIGN(const Welcome welcome, DecodeMeta<Welcome>(MessageType::kWelcome, meta));
  if (welcome.version < options.min_version || welcome.version > options.max_version) {
    return Fail(
        Code::kUnsupported,
        fmt::format("the node chose protocol version {}, which was not offered", welcome.version));
  }
  server_ = {.version = welcome.version,
             .features = welcome.features,
             .node_id = welcome.node_id,
             .node_name = std::string(welcome.node_name),
             .limits = welcome.limits};
  if (options.token && (welcome.auth_methods & kAuthToken) != 0) {
    *method = kAuthToken;
  } else if ((welcome.auth_methods & kAuthNone) != 0) {
    *method = kAuthNone;
  } else {
    return Fail(Code::kUnauthenticated, "the node asks for a token: give one (FOREBAY_TOKEN_FILE)");
  }
  return {};
}

Task<Result<void>> Connection::ShakeHands(ConnectOptions options, Call call) {
  // 1. Hello; Welcome says what would do as a proof of who we are.
  std::array<std::byte, kHandshakeBytes> frame;
  const Hello hello{.min_version = options.min_version,
                    .max_version = options.max_version,
                    .nonce = DrawNonce(env_.rng),
                    .client = options.client,
                    .later = {}};
  const size_t hello_size = EncodeHandshake(frame, hello);
  FB_CO_TRY(co_await SendNow(hello_size, frame, call));
  const std::vector<std::byte> hello_meta(frame.begin() + kHeaderBytes, frame.begin() + hello_size);
  FB_CO_TRY(co_await ReceiveFrame(call));
  const std::vector<std::byte> welcome_meta(inbox_.meta().begin(), inbox_.meta().end());
  if (inbox_.header().type != MessageType::kWelcome) {
    co_return Fail(Code::kCorrupt, "the node's first message is no Welcome");
  }
  inbox_.Finish();
  uint8_t method = kAuthNone;
  FB_CO_TRY(TakeWelcome(options, welcome_meta, &method));

  // 2. The proof, and the node's in turn.
  Auth auth{.method = method, .token_name = {}};
  Proof expected{};
  if (method == kAuthToken) {
    const std::string& secret = options.token->secret;
    auth.token_name = options.token->name;
    auth.proof = Prove(secret, ClientTranscript(hello_meta, welcome_meta));
    expected = Prove(secret, ServerTranscript(hello_meta, welcome_meta));
  }
  FB_CO_TRY(co_await SendNow(EncodeHandshake(frame, auth), frame, call));
  FB_CO_TRY(co_await ReceiveFrame(call));
  FB_CO_ASSIGN(const Ready ready, DecodeMeta<Ready>(MessageType::kReady, inbox_.meta()));
  if (inbox_.header().type != MessageType::kReady || !SameProof(ready.proof, expected)) {
    co_return Fail(Code::kUnauthenticated, "the node could not prove that it knows the token");
  }
  inbox_.Finish();
  co_return Result<void>{};
}

}  // namespace forebay::wire
