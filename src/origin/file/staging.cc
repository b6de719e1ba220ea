#include "src/origin/file/staging.h"

#include <fmt/format.h>

#include <utility>

namespace forebay::file_origin {
namespace {

constexpr int kMaxSessionTries = 5;
constexpr std::string_view kLockName = "lock";

/// The names in a directory; none where it is not there.
Task<Result<std::vector<std::string>>> NamesIn(Env& env, std::string directory) {
  auto names = co_await env.disk.List(std::move(directory));
  if (!names && names.error().code() == Code::kNotFound) co_return std::vector<std::string>();
  co_return names;
}

Result<void> IgnoreMissing(Result<void> result) {
  if (!result && result.error().code() == Code::kNotFound) return {};
  return result;
}

}  // namespace

std::string NewId(Env& env) {
  const uint64_t high = env.rng.Next();
  return fmt::format("{:016x}{:016x}", high, env.rng.Next());
}

Task<Result<void>> RemoveDirectory(Env& env, std::string directory) {
  FB_CO_ASSIGN(const auto names, co_await NamesIn(env, directory));
  for (const std::string& name : names) {
    if (name == kLockName) continue;
    FB_CO_TRY(IgnoreMissing(co_await env.disk.Remove(directory + "/" + name)));
  }
  // The last, because as long as it is there whoever holds it decides.
  const auto lock = co_await env.disk.Remove(fmt::format("{}/{}", directory, kLockName));
  FB_CO_TRY(IgnoreMissing(lock));
  const auto removed = co_await env.disk.Remove(directory);
  // Somebody put a file there meanwhile, so it is not abandoned.
  if (!removed && removed.error().code() == Code::kInvalidArgument) co_return Result<void>();
  co_return IgnoreMissing(removed);
}

Task<Result<void>> Staged::Append(std::span<const Bytes> parts) {
  uint64_t size = 0;
  for (const Bytes part : parts) size += part.size();
  const auto written = co_await env_.disk.Write(*file_, size_, parts);
  if (!written) co_return root_.Failed(written.error());
  size_ += size;
  co_return Result<void>();
}

Task<Result<void>> Staged::Sync() {
  const auto synced = co_await env_.disk.Sync(*file_);
  if (!synced) co_return root_.Failed(synced.error());
  co_return Result<void>();
}

Task<void> Staged::Discard() {
  const auto removed = co_await env_.disk.Remove(path());
  if (removed || removed.error().code() == Code::kNotFound) co_return;
  if (removed.error().code() == Code::kCancelled) co_return;
  env_.log.Warning("origin", fmt::format("{} stays until the next start: {}", path(),
                                         removed.error().message()));
}

Task<Result<std::unique_ptr<Staged>>> Staging::NewFile(Env& env) {
  Error last(Code::kInternal, "");
  // Twice, because somebody may have removed the session's directory.
  for (int tries = 0; tries < 2; ++tries) {
    FB_CO_ASSIGN(const std::string session, co_await Session(env));
    uint64_t number = 0;
    {
      const std::lock_guard lock(mutex_);
      number = next_file_++;
    }
    auto file = co_await env.disk.Open(fmt::format("{}/{}", session, number),
                                       {.write = true, .create = true, .exclusive = true});
    if (file) co_return std::make_unique<Staged>(root_, env, std::move(*file));
    last = root_.Failed(file.error()).error();
    if (!IsMissing(file.error())) break;
    Forget(session);
  }
  co_return Fail(std::move(last));
}

void Staging::Forget(const std::string& session) {
  const std::lock_guard lock(mutex_);
  if (session_ == session) session_.clear();
}

Task<Result<std::string>> Staging::Session(Env& env) {
  const auto held = co_await locks_.Hold(env.executor, "/session");
  {
    const std::lock_guard lock(mutex_);
    if (!session_.empty()) co_return session_;
  }
  FB_CO_TRY(co_await root_.CheckThere(env));
  FB_CO_TRY(co_await BeginSession(env));
  const std::lock_guard lock(mutex_);
  co_return session_;
}

Task<Result<void>> Staging::BeginSession(Env& env) {
  for (int tries = 0; tries < kMaxSessionTries; ++tries) {
    const std::string directory = root_.StagingPath("puts/" + NewId(env));
    const auto begun = co_await TryBeginSession(env, directory);
    if (!begun) co_return root_.Failed(begun.error());
    if (*begun) co_return Result<void>();
  }
  co_return root_.Failed(Code::kUnavailable,
                         "other processes keep sweeping what this one has just begun");
}

/// False: somebody swept the directory between its making and its locking.
Task<Result<bool>> Staging::TryBeginSession(Env& env, std::string directory) {
  FB_CO_TRY(co_await env.disk.MakeDirectory(directory));
  const std::string path = fmt::format("{}/{}", directory, kLockName);
  auto file = co_await env.disk.Open(
      path, {.write = true, .create = true, .exclusive = true, .lock = true});
  if (!file) {
    const Code code = file.error().code();
    const bool lost =
        code == Code::kInUse || code == Code::kAlreadyExists || code == Code::kNotFound;
    if (lost) co_return false;
    co_return Fail(std::move(file.error()));
  }
  FB_CO_ASSIGN(const FileInfo mine, co_await env.disk.StatOpen(**file));
  const auto there = co_await env.disk.Stat(path);
  if (!there || there->inode != mine.inode) co_return false;
  const std::lock_guard lock(mutex_);
  session_ = std::move(directory);
  lock_ = std::move(*file);
  co_return true;
}

Task<Result<void>> Staging::SweepSession(Env& env, std::string directory) {
  // Made where it is missing: then its maker cannot make it any more, and begins elsewhere.
  auto lock = co_await env.disk.Open(fmt::format("{}/{}", directory, kLockName),
                                     {.write = true, .create = true, .lock = true});
  if (!lock) {
    const Code code = lock.error().code();
    const bool not_ours =
        code == Code::kInUse || code == Code::kPermissionDenied || code == Code::kNotFound;
    if (not_ours) co_return Result<void>();
    co_return Fail(std::move(lock.error()));
  }
  co_return co_await RemoveDirectory(env, std::move(directory));
}

Task<Result<void>> Staging::SweepUpload(Env& env, std::string directory) {
  const auto info = co_await env.disk.Stat(directory);
  if (!info) co_return Result<void>();
  const int64_t age = env.clock.WallNanos() - info->mtime_ns;
  if (age < kAbandonedUpload.count()) co_return Result<void>();
  env.log.Info("origin",
               fmt::format("{}: removing the abandoned upload {}", root_.url(), directory));
  co_return co_await RemoveDirectory(env, std::move(directory));
}

Task<Result<void>> Staging::Sweep(Env& env) {
  Result<void> first;
  const auto note = [&](const Result<void>& result) {
    if (!result && first) first = root_.Failed(result.error());
  };
  std::string own;
  {
    const std::lock_guard lock(mutex_);
    own = session_;
  }
  const std::string puts = root_.StagingPath("puts"), uploads = root_.StagingPath("uploads");
  const auto sessions = co_await NamesIn(env, puts);
  if (!sessions) co_return root_.Failed(sessions.error());
  for (const std::string& name : *sessions) {
    std::string directory = puts + "/" + name;
    if (directory != own) note(co_await SweepSession(env, std::move(directory)));
  }
  const auto abandoned = co_await NamesIn(env, uploads);
  if (!abandoned) co_return root_.Failed(abandoned.error());
  for (const std::string& name : *abandoned) note(co_await SweepUpload(env, uploads + "/" + name));
  co_return first;
}

}  // namespace forebay::file_origin
