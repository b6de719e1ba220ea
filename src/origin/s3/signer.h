// Keeps keys and signs with them: finds them when they are first needed, renews temporary ones
// before they end, and looks again where the store refuses them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "src/origin/http/bell.h"
#include "src/origin/http/fetcher.h"
#include "src/origin/s3/key_source.h"

namespace forebay::s3 {

/// Temporary keys are renewed so long before they end; until then the old ones go on.
inline constexpr Duration kRenewBefore = std::chrono::minutes(5);
/// Looking again happens at most so often, whatever is refused or fails; more rarely while there
/// are keys that serve.
inline constexpr Duration kLookAgainAfter = std::chrono::seconds(1);
inline constexpr Duration kRenewAgainAfter = std::chrono::seconds(10);

class S3Signer final : public http_origin::Signer {
 public:
  /// No source: anonymous, nothing is signed.
  S3Signer(std::unique_ptr<KeySource> source, std::string region);

  Task<Result<void>> Sign(Env& env, HttpRequest& request, Call call) override;
  bool Refused() override;
  std::string Describe() const override;

  /// The moment that the last signature named; 0 before the first.
  int64_t last_signed_wall_ns() const { return last_signed_wall_ns_; }
  const std::string& region() const { return region_; }

 private:
  bool Usable(Env& env) const;
  bool WantsLook(Env& env) const;
  Task<Result<void>> Look(Env& env, Call call);
  void Keep(Env& env, Result<Looked> looked);

  const std::unique_ptr<KeySource> source_;
  const std::string region_;
  std::optional<Keys> keys_;
  std::string told_;
  Instant looked_at_;
  std::optional<Error> failed_;  // of the last look; told to all who ask soon after it
  bool refused_ = false;
  bool looking_ = false;
  http_origin::Bell looked_;
  int64_t last_signed_wall_ns_ = 0;
};

}  // namespace forebay::s3
