#include "src/node/gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <mutex>

#include "src/wire/handshake.h"

namespace forebay {
namespace {

constexpr size_t kMaxTokens = 10'000;
/// Shorter ones can be guessed.
constexpr size_t kMinSecretBytes = 16;
constexpr std::string_view kEverything = "*";
constexpr std::string_view kAnonymous = "anonymous";
constexpr size_t kMaxAccessKeyBytes = 128;
constexpr size_t kMinKeySecretBytes = 8;

struct NamedRight {
  char letter;
  Right right;
  std::string_view name;
};
constexpr NamedRight kNamedRights[] = {
    {'r', kRead, "read"}, {'w', kWrite, "write"}, {'l', kList, "list"}, {'a', kAdmin, "admin"}};

std::string NamesOf(Rights rights) {
  std::string names;
  for (const NamedRight& named : kNamedRights) {
    if ((rights & named.right) == 0) continue;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", named.name);
  }
  return names;
}

Result<Rights> ParseRights(std::string_view letters) {
  Rights rights = 0;
  for (const char letter : letters) {
    const auto named = std::ranges::find(kNamedRights, letter, &NamedRight::letter);
    if (named == std::end(kNamedRights)) {
      return Fail(
          Code::kInvalidArgument,
          fmt::format("'{}' is no right: there are r (read), w (write), l (list), a (admin)",
                      letter));
    }
    rights |= named->right;
  }
  if (rights == 0) return Fail(Code::kInvalidArgument, "no rights after ':', for example \"rl\"");
  return rights;
}

/// The text up to `separator`, which is taken away with it.
std::string_view Next(std::string_view& text, char separator) {
  const size_t at = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return part;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

}  // namespace

// -- Who may come by Unix socket

Result<LocalAllow> LocalAllow::Parse(std::string_view text) {
  LocalAllow allow;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view part = Trim(Next(rest, ','));
    const bool group = part.starts_with("gid:");
    const std::string_view digits = part.substr(std::min<size_t>(part.size(), 4));
    uint32_t id = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), id);
    const bool whole = parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size();
    if ((!group && !part.starts_with("uid:")) || !whole) {
      return Fail(Code::kInvalidArgument,
                  fmt::format("'{}' is neither uid:NUMBER nor gid:NUMBER", part));
    }
    (group ? allow.gids : allow.uids).push_back(id);
  }
  return allow;
}

std::string LocalAllow::ToString() const {
  std::string text;
  for (const uint32_t id : uids) text += fmt::format("{}uid:{}", text.empty() ? "" : ",", id);
  for (const uint32_t id : gids) text += fmt::format("{}gid:{}", text.empty() ? "" : ",", id);
  return text;
}

bool LocalAllow::Admits(const LocalPeer& peer) const {
  if (uids.empty() && gids.empty()) return true;
  return std::ranges::find(uids, peer.uid) != uids.end() ||
         std::ranges::find(gids, peer.gid) != gids.end();
}

// -- Tokens

struct Authenticated::Token {
  struct Grant {
    std::string attachment;  // or kEverything
    Rights rights = 0;
  };
  std::string secret;
  std::vector<Grant> grants;  // guarded by the gate's mutex; none: the token is gone

  Rights RightsFor(std::string_view attachment) const {
    Rights rights = 0;
    for (const Grant& grant : grants) {
      if (grant.attachment == attachment || grant.attachment == kEverything) rights |= grant.rights;
    }
    return rights;
  }
};

namespace {

/// "/imagenet:rl,*:r"
template <class Grant>
Result<std::vector<Grant>> ParseGrants(std::string_view text) {
  std::vector<Grant> grants;
  while (!text.empty()) {
    std::string_view grant = Next(text, ',');
    std::string_view name = Next(grant, ':');
    if (name != kEverything && (name.size() < 2 || !name.starts_with('/'))) {
      return Fail(Code::kInvalidArgument,
                  fmt::format("'{}' is neither /ATTACHMENT nor * for all", name));
    }
    if (name.starts_with('/')) name.remove_prefix(1);
    FB_ASSIGN(const Rights rights, ParseRights(grant));
    grants.push_back({std::string(name), rights});
  }
  if (grants.empty())
    return Fail(Code::kInvalidArgument, "no rights, for example \"/imagenet:rl\"");
  return grants;
}

}  // namespace

