#include "src/node/context.h"

namespace forebay {
namespace {

constexpr Duration kFirstBackOff = std::chrono::milliseconds(20);

}  // namespace

Task<Result<void>> BackOff(Env& env, int attempt, Call call) {
  const int64_t whole = kFirstBackOff.count() << attempt;
  const auto part = static_cast<int64_t>(env.rng.Below(static_cast<uint64_t>(whole / 2) + 1));
  const Instant until = env.clock.Now() + Duration(whole / 2 + part);
  if (until > call.deadline) co_return Fail(Code::kDeadlineExceeded, "the deadline passed");
  co_return co_await env.clock.SleepUntil(until, call.cancel);
}

Error AsLate(Error error, const Attachment& attachment, Instant began, const NodeContext& context) {
  if (error.code() != Code::kDeadlineExceeded) return error;
  const Duration waited = context.env.clock.Now() - began;
  return Error(
      Code::kDeadlineExceeded,
      fmt::format("origin {} had not answered when the deadline passed, after {:.1f} s",
                  attachment.origin->url(), std::chrono::duration<double>(waited).count()));
}

Error AsSilence(Error error, const Attachment& attachment, const NodeContext& context) {
  if (error.code() != Code::kDeadlineExceeded) return error;
  return Error(
      Code::kUnavailable,
      fmt::format("origin {} gave no sign of life for {} s", attachment.origin->url(),
                  std::chrono::duration_cast<std::chrono::seconds>(context.options.origin_timeout)
                      .count()));
}

}  // namespace forebay
