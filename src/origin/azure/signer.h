// Keeps what proves who we are: finds it when it is first needed, renews tokens before they end,
// and looks again where the service refuses it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "src/origin/azure/credentials.h"
#include "src/origin/http/bell.h"
#include "src/origin/http/fetcher.h"

namespace forebay::azure {

/// Tokens are renewed so long before they end; until then the old ones go on.
inline constexpr Duration kRenewBefore = std::chrono::minutes(5);
/// Looking again happens at most so often, whatever is refused or fails.
inline constexpr Duration kLookAgainAfter = std::chrono::seconds(1);
/// So often where what is found has ended already.
inline constexpr int kRenewTries = 5;

class AzureSigner final : public http_origin::Signer {
 public:
  explicit AzureSigner(std::unique_ptr<CredentialSource> source) : source_(std::move(source)) {}

  /// Also names the protocol's version, which every request has.
  Task<Result<void>> Sign(Env& env, HttpRequest& request, Call call) override;
  bool Refused() override;
  std::string Describe() const override;

  /// The moment that the last signing named; 0 before the first.
  int64_t last_signed_wall_ns() const { return last_signed_wall_ns_; }
  /// Null before the first look.
  const Credential* credential() const { return credential_ ? &*credential_ : nullptr; }

 private:
  bool Usable(Env& env) const;
  bool WantsLook(Env& env) const;
  Task<Result<void>> Renew(Env& env, Call call);
  Task<Result<void>> Look(Env& env, Call call);
  void Keep(Result<Looked> looked);
  Error Ended() const;
  void Apply(HttpRequest& request) const;

  const std::unique_ptr<CredentialSource> source_;
  std::optional<Credential> credential_;
  std::string told_;
  Instant looked_at_;
  std::optional<Error> failed_;  // of the last look; told to all who ask soon after it
  bool refused_ = false;
  bool looking_ = false;
  http_origin::Bell looked_;
  int64_t last_signed_wall_ns_ = 0;
};

}  // namespace forebay::azure