Result<Gate::Tokens> Gate::ParseTokens(std::string_view text) {
  Tokens tokens;
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = Trim(Next(text, '\n'));
    if (line.empty() || line.starts_with('#')) continue;
    const std::string where = fmt::format("token file, line {}", number);
    const size_t grants_at = line.rfind(' ') + 1;
    auto named = wire::Token::Parse(Trim(line.substr(0, grants_at)));
    if (!named) {
      return Fail(Code::kInvalidArgument,
                  where + ": expected \"NAME SECRET-IN-HEX /ATTACHMENT:RIGHTS\"");
    }
    if (named->name == wire::kPeerToken) {
      return Fail(Code::kInvalidArgument, fmt::format("{}: {} is the name of the cell's own secret",
                                                      where, wire::kPeerToken));
    }
    if (named->secret.size() < kMinSecretBytes) {
      return Fail(Code::kInvalidArgument,
                  fmt::format("{}: a secret has at least {} hex digits, for example from "
                              "`openssl rand -hex 32`",
                              where, 2 * kMinSecretBytes));
    }
    auto grants = ParseGrants<Authenticated::Token::Grant>(line.substr(grants_at));
    if (!grants) return Fail(grants.error().Within(where));
    auto token = std::make_shared<Authenticated::Token>();
    token->secret = std::move(named->secret);
    token->grants = std::move(*grants);
    if (!tokens.emplace(named->name, std::move(token)).second) {
      return Fail(Code::kInvalidArgument, fmt::format("{}: '{}' again", where, named->name));
    }
    if (tokens.size() > kMaxTokens) {
      return Fail(Code::kInvalidArgument, fmt::format("{}: more than {}", where, kMaxTokens));
    }
  }
  return tokens;
}

namespace {

bool IsAccessKey(std::string_view text) {
  return !text.empty() && text.size() <= kMaxAccessKeyBytes &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view("-._+=@").contains(c);
         });
}

}  // namespace

Result<Gate::Tokens> Gate::ParseKeys(std::string_view text) {
  Tokens keys;
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = Trim(Next(text, '\n'));
    if (line.empty() || line.starts_with('#')) continue;
    const auto wrong = [number](std::string_view why) {
      return Fail(Code::kInvalidArgument, fmt::format("key file, line {}: {}", number, why));
    };
    const size_t grants_at = line.find_last_of(" \t") + 1;
    std::string_view rest = Trim(line.substr(0, grants_at));
    const std::string_view name = rest.substr(0, rest.find_first_of(" \t"));
    const std::string_view secret = Trim(rest.substr(name.size()));
    const bool anonymous = name == kAnonymous && secret.empty();
    if (!IsAccessKey(name) || secret.find_first_of(" \t") != secret.npos ||
        (secret.empty() && !anonymous)) {
      return wrong("expected \"ACCESS-KEY SECRET /ATTACHMENT:RIGHTS\"");
    }
    if (!anonymous && secret.size() < kMinKeySecretBytes) {
      return wrong(fmt::format("a secret has at least {} characters", kMinKeySecretBytes));
    }
    // What is no right may be a secret with a space in it, and is not told.
    if (line[grants_at] != '/' && line[grants_at] != '*') {
      return wrong("expected /ATTACHMENT:RIGHTS or *:RIGHTS at its end");
    }
    auto grants = ParseGrants<Authenticated::Token::Grant>(line.substr(grants_at));
    if (!grants) return wrong(grants.error().message());
    auto key = std::make_shared<Authenticated::Token>();
    key->secret = secret;
    key->grants = std::move(*grants);
    if (!keys.emplace(name, std::move(key)).second) return wrong(fmt::format("'{}' again", name));
    if (keys.size() > kMaxTokens) return wrong(fmt::format("more than {}", kMaxTokens));
  }
  return keys;
}

