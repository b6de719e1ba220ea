#include "src/origin/file/file_origin.h"

#include <fmt/format.h>

#include <utility>

#include "src/origin/file/attributes.h"
#include "src/origin/file/file_body.h"
#include "src/origin/file/listing.h"
#include "src/origin/file/version.h"

namespace forebay {

using file_origin::EtagOf;
using file_origin::IsMissing;
using file_origin::ObjectOf;
using file_origin::Root;

namespace {

constexpr size_t kMaxDurableKnown = 4096;
constexpr int kMaxRenameTries = 3;

/// "a/b" of "a/b/c"; "" of "a".
std::string_view ParentOf(std::string_view key) {
  const size_t slash = key.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : key.substr(0, slash);
}

}  // namespace

/// A staged file on its way to its name.
class FileOrigin::PutUpload final : public OriginUpload {
 public:
  PutUpload(FileOrigin& origin, Env& env, std::string key, Condition condition,
            std::unique_ptr<Staged> staged)
      : origin_(origin),
        env_(env),
        key_(std::move(key)),
        condition_(std::move(condition)),
        staged_(std::move(staged)) {}

  Task<Result<void>> Describe(ObjectAttributes attributes, Call call) override {
    FB_CO_TRY(origin_.root_.CheckCall(env_, call));
    if (attributes.empty()) co_return Result<void>();
    // Now, to know whether they can be kept; and again once the contents are known.
    FB_CO_TRY(
        co_await file_origin::StoreAttributes(origin_.root_, env_, staged_->file(), attributes));
    attributes_ = std::move(attributes);
    co_return Result<void>();
  }

  Task<Result<void>> Write(std::span<const Bytes> parts, Call call) override {
    if (std::exchange(failed_, true)) co_return Spent();  // until it is known to be there
    FB_CO_TRY(origin_.root_.CheckCall(env_, call));
    FB_CO_TRY(co_await staged_->Append(parts));
    failed_ = false;
    co_return Result<void>();
  }

  Task<Result<ObjectInfo>> Commit(Call call) override {
    FB_CO_TRY(origin_.root_.CheckCall(env_, call));
    if (failed_) co_return Spent();
    failed_ = true;
    if (!attributes_.empty()) {
      FB_CO_TRY(
          co_await file_origin::StoreAttributes(origin_.root_, env_, staged_->file(), attributes_));
    }
    FB_CO_TRY(co_await staged_->Sync());
    FB_CO_ASSIGN(ObjectInfo info, co_await origin_.Publish(env_, *staged_, key_, condition_, call));
    committed_ = true;
    co_return info;
  }

  Task<void> Abort() override {
    failed_ = true;
    if (!std::exchange(committed_, true)) co_await staged_->Discard();
  }

 private:
  std::unexpected<Error> Spent() const {
    return origin_.root_.Failed(Code::kInvalidArgument,
                                fmt::format("'{}': this upload is over; begin a new one", key_));
  }

