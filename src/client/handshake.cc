// A link's beginning.
#include <fmt/format.h>

#include <array>

#include "src/client/link.h"

namespace forebay::client {
namespace {

using wire::MessageType;

constexpr size_t kHandshakeBytes = 4096;  // of one receive, and of what we send
constexpr std::string_view kClientName = "forebay-client";

wire::Nonce DrawNonce(Dialer& dialer) {
  wire::Nonce nonce;
  for (size_t i = 0; i < nonce.size(); i += sizeof(uint64_t)) StoreTo(&nonce[i], dialer.Random());
  return nonce;
}

Result<uint8_t> MethodOf(const wire::Welcome& welcome, const ClientOptions& options) {
  if (welcome.version < wire::kMinVersion || welcome.version > wire::kMaxVersion) {
    return Fail(
        Code::kUnsupported,
        fmt::format("the node chose protocol version {}, which was not offered", welcome.version));
  }
  if (options.token && (welcome.auth_methods & wire::kAuthToken) != 0) {
    return uint8_t{wire::kAuthToken};
  }
  if ((welcome.auth_methods & wire::kAuthNone) != 0) return uint8_t{wire::kAuthNone};
  return Fail(Code::kUnauthenticated,
              "the node asks for a token: name a file with one (FOREBAY_TOKEN_FILE)");
}

}  // namespace

Result<std::shared_ptr<Link>> Link::Connect(Outside outside, const ClientOptions& options,
                                            uint64_t serial, Instant until) {
  FB_ASSIGN(auto channel, outside.dialer.Dial(options.node, until));
  std::shared_ptr<Link> link(new Link(outside, std::move(channel), serial));
  if (auto done = link->ShakeHands(options, until); !done) {
    return Fail(done.error().Within("connect to " + options.node));
  }
  const uint16_t slots = std::max<uint16_t>(1, link->info_.limits.max_in_flight);
  link->slots_.resize(slots);
  link->free_slots_.reserve(slots);
  for (uint16_t i = slots; i > 0; --i) link->free_slots_.push_back(i - 1);
  return link;
}

/// Until a whole frame is in the inbox.
Result<void> Link::ReceiveFrame(Instant until) {
  for (;;) {
    FB_ASSIGN(const bool whole, inbox_.Parse());
    if (whole) break;
    FB_ASSIGN(const size_t received, channel_->TryRecv(inbox_.Room(kHandshakeBytes), &arrived_));
    inbox_.Received(received);
    if (received == 0 && channel_->Wait(Channel::kToRecv, until) == Channel::kNothing) {
      return Fail(Code::kDeadlineExceeded, "the node says nothing");
    }
  }
  if (inbox_.header().data_size > 0) return Fail(Code::kCorrupt, "data within the handshake");
  if (inbox_.header().type != MessageType::kRefused) return {};
  FB_ASSIGN(const auto refused,
            wire::DecodeMeta<wire::Refused>(MessageType::kRefused, inbox_.meta()));
  return Fail(wire::CodeOf(refused.status), std::string(refused.message));
}

Result<void> Link::SendNow(Bytes frame, Instant until) {
  while (!frame.empty()) {
    FB_ASSIGN(const size_t sent, channel_->TrySend(std::span(&frame, 1)));
    frame = frame.subspan(sent);
    if (sent == 0 && channel_->Wait(Channel::kToSend, until) == Channel::kNothing) {
      return Fail(Code::kDeadlineExceeded, "the node takes nothing");
    }
  }
  return {};
}

Result<void> Link::ShakeHands(const ClientOptions& options, Instant until) {
  // 1. Hello; Welcome says what would do as a proof of who we are.
  std::array<std::byte, kHandshakeBytes> frame;
  const wire::Hello hello{.nonce = DrawNonce(outside_.dialer), .client = kClientName, .later = {}};
  const size_t hello_size = EncodeHandshake(frame, hello);
  const std::vector<std::byte> hello_meta(frame.begin() + wire::kHeaderBytes,
                                          frame.begin() + static_cast<ptrdiff_t>(hello_size));
  FB_TRY(SendNow(Bytes(frame).first(hello_size), until));
  FB_TRY(ReceiveFrame(until));
  if (inbox_.header().type != MessageType::kWelcome) {
    return Fail(Code::kCorrupt, "the node's first message is no Welcome");
  }
  const std::vector<std::byte> welcome_meta(inbox_.meta().begin(), inbox_.meta().end());
  inbox_.Finish();
  FB_ASSIGN(const auto welcome,
            wire::DecodeMeta<wire::Welcome>(MessageType::kWelcome, welcome_meta));
  FB_ASSIGN(const uint8_t method, MethodOf(welcome, options));
  info_ = {.features = welcome.features,
           .node_id = welcome.node_id,
           .node_name = std::string(welcome.node_name),
           .limits = welcome.limits};

  // 2. The proof, and the node's in turn.
  wire::Auth auth{.method = method, .token_name = {}};
  wire::Proof expected{};
  if (method == wire::kAuthToken) {
    const std::string& secret = options.token->secret;
    auth.token_name = options.token->name;
    auth.proof = wire::Prove(secret, wire::ClientTranscript(hello_meta, welcome_meta));
    expected = wire::Prove(secret, wire::ServerTranscript(hello_meta, welcome_meta));
  }
  FB_TRY(SendNow(Bytes(frame).first(EncodeHandshake(frame, auth)), until));
  FB_TRY(ReceiveFrame(until));
  if (inbox_.header().type != MessageType::kReady) {
    return Fail(Code::kCorrupt, "the node's second message is no Ready");
  }
  FB_ASSIGN(const auto ready, wire::DecodeMeta<wire::Ready>(MessageType::kReady, inbox_.meta()));
  if (!wire::SameProof(ready.proof, expected)) {
    return Fail(Code::kUnauthenticated, "the node could not prove that it knows the token");
  }
  inbox_.Finish();
  return {};
}

}  // namespace forebay::client