Result<std::unique_ptr<Gate>> Gate::Create(const Options& options) {
  std::unique_ptr<Gate> gate(new Gate(options));
  FB_TRY(gate->ReplaceTokens(options.token_file_text));
  FB_TRY(gate->ReplaceKeys(options.key_file_text));
  return gate;
}

/// Who came with one holds on to it: those that stay take the new rights over, the others lose
/// theirs.
void Gate::TakeOver(Tokens& tokens, Tokens fresh) {
  for (const auto& [name, old] : tokens) {
    const auto same = fresh.find(name);
    if (same != fresh.end() && same->second->secret == old->secret) {
      old->grants = std::move(same->second->grants);
      same->second = old;
    } else {
      old->grants.clear();
    }
  }
  tokens = std::move(fresh);
}

Result<void> Gate::ReplaceTokens(std::string_view token_file_text) {
  FB_ASSIGN(Tokens fresh, ParseTokens(token_file_text));
  const std::unique_lock lock(mutex_);
  TakeOver(tokens_, std::move(fresh));
  return {};
}

Result<void> Gate::ReplaceKeys(std::string_view key_file_text) {
  FB_ASSIGN(Tokens fresh, ParseKeys(key_file_text));
  const std::unique_lock lock(mutex_);
  TakeOver(keys_, std::move(fresh));
  key_generation_.fetch_add(1, std::memory_order_release);
  return {};
}

bool Gate::has_keys() const {
  const std::shared_lock lock(mutex_);
  return keys_required_ || !keys_.empty();
}

bool Gate::has_tokens() const {
  const std::shared_lock lock(mutex_);
  return tokens_required_ || !tokens_.empty();
}

std::shared_ptr<const Authenticated::Token> Gate::Find(const Tokens& among,
                                                       std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto found = among.find(name);
  return found == among.end() ? nullptr : found->second;
}

// -- Letting in

Authenticated Gate::AdmitLocal(const LocalPeer& peer) const {
  return Authenticated(std::make_shared<Authenticated::Identity>(
      Authenticated::Identity{.who = fmt::format("uid {}", peer.uid), .local = peer}));
}

Result<Authenticated> Gate::AdmitLoopback() const {
  if (has_tokens()) {
    return Fail(Code::kUnauthenticated,
                "this node asks for a token; name its file with "
                "FOREBAY_TOKEN_FILE or --token-file");
  }
  // One for all: nothing tells them apart, and some doors ask for each request.
  static const auto kSomebody = std::make_shared<const Authenticated::Identity>(
      Authenticated::Identity{.who = "somebody on this machine"});
  return Authenticated(kSomebody);
}

Result<Authenticated> Gate::AdmitToken(std::string_view name, Bytes transcript, Bytes proof) const {
  const bool peer = name == wire::kPeerToken && has_peers();
  const auto token = Find(tokens_, name);
  // The work is the same for a name that is not known, so that its time does not tell.
  static const std::string kNobody(kMinSecretBytes, '\0');
  const std::string& secret = peer ? cell_secret_ : token == nullptr ? kNobody : token->secret;
  const wire::Proof expected = wire::Prove(secret, AsText(transcript));
  wire::Proof given{};
  if (proof.size() == given.size()) std::ranges::copy(proof, given.begin());
  const bool right = wire::SameProof(expected, given) && proof.size() == given.size();
  if (!right || (token == nullptr && !peer)) {
    return Fail(Code::kUnauthenticated, "the token's name or its proof is not right");
  }
  if (peer) {
    return Authenticated(std::make_shared<Authenticated::Identity>(
        Authenticated::Identity{.who = "a node of the cell", .peer = true}));
  }
  return Authenticated(std::make_shared<Authenticated::Identity>(
      Authenticated::Identity{.who = fmt::format("token {}", name), .token = token}));
}

