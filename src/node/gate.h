// The one gate that every door goes through. A request carries an Authenticated, and only the gate
// makes one, so code that serves bytes without having asked does not compile.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/block_key.h"
#include "src/base/bytes.h"
#include "src/base/result.h"

namespace forebay {

/// What a caller may do with one attachment. Admin is the right to attach, detach and evict. By
/// Unix socket root and the node's own user have all rights, others who are let in all but admin.
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
  struct Identity {
    std::string who;                    // "uid 1000", "token reader": for logs, never a secret
    std::optional<LocalPeer> local;     // by Unix socket; neither this nor a token: by loopback
    std::shared_ptr<const void> token;  // by token; the gate's own
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
    /// Lines "NAME SECRET-IN-HEX /ATTACHMENT:RIGHTS[,…]" (rights of "rwla", attachment "*" for
    /// all); given anew when the file changes. Without one: no tokens, and TCP is for loopback
    /// only.
    std::string token_file_text;
    uint32_t own_uid = 0;
  };
  static Result<std::unique_ptr<Gate>> Create(Options options);
  ~Gate();

  /// New contents of the token file: tokens that are gone or have another secret lose their rights
  /// at once, in open connections too. An error leaves the old ones in force.
  Result<void> ReplaceTokens(std::string_view token_file_text);
  bool has_tokens() const;

  Authenticated AdmitLocal(const LocalPeer& peer) const;
  /// A caller by TCP from this machine where no tokens are configured: as one by Unix socket whose
  /// user is not known, until tokens are. kUnauthenticated otherwise.
  Result<Authenticated> AdmitLoopback() const;
  /// `proof` is HMAC-SHA256 of `transcript` under the token's secret; compared in constant time.
  /// kUnauthenticated for unknown names and wrong proofs alike, without saying which.
  Result<Authenticated> AdmitToken(std::string_view name, Bytes transcript, Bytes proof) const;
  /// What the server proves in turn with the same secret.
  Result<std::string> ProveToken(std::string_view name, Bytes transcript) const;
  /// The node's own work (prefetching, its own commands).
  Authenticated AdmitSelf() const;

  /// kPermissionDenied names the caller, the attachment and the missing right. Costs no allocation
  /// where the answer is yes.
  Result<void> Check(const Authenticated& caller, Rights needed,
                     const GuardedAttachment& attachment) const;
  /// For what belongs to no attachment (attach, status): admin everywhere.
  Result<void> CheckAdmin(const Authenticated& caller) const;

 private:
  explicit Gate(Options options);
  struct Token;
  struct State;
  Rights RightsOf(const Authenticated& caller, const GuardedAttachment& attachment) const;
  bool IsMaster(const LocalPeer& peer) const;
  std::shared_ptr<const Token> FindToken(std::string_view name) const;
  std::unique_ptr<State> state_;
};

}  // namespace forebay
