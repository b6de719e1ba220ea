// A gate of a few lines, until the door's tests can link the real one: local callers may do
// everything, tokens everything with "/data".
#include "src/node/attachment.h"
#include "src/wire/handshake.h"

namespace forebay {

struct Gate::Tokens {};
struct Gate::State {
  std::vector<wire::Token> tokens;

  const wire::Token* Find(std::string_view name) const {
    for (const wire::Token& token : tokens) {
      if (token.name == name) return &token;
    }
    return nullptr;
  }
};

Gate::Gate(Options) : state_(std::make_unique<State>()) {}
Gate::~Gate() = default;

Result<std::unique_ptr<Gate>> Gate::Create(Options options) {
  std::unique_ptr<Gate> gate(new Gate(options));
  FB_TRY(gate->ReplaceTokens(options.token_file_text));
  return gate;
}

Result<void> Gate::ReplaceTokens(std::string_view text) {
  std::vector<wire::Token> tokens;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    FB_ASSIGN(wire::Token token, wire::Token::Parse(line));
    tokens.push_back(std::move(token));
  }
  state_->tokens = std::move(tokens);
  return {};
}

bool Gate::has_tokens() const {
  return !state_->tokens.empty();
}

Authenticated Gate::AdmitLocal(const LocalPeer& peer) const {
  return Authenticated(std::make_shared<Authenticated::Identity>(Authenticated::Identity{
      .who = "uid " + std::to_string(peer.uid), .local = peer, .token = {}}));
}

Result<Authenticated> Gate::AdmitLoopback() const {
  if (has_tokens()) return Fail(Code::kUnauthenticated, "a token is needed");
  return AdmitSelf();
}

Result<Authenticated> Gate::AdmitToken(std::string_view name, Bytes transcript, Bytes proof) const {
  const wire::Token* token = state_->Find(name);
  if (token == nullptr || AsText(wire::Prove(token->secret, AsText(transcript))) != AsText(proof)) {
    return Fail(Code::kUnauthenticated, "unknown token or wrong proof");
  }
  return AdmitSelf();
}

Result<std::string> Gate::ProveToken(std::string_view name, Bytes transcript) const {
  const wire::Token* token = state_->Find(name);
  if (token == nullptr) return Fail(Code::kUnauthenticated, "unknown token");
  return std::string(AsText(wire::Prove(token->secret, AsText(transcript))));
}

Authenticated Gate::AdmitSelf() const {
  return Authenticated(std::make_shared<Authenticated::Identity>(
      Authenticated::Identity{.who = "self", .local = {}, .token = {}}));
}

Result<void> Gate::Check(const Authenticated&, Rights, const GuardedAttachment&) const {
  return {};
}

Result<void> Gate::CheckAdmin(const Authenticated&) const {
  return {};
}

Result<LocalAllow> LocalAllow::Parse(std::string_view) {
  return LocalAllow{};
}
std::string LocalAllow::ToString() const {
  return "";
}
Result<Freshness> Freshness::Parse(std::string_view) {
  return Freshness{};
}
std::string Freshness::ToString() const {
  return "60s";
}

}  // namespace forebay
