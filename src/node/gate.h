// The one gate that every door goes through. A request carries an Authenticated, and only the gate
// makes one, so code that serves bytes without having asked does not compile.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/block_key.h"
#include "src/base/bytes.h"
#include "src/base/result.h"

namespace forebay {

/// What a caller may do with one attachment. Admin is the right to attach, detach and evict.
enum Right : uint8_t { kRead = 1, kWrite = 2, kList = 4, kAdmin = 8 };
using Rights = uint8_t;
inline constexpr Rights kAllRights = kRead | kWrite | kList | kAdmin;

/// The process at the other end of a Unix socket, as the kernel vouches for it.
struct LocalPeer {
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t pid = 0;
};

/// Who an attachment lets in by Unix socket: "uid:1000,gid:100"; empty lets in everyone on this
/// machine. Root and the node's own user are let in always.
struct LocalAllow {
  std::vector<uint32_t> uids;
  std::vector<uint32_t> gids;
  static Result<LocalAllow> Parse(std::string_view text);
  std::string ToString() const;
  bool Admits(const LocalPeer& peer) const;
};

/// Somebody who was let in, and nothing more: what they may touch is asked for each request.
class Authenticated {
 public:
  const std::string& who() const { return identity_->who; }

 private:
  friend class Gate;
  struct Token;
  struct Identity {
    std::string who;                     // "uid 1000", "token reader": for logs, never a secret
    std::optional<LocalPeer> local;      // by Unix socket
    std::shared_ptr<const Token> token;  // by token; the gate's own
    bool self = false;                   // the node itself
    bool peer = false;                   // another node of the cell
  };
  explicit Authenticated(std::shared_ptr<const Identity> identity)
      : identity_(std::move(identity)) {}
  std::shared_ptr<const Identity> identity_;
};

/// What the gate needs to know of an attachment.
struct GuardedAttachment {
  std::string_view name;
  const LocalAllow& allow;
};

/// Any thread.
class Gate {
 public:
  struct Options {
    /// Lines "NAME SECRET-IN-HEX /ATTACHMENT:RIGHTS[,…]" (rights of "rwla", "*" in place of
    /// "/ATTACHMENT" for all); '#' begins a comment. Empty: no tokens, and TCP is for loopback
    /// only.
    std::string token_file_text;
    /// There is a token file: should it become empty, then nobody comes by TCP, not everybody.
    bool tokens_required = false;
    /// Lines "ACCESS-KEY SECRET /ATTACHMENT:RIGHTS[,…]", for doors whose requests are signed; a
    /// line "anonymous /ATTACHMENT:RIGHTS[,…]" lets in what is not signed.
    std::string key_file_text;
    bool keys_required = false;  // likewise
    uint32_t own_uid = 0;
    /// What the nodes of the cell know, and nobody else. Empty: there are no peers.
    std::string cell_secret;
  };
  static Result<std::unique_ptr<Gate>> Create(const Options& options);
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  /// New contents of the token file: tokens that are gone lose their rights at once, in open
  /// connections too. An error leaves the old ones in force.
  Result<void> ReplaceTokens(std::string_view token_file_text);
  /// By TCP one comes with a token only.
  bool has_tokens() const;
  bool has_peers() const { return !cell_secret_.empty(); }
  /// The same for the file of keys.
  Result<void> ReplaceKeys(std::string_view key_file_text);
  bool has_keys() const;

  Authenticated AdmitLocal(const LocalPeer& peer) const;
  /// A caller by TCP from this machine where no tokens are configured: who that is nobody can tell,
  /// so it may touch what is open to everyone here, and administer nothing. kUnauthenticated
  /// otherwise.
  Result<Authenticated> AdmitLoopback() const;
  /// `proof` is HMAC-SHA256 of `transcript` under the token's secret; compared in constant time.
  /// kUnauthenticated for unknown names and wrong proofs alike, without saying which.
  Result<Authenticated> AdmitToken(std::string_view name, Bytes transcript, Bytes proof) const;
  /// What the server proves in turn with the same secret.
  Result<std::string> ProveToken(std::string_view name, Bytes transcript) const;
  /// Counts what may have changed the secrets of keys.
  uint64_t key_generation() const { return key_generation_.load(std::memory_order_acquire); }
  /// Whether a request was signed with the secret that it is given. It may derive from it what
  /// signs further requests, for as long as key_generation() stays, and must keep nothing of the
  /// secret itself.
  using Proves = std::function<bool(std::string_view secret)>;
  /// kNotFound: no such key; kUnauthenticated: it did not sign this.
  Result<Authenticated> AdmitKey(std::string_view access_key, const Proves& proves) const;
  /// A caller who shows no key: what the file of keys says of "anonymous", or, where there is no
  /// such file, AdmitLoopback.
  Result<Authenticated> AdmitUnsigned() const;
  /// The node's own work (prefetching, its own commands).
  Authenticated AdmitSelf() const;

  /// kPermissionDenied names the caller, the attachment and the missing right. Costs no allocation
  /// where the answer is yes.
  Result<void> Check(const Authenticated& caller, Rights needed,
                     const GuardedAttachment& attachment) const;
  /// For what belongs to no attachment (attach, status): admin everywhere.
  Result<void> CheckAdmin(const Authenticated& caller) const;
  /// For what nodes ask one another: whoever reads was asked for by the node that asks.
  Result<void> CheckPeer(const Authenticated& caller) const;

 private:
  using Tokens = std::map<std::string, std::shared_ptr<Authenticated::Token>, std::less<>>;
  explicit Gate(const Options& options)
      : own_uid_(options.own_uid),
        tokens_required_(options.tokens_required),
        cell_secret_(options.cell_secret),
        keys_required_(options.keys_required) {}
  static Result<Tokens> ParseTokens(std::string_view text);
  static Result<Tokens> ParseKeys(std::string_view text);
  /// Under the lock.
  static void TakeOver(Tokens& old, Tokens fresh);
  std::shared_ptr<const Authenticated::Token> Find(const Tokens& among,
                                                   std::string_view name) const;
  bool Privileged(const Authenticated& caller) const;
  Rights RightsOf(const Authenticated& caller, const GuardedAttachment& attachment) const;

  const uint32_t own_uid_;
  const bool tokens_required_;
  const std::string cell_secret_;
  const bool keys_required_;
  mutable std::shared_mutex mutex_;  // guards what follows, and what the tokens allow
  Tokens tokens_;
  Tokens keys_;
  std::atomic<uint64_t> key_generation_ = 0;
};

}  // namespace forebay
