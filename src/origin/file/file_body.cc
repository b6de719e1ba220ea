#include "src/origin/file/file_body.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "src/origin/file/version.h"

namespace forebay::file_origin {
namespace {

/// Looks at a file that changes all the time.
constexpr int kMaxLooks = 5;

std::unexpected<Error> Changed(const Root& root, std::string_view path) {
  return root.Failed(Code::kVersionChanged, fmt::format("{} has changed", path));
}

/// Who asks for one version is told that it is no more.
std::unexpected<Error> Missing(const Root& root, Error error, std::string_view if_match) {
  if (error.code() != Code::kNotFound || if_match.empty()) return Fail(std::move(error));
  return root.Failed(Code::kVersionChanged, fmt::format("the version {} is gone", if_match));
}

class FileBody final : public OriginBody {
 public:
  FileBody(const Root& root, Env& env, Pinned pinned, uint64_t offset, uint64_t size)
      : root_(root),
        env_(env),
        pinned_(std::move(pinned)),
        info_(ObjectOf(pinned_.state)),
        offset_(std::min(offset, info_.size)),
        size_(std::min(size, info_.size - offset_)) {}

  const ObjectInfo& info() const override { return info_; }
  uint64_t size() const override { return size_; }

  /// Straight into the caller's memory. The file is looked at after the bytes are there: what was
  /// rewritten in place meanwhile shows by then.
  Task<Result<size_t>> Read(MutableBytes into, Call call) override {
    const size_t want = std::min<uint64_t>(into.size(), size_ - done_);
    if (want == 0) co_return 0;
    FB_CO_TRY(root_.CheckCall(env_, call));
    File& file = *pinned_.file;
    const auto got = co_await env_.disk.Read(file, offset_ + done_, into.first(want));
    if (!got) co_return root_.Failed(got.error());
    const auto now = co_await env_.disk.StatOpen(file);
    if (!now) co_return root_.Failed(now.error());
    if (!SameState(pinned_.state, *now)) co_return Changed(root_, file.path());
    if (*got == 0) {
      co_return root_.Failed(Code::kUnavailable,
                             fmt::format("{} ends at {}, before its size of {}", file.path(),
                                         offset_ + done_, info_.size));
    }
    done_ += *got;
    co_return *got;
  }

 private:
  const Root& root_;
  Env& env_;
  const Pinned pinned_;
  const ObjectInfo info_;
  const uint64_t offset_;
  const uint64_t size_;
  uint64_t done_ = 0;
};

/// How long `info`'s state must still be watched. A stamp from the future is another machine's
/// clock, which cannot be waited for.
Duration TimeToSettle(Env& env, const FileInfo& info) {
  const int64_t age = env.clock.WallNanos() - info.ctime_ns;
  const bool settled = age >= kSettleNanos || age < -kSettleNanos;
  return Duration(settled ? 0 : kSettleNanos - age);
}

/// nullopt: the name has come to mean another file; open it again.
Task<Result<std::optional<FileInfo>>> Settle(const Root& root, Env& env, File& file,
                                             std::string if_match, Call call) {
  const auto first = co_await env.disk.StatOpen(file);
  if (!first) co_return root.Failed(first.error());
  FileInfo state = *first;
  if (state.links == 0) co_return std::nullopt;
  if (!state.regular) co_return state;
  for (int look = 0; look < kMaxLooks; ++look) {
    if (!if_match.empty() && EtagOf(state) != if_match) co_return Changed(root, file.path());
    const Duration wait = TimeToSettle(env, state);
    if (wait == Duration(0)) co_return state;
    const Instant until = std::min(env.clock.Now() + wait, call.deadline);
    const auto slept = co_await env.clock.SleepUntil(until, call.cancel);
    if (!slept) co_return root.Failed(slept.error());
    FB_CO_TRY(root.CheckCall(env, call));
    const auto now = co_await env.disk.StatOpen(file);
    if (!now) co_return root.Failed(now.error());
    if (SameState(state, *now)) co_return state;
    state = *now;
  }
  co_return root.Failed(Code::kUnavailable,
                        fmt::format("{} is being rewritten all the time", file.path()));
}

}  // namespace

std::unique_ptr<OriginBody> MakeBody(const Root& root, Env& env, Pinned pinned, uint64_t offset,
                                     uint64_t size) {
  return std::make_unique<FileBody>(root, env, std::move(pinned), offset, size);
}

Task<Result<Pinned>> Pin(const Root& root, Env& env, std::string key, std::string if_match,
                         Call call) {
  for (int look = 0; look < kMaxLooks; ++look) {
    FB_CO_TRY(root.CheckCall(env, call));
    auto file = co_await env.disk.Open(root.PathOf(key), {});
    if (!file) {
      Error error = co_await root.ExplainMissing(env, file.error(), key);
      co_return Missing(root, std::move(error), if_match);
    }
    FB_CO_ASSIGN(const auto state, co_await Settle(root, env, **file, if_match, call));
    if (!state) continue;
    if (!state->regular) co_return Missing(root, root.NoObject(key).error(), if_match);
    co_return Pinned{std::move(*file), *state};
  }
  co_return root.Failed(Code::kUnavailable,
                        fmt::format("'{}' is being replaced all the time", key));
}

}  // namespace forebay::file_origin
