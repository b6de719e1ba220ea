#include "src/node/gate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <map>
#include <mutex>
#include <shared_mutex>

#include "src/base/assert.h"
#include "src/node/token_file.h"

namespace forebay {
namespace {

constexpr size_t kProofBytes = 32;
constexpr size_t kMaxAllowedIds = 1024;
using Proof = std::array<unsigned char, kProofBytes>;

Proof Hmac(std::string_view secret, Bytes transcript) {
  Proof proof{};
  unsigned int size = 0;
  const unsigned char* done = HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
                                   reinterpret_cast<const unsigned char*>(transcript.data()),
                                   transcript.size(), proof.data(), &size);
  FB_ASSERT(done != nullptr && size == proof.size());
  return proof;
}

std::unexpected<Error> UnknownToken() {
  return Fail(Code::kUnauthenticated,
              "the node does not accept this token: its name is unknown or its secret is wrong");
}

std::string DescribeRights(Rights rights) {
  std::vector<std::string_view> words;
  if ((rights & kRead) != 0) words.push_back("read");
  if ((rights & kWrite) != 0) words.push_back("write");
  if ((rights & kList) != 0) words.push_back("list");
  if ((rights & kAdmin) != 0) words.push_back("admin");
  return fmt::format("{}", fmt::join(words, ", "));
}

Result<uint32_t> ParseId(std::string_view digits, std::string_view item) {
  uint32_t id = 0;
  const char* end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, id);
  if (digits.empty() || error != std::errc() || stopped != end) {
    return Fail(Code::kInvalidArgument,
                fmt::format("allow '{}': the id is a number below 2^32, as in uid:1000", item));
  }
  return id;
}

void SortUnique(std::vector<uint32_t>& ids) {
  std::ranges::sort(ids);
  const auto rest = std::ranges::unique(ids);
  ids.erase(rest.begin(), rest.end());
}

}  // namespace

Result<LocalAllow> LocalAllow::Parse(std::string_view text) {
  LocalAllow allow;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view item = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    const bool user = item.starts_with("uid:");
    if (!user && !item.starts_with("gid:")) {
      return Fail(
          Code::kInvalidArgument,
          fmt::format("allow '{}': write uid:NUMBER or gid:NUMBER, joined by commas", item));
    }
    FB_ASSIGN(const uint32_t id, ParseId(item.substr(4), item));
    (user ? allow.uids : allow.gids).push_back(id);
    if (allow.uids.size() + allow.gids.size() > kMaxAllowedIds) {
      return Fail(Code::kInvalidArgument,
                  fmt::format("allow: more than {} ids; allow a group instead", kMaxAllowedIds));
    }
  }
  SortUnique(allow.uids);
  SortUnique(allow.gids);
  return allow;
}

std::string LocalAllow::ToString() const {
  std::vector<std::string> items;
  for (const uint32_t uid : uids) items.push_back(fmt::format("uid:{}", uid));
  for (const uint32_t gid : gids) items.push_back(fmt::format("gid:{}", gid));
  return fmt::format("{}", fmt::join(items, ","));
}

bool LocalAllow::Admits(const LocalPeer& peer) const {
  if (uids.empty() && gids.empty()) return true;
  return std::ranges::find(uids, peer.uid) != uids.end() ||
         std::ranges::find(gids, peer.gid) != gids.end();
}

/// Lives as long as a connection that proved it; what it may do changes under them.
struct Gate::Token {
  std::string name;
  Secret secret;
  mutable std::shared_mutex mutex;
  Grants grants;  // guarded by mutex; nothing once the token is gone

  Rights Of(std::string_view attachment) const {
    const std::shared_lock lock(mutex);
    return grants.Of(attachment);
  }
  void Replace(Grants with) {
    const std::unique_lock lock(mutex);
    grants = std::move(with);
  }
};

struct Gate::State {
  uint32_t own_uid = 0;
  std::atomic<bool> has_tokens = false;
  mutable std::shared_mutex mutex;
  std::map<std::string, std::shared_ptr<Token>, std::less<>> tokens;  // guarded by mutex
};

Gate::Gate(Options options) : state_(std::make_unique<State>()) {
  state_->own_uid = options.own_uid;
}

Gate::~Gate() = default;

Result<std::unique_ptr<Gate>> Gate::Create(Options options) {
  std::unique_ptr<Gate> gate(new Gate(options));
  FB_TRY(gate->ReplaceTokens(options.token_file_text));
  OPENSSL_cleanse(options.token_file_text.data(), options.token_file_text.size());
  return gate;
}

