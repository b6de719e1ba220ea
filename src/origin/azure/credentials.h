// Where a proof comes from. A reference names one place; the default goes through all places in the
// order in which the tools of Azure look, and stops at the first that has one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/origin/surroundings.h"
#include "src/runtime/env.h"

namespace forebay::azure {

/// What proves who we are. Never printed.
struct Credential {
  enum class Kind : uint8_t { kAnonymous, kKey, kSas, kToken };
  Kind kind = Kind::kAnonymous;
  std::string account;  // of a key: what signs is its name
  std::string secret;   // the key's bytes; NormalSas; the token
  int64_t ends_wall_ns = INT64_MAX;
};

/// What one look gave. `told` is for people: where it came from, or why there is none.
struct Looked {
  std::optional<Credential> credential;
  std::string told;
};

/// Used from one loop; one look at a time.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;
  /// An error means that something is there and wrong: nobody looks further then. No message holds
  /// anything of what was found but names.
  virtual Task<Result<Looked>> Look(Env& env, Call call) = 0;
  /// Looking again can give another one.
  virtual bool changes() const { return true; }
};

/// Of the parts of a connection string those that matter here.
struct ConnectionString {
  std::string account;
  std::string key;  // in base64
  std::string sas;
  std::string endpoint;  // of the Blob service
};
/// kInvalidArgument names what is missing, never a value.
Result<ConnectionString> ParseConnectionString(std::string_view text);
bool IsConnectionString(std::string_view text);

/// A key, a shared access signature or a connection string, by its form.
Result<Credential> CredentialOf(std::string_view text, std::string_view account);

/// `reference` as of ?credentials=: "" or "default", "env:NAME", "file:PATH", "managed-identity",
/// "managed-identity:CLIENT_ID", "workload-identity", "anonymous". kInvalidArgument lists them.
Result<std::unique_ptr<CredentialSource>> MakeCredentialSource(std::string_view reference,
                                                               const Surroundings& surroundings,
                                                               std::string_view account);

/// The endpoint that the connection string of `reference` names; "" where there is none.
std::string UsualEndpoint(std::string_view reference, const Surroundings& surroundings,
                          std::string_view account);

// ---- Tokens of Entra ID (token_sources.cc).

/// The metadata service of a virtual machine. Patient: several tries; otherwise a machine without
/// one is found out within a second.
std::unique_ptr<CredentialSource> TokensOfMachine(std::string client_id, bool patient);
/// A token of Kubernetes, exchanged for one of Entra ID. No token where none of its variables is
/// set; with some of them, or `wanted`, the missing one is an error.
std::unique_ptr<CredentialSource> TokensOfWorkload(const Surroundings& surroundings, bool wanted);

}  // namespace forebay::azure