Result<std::string> Gate::ProveToken(std::string_view name, Bytes transcript) const {
  const bool peer = name == wire::kPeerToken && has_peers();
  const auto token = Find(tokens_, name);
  if (token == nullptr && !peer) return Fail(Code::kUnauthenticated, "the token is gone");
  const wire::Proof proof = wire::Prove(peer ? cell_secret_ : token->secret, AsText(transcript));
  return std::string(AsText(proof));
}

Result<Authenticated> Gate::AdmitKey(std::string_view access_key, const Proves& proves) const {
  const auto key = Find(keys_, access_key);
  if (key == nullptr || key->secret.empty()) {
    return Fail(Code::kNotFound, fmt::format("there is no key '{}'", access_key));
  }
  if (!proves(key->secret)) {
    return Fail(Code::kUnauthenticated, fmt::format("key {} did not sign this", access_key));
  }
  return Authenticated(std::make_shared<Authenticated::Identity>(
      Authenticated::Identity{.who = fmt::format("key {}", access_key), .token = key}));
}

Result<Authenticated> Gate::AdmitUnsigned() const {
  if (!has_keys()) return AdmitLoopback();
  const auto key = Find(keys_, kAnonymous);
  if (key == nullptr) return Fail(Code::kUnauthenticated, "this door asks for signed requests");
  return Authenticated(std::make_shared<Authenticated::Identity>(
      Authenticated::Identity{.who = std::string(kAnonymous), .token = key}));
}

Authenticated Gate::AdmitSelf() const {
  return Authenticated(std::make_shared<Authenticated::Identity>(
      Authenticated::Identity{.who = "this node", .self = true}));
}

// -- Asking

bool Gate::Privileged(const Authenticated& caller) const {
  const auto& local = caller.identity_->local;
  return caller.identity_->self || (local && (local->uid == 0 || local->uid == own_uid_));
}

Rights Gate::RightsOf(const Authenticated& caller, const GuardedAttachment& attachment) const {
  constexpr Rights kUse = kRead | kWrite | kList;
  if (Privileged(caller)) return kAllRights;
  const Authenticated::Identity& identity = *caller.identity_;
  if (identity.peer) return 0;  // asks as a node does, not as a reader
  if (identity.local) return attachment.allow.Admits(*identity.local) ? kUse : Rights{0};
  const std::shared_lock lock(mutex_);
  if (identity.token != nullptr) return identity.token->RightsFor(attachment.name);
  // Somebody by TCP from this machine: not once there are tokens, and not where only some users of
  // the machine are let in.
  const bool open = attachment.allow.uids.empty() && attachment.allow.gids.empty();
  return !tokens_required_ && tokens_.empty() && open ? kUse : Rights{0};
}

Result<void> Gate::Check(const Authenticated& caller, Rights needed,
                         const GuardedAttachment& attachment) const {
  const Rights rights = RightsOf(caller, attachment);
  if ((rights & needed) == needed) return {};
  return Fail(Code::kPermissionDenied,
              fmt::format("{} has no right to {} /{}", caller.who(),
                          NamesOf(static_cast<Rights>(needed & ~rights)), attachment.name));
}

Result<void> Gate::CheckPeer(const Authenticated& caller) const {
  if (caller.identity_->peer) return {};
  return Fail(
      Code::kPermissionDenied,
      fmt::format("{} is no node of this cell: its secret is what proves that", caller.who()));
}

Result<void> Gate::CheckAdmin(const Authenticated& caller) const {
  if (Privileged(caller)) return {};
  if (caller.identity_->token != nullptr) {
    const std::shared_lock lock(mutex_);
    if ((caller.identity_->token->RightsFor(kEverything) & kAdmin) != 0) return {};
  }
  return Fail(Code::kPermissionDenied,
              fmt::format("{} may not administer this node: come by its Unix socket as root or as "
                          "its user, or with a token that has *:a",
                          caller.who()));
}

}  // namespace forebay