Result<void> Gate::ReplaceTokens(std::string_view token_file_text) {
  FB_ASSIGN(std::vector<TokenLine> lines, ParseTokenFile(token_file_text));
  const std::unique_lock lock(state_->mutex);
  auto old = std::exchange(state_->tokens, {});
  for (TokenLine& line : lines) {
    const auto found = old.find(line.name);
    std::shared_ptr<Token>& token = state_->tokens[line.name];
    // Who proved another secret has proved nothing of this one.
    if (found != old.end() && found->second->secret == line.secret) {
      token = std::move(old.extract(found).mapped());
    } else {
      token = std::make_shared<Token>();
      token->name = line.name;
      token->secret = std::move(line.secret);
    }
    token->Replace(std::move(line.grants));
  }
  for (const auto& [name, token] : old) token->Replace({});
  state_->has_tokens = !state_->tokens.empty();
  return {};
}

bool Gate::has_tokens() const {
  return state_->has_tokens;
}

Authenticated Gate::AdmitLocal(const LocalPeer& peer) const {
  return Authenticated(std::make_shared<Authenticated::Identity>(
      Authenticated::Identity{.who = fmt::format("uid {}", peer.uid), .local = peer}));
}

Authenticated Gate::AdmitSelf() const {
  return Authenticated(std::make_shared<Authenticated::Identity>(
      Authenticated::Identity{.who = "this node", .local = LocalPeer{.uid = state_->own_uid}}));
}

Result<Authenticated> Gate::AdmitLoopback() const {
  if (has_tokens()) {
    return Fail(
        Code::kUnauthenticated,
        "this node wants a token: name one that its token file has, or use its Unix socket");
  }
  return Authenticated(std::make_shared<Authenticated::Identity>(
      Authenticated::Identity{.who = "a loopback caller without a token"}));
}

std::shared_ptr<const Gate::Token> Gate::FindToken(std::string_view name) const {
  const std::shared_lock lock(state_->mutex);
  const auto found = state_->tokens.find(name);
  return found == state_->tokens.end() ? nullptr : found->second;
}

Result<Authenticated> Gate::AdmitToken(std::string_view name, Bytes transcript, Bytes proof) const {
  const std::shared_ptr<const Token> token = FindToken(name);
  // An unknown name costs what a known one costs, so that time does not tell them apart.
  static constexpr std::array<char, kMinSecretBytes> kNobody{};
  const std::string_view secret =
      token != nullptr ? token->secret.bytes() : std::string_view(kNobody.data(), kNobody.size());
  const Proof want = Hmac(secret, transcript);
  const bool right =
      proof.size() == want.size() && CRYPTO_memcmp(want.data(), proof.data(), want.size()) == 0;
  if (token == nullptr || !right) return UnknownToken();
  return Authenticated(std::make_shared<Authenticated::Identity>(
      Authenticated::Identity{.who = "token " + token->name, .token = token}));
}

Result<std::string> Gate::ProveToken(std::string_view name, Bytes transcript) const {
  const std::shared_ptr<const Token> token = FindToken(name);
  if (token == nullptr) return UnknownToken();
  const Proof proof = Hmac(token->secret.bytes(), transcript);
  return std::string(reinterpret_cast<const char*>(proof.data()), proof.size());
}

bool Gate::IsMaster(const LocalPeer& peer) const {
  return peer.uid == 0 || peer.uid == state_->own_uid;
}

Rights Gate::RightsOf(const Authenticated& caller, const GuardedAttachment& attachment) const {
  constexpr Rights kOrdinary = kAllRights & ~kAdmin;
  const Authenticated::Identity& identity = *caller.identity_;
  if (identity.token != nullptr) {
    return static_cast<const Token*>(identity.token.get())->Of(attachment.name);
  }
  if (identity.local) {
    if (IsMaster(*identity.local)) return kAllRights;
    return attachment.allow.Admits(*identity.local) ? kOrdinary : 0;
  }
  // By loopback: nobody vouches for who it is.
  const LocalAllow& allow = attachment.allow;
  return !has_tokens() && allow.uids.empty() && allow.gids.empty() ? kOrdinary : 0;
}

Result<void> Gate::Check(const Authenticated& caller, Rights needed,
                         const GuardedAttachment& attachment) const {
  const auto missing = static_cast<Rights>(needed & ~RightsOf(caller, attachment));
  if (missing == 0) return {};
  return Fail(Code::kPermissionDenied, fmt::format("{} has no right to {} in /{}", caller.who(),
                                                   DescribeRights(missing), attachment.name));
}

Result<void> Gate::CheckAdmin(const Authenticated& caller) const {
  const Authenticated::Identity& identity = *caller.identity_;
  bool allowed = false;
  if (identity.token != nullptr) {
    // "*" is no attachment's name, so this asks for what is granted everywhere.
    allowed = (static_cast<const Token*>(identity.token.get())->Of("*") & kAdmin) != 0;
  } else if (identity.local) {
    allowed = IsMaster(*identity.local);
  }
  if (allowed) return {};
  return Fail(Code::kPermissionDenied,
              fmt::format("{} has no right to admin the node; ask as root, as the node's user, or "
                          "with a token that has *:a",
                          caller.who()));
}

}  // namespace forebay
