#include "src/origin/s3/signer.h"

#include <fmt/format.h>

#include <utility>

#include "src/origin/http/text.h"

namespace forebay::s3 {
namespace {

bool GaveUp(const Error& error) {
  return error.code() == Code::kCancelled || error.code() == Code::kDeadlineExceeded;
}

}  // namespace

S3Signer::S3Signer(std::unique_ptr<KeySource> source, std::string region)
    : source_(std::move(source)), region_(std::move(region)) {}

std::string S3Signer::Describe() const {
  if (source_ == nullptr) return "anonymous";
  if (!told_.empty()) return told_;
  return failed_ ? "none were found" : "not looked for yet";
}

bool S3Signer::Refused() {
  if (source_ == nullptr || !source_->changes()) return false;
  refused_ = true;
  return true;
}

bool S3Signer::Usable(Env& env) const {
  return keys_ && env.clock.WallNanos() < keys_->ends_wall_ns;
}

bool S3Signer::WantsLook(Env& env) const {
  const Duration since = env.clock.Now() - looked_at_;
  if (!Usable(env)) return (!failed_ && !keys_) || since >= kLookAgainAfter;
  if (refused_ && since >= kLookAgainAfter) return true;
  const bool ends = keys_->ends_wall_ns != INT64_MAX &&
                    env.clock.WallNanos() >= keys_->ends_wall_ns - kRenewBefore.count();
  return ends && since >= kRenewAgainAfter;
}

void S3Signer::Keep(Env& env, Result<Looked> looked) {
  failed_.reset();
  // That one asker gave up says nothing to the others.
  if (!looked && GaveUp(looked.error())) return;
  looked_at_ = env.clock.Now();
  if (!looked) {
    failed_ = looked.error().Within("credentials");
  } else if (!looked->keys) {
    failed_ = Error(Code::kPermissionDenied,
                    fmt::format("no credentials: {}; set them, say where they are with "
                                "?credentials=, or say credentials=anonymous",
                                looked->told));
  } else {
    keys_ = std::move(looked->keys);
    told_ = std::move(looked->told);
    refused_ = false;
  }
}

Task<Result<void>> S3Signer::Look(Env& env, Call call) {
  looking_ = true;
  auto looked = co_await source_->Look(env, call);
  looking_ = false;
  Result<void> result;
  if (!looked) result = Fail(looked.error());
  Keep(env, std::move(looked));
  looked_.Ring();
  co_return result;
}

Task<Result<void>> S3Signer::Sign(Env& env, HttpRequest& request, Call call) {
  if (source_ == nullptr) co_return Result<void>();
  while (WantsLook(env)) {
    if (looking_) {
      if (Usable(env)) break;  // somebody renews; what there is still serves
      FB_CO_TRY(co_await looked_.Wait(env, call));
      continue;
    }
    const auto looked = co_await Look(env, call);
    if (Usable(env) && failed_) {
      env.log.Warning("origin", fmt::format("keys of {} could not be renewed and go on for now: {}",
                                            told_, failed_->message()));
    }
    if (Usable(env)) break;
    if (!looked) co_return Fail(looked.error().Within("credentials"));
  }
  if (!Usable(env)) {
    if (failed_) co_return Fail(*failed_);
    co_return Fail(Code::kPermissionDenied,
                   fmt::format("credentials: {} gives keys that have ended, at {}; it is {} by the "
                               "clock of this machine",
                               told_, http_origin::HttpDate(keys_->ends_wall_ns),
                               http_origin::HttpDate(env.clock.WallNanos())));
  }
  last_signed_wall_ns_ = env.clock.WallNanos();
  SignRequest(request, *keys_, region_, last_signed_wall_ns_);
  co_return Result<void>();
}

}  // namespace forebay::s3
