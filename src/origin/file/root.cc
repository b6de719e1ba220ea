#include "src/origin/file/root.h"

#include <fmt/format.h>

namespace forebay::file_origin {
namespace {

/// What is wrong with one of the parts between slashes; empty if nothing is.
std::string_view WrongPart(std::string_view path) {
  for (;;) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty()) return "an empty part";
    if (part == "." || part == "..") return "'.' or '..' as a part";
    if (slash == std::string_view::npos) return {};
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

Result<Root> Root::Parse(std::string_view url) {
  constexpr std::string_view kScheme = "file://";
  const auto wrong = [url](std::string_view why) {
    return Fail(Code::kInvalidArgument,
                fmt::format("origin '{}': {}; write file:///absolute/directory", url, why));
  };
  if (!url.starts_with(kScheme)) return wrong("no file origin");
  std::string_view path = url.substr(kScheme.size());
  if (!path.starts_with('/')) return wrong("a host, or a relative path");
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return wrong("no directory");
  if (path.find('\0') != std::string_view::npos) return wrong("a NUL byte");
  if (const auto part = WrongPart(path.substr(1)); !part.empty()) return wrong(part);
  Root root;
  root.directory_ = path;
  root.url_ = std::string(kScheme).append(path);
  return root;
}

std::string Root::PathOf(std::string_view key) const {
  return fmt::format("{}/{}", directory_, key);
}

std::string Root::StagingPath(std::string_view name) const {
  return fmt::format("{}/{}/{}", directory_, kStagingName, name);
}

Result<void> Root::CheckKey(std::string_view key) const {
  if (key.empty() || key.size() > kMaxKeyBytes) {
    return Failed(Code::kInvalidArgument,
                  fmt::format("a key has 1 to {} bytes, not {}", kMaxKeyBytes, key.size()));
  }
  if (key.find('\0') != std::string_view::npos) {
    return Failed(Code::kInvalidArgument, "a key has no NUL byte");
  }
  if (const auto part = WrongPart(key); !part.empty()) {
    return Failed(Code::kInvalidArgument, fmt::format("key '{}' has {}", key, part));
  }
  const std::string_view first = key.substr(0, key.find('/'));
  if (first == kStagingName) {
    return Failed(Code::kInvalidArgument,
                  fmt::format("key '{}': {} is where unfinished writes lie", key, kStagingName));
  }
  return {};
}

Result<void> Root::CheckCall(Env& env, const Call& call) const {
  if (call.cancel.cancelled()) return Failed(Code::kCancelled, "given up");
  if (env.clock.Now() >= call.deadline) {
    return Failed(Code::kDeadlineExceeded, "the deadline passed");
  }
  return {};
}

std::unexpected<Error> Root::Failed(Code code, std::string_view message) const {
  return Fail(code, fmt::format("origin {}: {}", url_, message));
}

std::unexpected<Error> Root::Failed(const Error& error) const {
  return Failed(error.code(), error.message());
}

std::unexpected<Error> Root::NoObject(std::string_view key) const {
  return Failed(Code::kNotFound, fmt::format("no object '{}'", key));
}

Task<Result<void>> Root::CheckThere(Env& env) const {
  const auto info = co_await env.disk.Stat(directory_);
  if (info && info->directory) co_return Result<void>();
  if (!info && !IsMissing(info.error())) co_return Failed(info.error());
  co_return Failed(
      Code::kUnavailable,
      fmt::format("there is no directory {}; make it, or mount what holds it", directory_));
}

Task<Error> Root::ExplainMissing(Env& env, Error error, std::string key) const {
  if (!IsMissing(error)) co_return Failed(error).error();
  const auto there = co_await CheckThere(env);
  co_return there ? NoObject(key).error() : there.error();
}

}  // namespace forebay::file_origin
