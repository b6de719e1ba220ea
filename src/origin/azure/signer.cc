#include "src/origin/azure/signer.h"

#include <fmt/format.h>

#include <utility>

#include "src/origin/azure/shared_key.h"
#include "src/origin/http/request.h"
#include "src/origin/http/text.h"

namespace forebay::azure {

using http_origin::RemoveHeader;
using http_origin::SetHeader;

std::string AzureSigner::Describe() const {
  return told_.empty() ? "credentials that were not looked for yet" : told_;
}

bool AzureSigner::Refused() {
  if (!source_->changes()) return false;
  refused_ = true;
  return true;
}

bool AzureSigner::Usable(Env& env) const {
  return credential_ && env.clock.WallNanos() < credential_->ends_wall_ns;
}

bool AzureSigner::WantsLook(Env& env) const {
  const bool lately = env.clock.Now() - looked_at_ < kLookAgainAfter;
  if (failed_ && lately) return false;
  if (!credential_) return true;
  if (!source_->changes()) return false;
  if (!Usable(env)) return !lately;
  const bool ends = credential_->ends_wall_ns != INT64_MAX &&
                    env.clock.WallNanos() >= credential_->ends_wall_ns - kRenewBefore.count();
  return (ends || refused_) && !lately;
}

void AzureSigner::Keep(Result<Looked> looked) {
  failed_.reset();
  if (!looked) {
    const Code code = looked.error().code();
    // That one asker gave up says nothing to the others.
    if (code == Code::kCancelled || code == Code::kDeadlineExceeded) return;
    failed_ = looked.error().Within("credentials");
  } else if (!looked->credential) {
    failed_ = Error(Code::kPermissionDenied,
                    fmt::format("no credentials: {}; set them, say where they are with "
                                "?credentials=, or say credentials=anonymous",
                                looked->told));
  } else {
    credential_ = std::move(looked->credential);
    told_ = std::move(looked->told);
    refused_ = false;
  }
}

Task<Result<void>> AzureSigner::Look(Env& env, Call call) {
  looking_ = true;
  auto looked = co_await source_->Look(env, call);
  looking_ = false;
  looked_at_ = env.clock.Now();
  Result<void> result;
  if (!looked) result = Fail(looked.error());
  Keep(std::move(looked));
  looked_.Ring();
  co_return result;
}

Error AzureSigner::Ended() const {
  const std::string when = http_origin::HttpDate(credential_->ends_wall_ns);
  if (credential_->kind == Credential::Kind::kSas) {
    return Error(Code::kPermissionDenied,
                 fmt::format("credentials: the {} ended at {}; make a new one", told_, when));
  }
  return Error(
      Code::kUnavailable,
      fmt::format("credentials: the token of {} ended at {}, and no other was given", told_, when));
}

void AzureSigner::Apply(HttpRequest& request) const {
  SetHeader(request, "x-ms-version", std::string(kServiceVersion));
  RemoveHeader(request, "Authorization");
  switch (credential_->kind) {
    case Credential::Kind::kAnonymous:
      break;
    case Credential::Kind::kKey:
      SignWithKey(request, credential_->account, credential_->secret, last_signed_wall_ns_);
      break;
    case Credential::Kind::kSas:
      AddSas(request, credential_->secret);
      break;
    case Credential::Kind::kToken:
      SetHeader(request, "x-ms-date", http_origin::HttpDate(last_signed_wall_ns_));
      SetHeader(request, "Authorization", "Bearer " + credential_->secret);
      break;
  }
}

Task<Result<void>> AzureSigner::Renew(Env& env, Call call) {
  while (WantsLook(env)) {
    if (looking_) {
      if (Usable(env)) break;  // somebody renews; what there is still serves
      FB_CO_TRY(co_await looked_.Wait(env, call));
      continue;
    }
    const auto looked = co_await Look(env, call);
    if (Usable(env)) break;
    if (!looked) co_return Fail(looked.error().Within("credentials"));
  }
  co_return Result<void>();
}

Task<Result<void>> AzureSigner::Sign(Env& env, HttpRequest& request, Call call) {
  for (int i = 0; i < kRenewTries; ++i) {
    FB_CO_TRY(co_await Renew(env, call));
    const bool ended = credential_ && credential_->kind == Credential::Kind::kToken && !failed_;
    if (Usable(env) || !ended) break;
    // Tokens come from caches, or late: some have ended when they are there.
    const Instant again = looked_at_ + kLookAgainAfter;
    if (again >= call.deadline) break;
    FB_CO_TRY(co_await env.clock.SleepUntil(again, call.cancel));
  }
  if (!Usable(env)) {
    if (failed_) co_return Fail(*failed_);
    if (!credential_) co_return Fail(Code::kUnavailable, "credentials: nobody answered in time");
    co_return Fail(Ended());
  }
  last_signed_wall_ns_ = env.clock.WallNanos();
  Apply(request);
  co_return Result<void>();
}

}  // namespace forebay::azure