  FileOrigin& origin_;
  Env& env_;
  const std::string key_;
  const Condition condition_;
  const std::unique_ptr<Staged> staged_;
  ObjectAttributes attributes_;
  bool failed_ = false;  // or done: an upload that lost a part must not become an object
  bool committed_ = false;
};

FileOrigin::FileOrigin(Root root) : root_(std::move(root)), staging_(root_, locks_) {}

Result<std::unique_ptr<Origin>> FileOrigin::Create(std::string_view url) {
  FB_ASSIGN(Root root, Root::Parse(url));
  return std::unique_ptr<Origin>(new FileOrigin(std::move(root)));
}

const OriginCapabilities& FileOrigin::capabilities() const {
  static constexpr OriginCapabilities kCapabilities{.cheap_head = true,
                                                    .attributes = true,
                                                    .late_attributes = true,
                                                    .max_key_bytes = file_origin::kMaxKeyBytes};
  return kCapabilities;
}

Result<void> FileOrigin::Check(Env& env, std::string_view key, const Condition& condition,
                               const Call& call) const {
  FB_TRY(root_.CheckKey(key));
  if (condition.if_absent && !condition.if_match.empty()) {
    return root_.Failed(Code::kInvalidArgument, "if_absent and if_match cannot hold both");
  }
  return root_.CheckCall(env, call);
}

Task<Result<ObjectInfo>> FileOrigin::Head(Env& env, std::string key, Call call) {
  FB_CO_TRY(Check(env, key, {}, call));
  const auto info = co_await env.disk.Stat(root_.PathOf(key));
  if (!info) co_return Fail(co_await root_.ExplainMissing(env, info.error(), key));
  if (!info->regular) co_return root_.NoObject(key);
  co_return ObjectOf(*info);
}

Task<Result<ObjectAttributes>> FileOrigin::Attributes(Env& env, std::string key, std::string etag,
                                                      Call call) {
  FB_CO_TRY(Check(env, key, {}, call));
  const auto file = co_await env.disk.Open(root_.PathOf(key), {});
  if (!file) co_return Fail(co_await root_.ExplainMissing(env, file.error(), key));
  const auto info = co_await env.disk.StatOpen(**file);
  if (!info) co_return root_.Failed(info.error());
  if (EtagOf(*info) != etag) {
    co_return root_.Failed(Code::kVersionChanged, fmt::format("'{}' has changed", key));
  }
  auto attributes = co_await file_origin::LoadAttributes(env, **file, *info);
  if (!attributes) co_return root_.Failed(attributes.error());
  co_return attributes;
}

Task<Result<std::unique_ptr<OriginBody>>> FileOrigin::Get(Env& env, std::string key,
                                                          GetOptions options, Call call) {
  FB_CO_TRY(Check(env, key, {}, call));
  FB_CO_ASSIGN(auto pinned, co_await file_origin::Pin(root_, env, key, options.if_match, call));
  co_return file_origin::MakeBody(root_, env, std::move(pinned), options.offset, options.size);
}

Task<Result<ListPage>> FileOrigin::List(Env& env, ListOptions options, Call call) {
  return file_origin::ListObjects(root_, slices_, env, std::move(options), call);
}

Task<Result<std::unique_ptr<OriginUpload>>> FileOrigin::Put(Env& env, std::string key,
                                                            Condition condition, Call call) {
  FB_CO_TRY(Check(env, key, condition, call));
  FB_CO_ASSIGN(auto staged, co_await staging_.NewFile(env));
  co_return std::make_unique<PutUpload>(*this, env, std::move(key), std::move(condition),
                                        std::move(staged));
}

Task<Result<void>> FileOrigin::CheckCondition(Env& env, std::string key, Condition condition) {
  if (condition.if_match.empty() && !condition.if_absent) co_return Result<void>();
  const auto info = co_await env.disk.Stat(root_.PathOf(key));
  if (!info && !IsMissing(info.error())) co_return root_.Failed(info.error());
  if (condition.if_absent) {
    if (!info) co_return Result<void>();
    co_return root_.Failed(Code::kAlreadyExists, fmt::format("'{}' is there already", key));
  }
  if (info && EtagOf(*info) == condition.if_match) co_return Result<void>();
  co_return root_.Failed(Code::kVersionChanged,
                         fmt::format("'{}' {}", key, info ? "has changed" : "is gone"));
}

void FileOrigin::ForgetParents(std::string_view key) {
  const std::lock_guard lock(mutex_);
  for (auto parent = ParentOf(key); !parent.empty(); parent = ParentOf(parent)) {
    if (const auto known = durable_.find(parent); known != durable_.end()) durable_.erase(known);
  }
}

Task<Result<void>> FileOrigin::MakeParents(Env& env, std::string key) {
  const std::string parent(ParentOf(key));
  const auto known = [&](std::string_view directory) {
    const std::lock_guard lock(mutex_);
    return directory.empty() || durable_.contains(directory);
  };
  if (known(parent)) co_return Result<void>();
  // One at a time: who finds a directory that another is just making must not take it for durable.
  const auto held = co_await locks_.Hold(env.executor, "/parents");
  if (known(parent)) co_return Result<void>();
  const auto made = co_await env.disk.MakeDirectory(root_.PathOf(parent));
  if (!made && IsMissing(made.error())) {
    co_return root_.Failed(
        Code::kInvalidArgument,
        fmt::format("'{}': a part of it is an object, or longer than a file's name may be", key));
  }
  if (!made) co_return root_.Failed(made.error());
  // From the top down, so that a directory is known only where those above it are.
  for (size_t slash = 0; slash != std::string::npos;) {
    slash = parent.find('/', slash == 0 ? 0 : slash + 1);
    const std::string directory = parent.substr(0, slash);
    if (known(directory)) continue;
    const std::string above(ParentOf(directory));
    const auto synced =
        co_await env.disk.SyncDirectory(above.empty() ? root_.directory() : root_.PathOf(above));
    if (!synced) co_return root_.Failed(synced.error());
    const std::lock_guard lock(mutex_);
    if (durable_.size() >= kMaxDurableKnown) durable_.clear();
    durable_.insert(directory);
  }
  co_return Result<void>();
}

Task<Result<void>> FileOrigin::Rename(Env& env, std::string from, std::string key, bool exclusive) {
  Error last(Code::kInternal, "");
  for (int tries = 0; tries < kMaxRenameTries; ++tries) {
    FB_CO_TRY(co_await MakeParents(env, key));
    const std::string to = root_.PathOf(key);
    const auto renamed = exclusive ? co_await env.disk.RenameExclusive(from, to)
                                   : co_await env.disk.Rename(from, to);
    if (renamed) co_return Result<void>();
    last = root_.Failed(renamed.error()).error();
    if (!IsMissing(renamed.error()) && last.code() != Code::kAlreadyExists) break;
    const auto info = co_await env.disk.Stat(to);
    if (info && info->directory) {
      // Objects that are gone leave their directory. One that still holds something stays.
      last = Error(Code::kInvalidArgument,
                   fmt::format("origin {}: '{}' is a directory; a file system cannot have an "
                               "object of that name, too",
                               root_.url(), key));
      if (!co_await env.disk.Remove(to)) break;
    } else if (info) {
      break;
    } else {
      ForgetParents(key);  // somebody removed one
    }
  }
  co_return Fail(std::move(last));
}

Task<Result<ObjectInfo>> FileOrigin::Publish(Env& env, Staged& staged, std::string key,
                                             Condition condition, Call call) {
  const auto held = co_await locks_.Hold(env.executor, key);
  FB_CO_TRY(root_.CheckCall(env, call));
  FB_CO_TRY(co_await CheckCondition(env, key, condition));
  FB_CO_TRY(co_await Rename(env, staged.path(), key, condition.if_absent));
  const auto info = co_await env.disk.StatOpen(staged.file());
  if (!info) co_return root_.Failed(info.error());
  const std::string parent(ParentOf(key));
  const auto synced =
      co_await env.disk.SyncDirectory(parent.empty() ? root_.directory() : root_.PathOf(parent));
  if (!synced) {
    co_return root_.Failed(Code::kUnavailable,
                           fmt::format("'{}' is there, but may not outlast a power cut: {}", key,
                                       synced.error().message()));
  }
  co_return ObjectOf(*info);
}

Task<Result<void>> FileOrigin::Delete(Env& env, std::string key, Condition condition, Call call) {
  FB_CO_TRY(Check(env, key, condition, call));
  const auto held = co_await locks_.Hold(env.executor, key);
  FB_CO_TRY(root_.CheckCall(env, call));
  FB_CO_TRY(co_await CheckCondition(env, key, std::move(condition)));
  const std::string path = root_.PathOf(key);
  const auto info = co_await env.disk.Stat(path);
  if (!info) co_return Fail(co_await root_.ExplainMissing(env, info.error(), key));
  if (!info->regular) co_return root_.NoObject(key);
  const auto removed = co_await env.disk.Remove(path);
  if (!removed) co_return Fail(co_await root_.ExplainMissing(env, removed.error(), key));
  const std::string parent(ParentOf(key));
  const auto synced =
      co_await env.disk.SyncDirectory(parent.empty() ? root_.directory() : root_.PathOf(parent));
  if (!synced) co_return root_.Failed(Code::kUnavailable, synced.error().message());
  co_return Result<void>();
}

Task<Result<void>> FileOrigin::Sweep(Env& env) {
  return staging_.Sweep(env);
}

}  // namespace forebay
