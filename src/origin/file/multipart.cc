// Uploads in parts: a directory each, with the key in one file and every part in a file of its own.
// It survives restarts; whoever knows the id goes on with it.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "src/origin/file/attributes.h"
#include "src/origin/file/file_origin.h"
#include "src/origin/file/version.h"

namespace forebay {

using file_origin::EtagOf;
using file_origin::IsMissing;
using file_origin::ObjectOf;

namespace {

constexpr std::string_view kKeyName = "key";
constexpr std::string_view kAttributesName = "attributes";
constexpr size_t kMaxAttributesBytes = 64 << 10;
constexpr std::string_view kPartPrefix = "part-";
constexpr size_t kIdBytes = 32;
constexpr size_t kCopyBytes = 1 << 20;
constexpr size_t kListBatch = 1024;
constexpr size_t kMostPending = 100'000;
constexpr Duration kLockLook = std::chrono::milliseconds(20);

/// What becomes part of a path must be nothing but an id.
bool IsUploadId(std::string_view id) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return id.size() == kIdBytes && std::ranges::all_of(id, is_digit);
}

std::string PartPath(std::string_view directory, uint32_t number) {
  return fmt::format("{}/{}{:05}", directory, kPartPrefix, number);
}

/// nullopt: not a part's name.
std::optional<uint32_t> PartNumber(std::string_view name) {
  if (!name.starts_with(kPartPrefix)) return std::nullopt;
  name.remove_prefix(kPartPrefix.size());
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

std::string LockName(std::string_view upload_id) {
  return fmt::format("/upload/{}", upload_id);
}

}  // namespace

/// One part on its way in.
class FileOrigin::PartUpload final : public OriginUpload {
 public:
  PartUpload(FileOrigin& origin, Env& env, std::string key, std::string upload_id, uint32_t number,
             std::unique_ptr<Staged> staged)
      : origin_(origin),
        env_(env),
        key_(std::move(key)),
        upload_id_(std::move(upload_id)),
        number_(number),
        staged_(std::move(staged)) {}

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
    FB_CO_TRY(co_await staged_->Sync());
    const auto held = co_await origin_.locks_.Hold(env_.executor, LockName(upload_id_));
    // Again: it may have been completed or aborted meanwhile.
    FB_CO_ASSIGN(const std::string directory, co_await origin_.FindUpload(env_, key_, upload_id_));
    const file_origin::Root& root = origin_.root_;
    const auto renamed = co_await env_.disk.Rename(staged_->path(), PartPath(directory, number_));
    if (!renamed) co_return root.Failed(renamed.error());
    committed_ = true;
    const auto info = co_await env_.disk.StatOpen(staged_->file());
    if (!info) co_return root.Failed(info.error());
    const auto synced = co_await env_.disk.SyncDirectory(directory);
    if (!synced) co_return root.Failed(Code::kUnavailable, synced.error().message());
    co_return ObjectOf(*info);
  }

  Task<void> Abort() override {
    failed_ = true;
    if (!std::exchange(committed_, true)) co_await staged_->Discard();
  }

 private:
  std::unexpected<Error> Spent() const {
    return origin_.root_.Failed(
        Code::kInvalidArgument,
        fmt::format("part {} of '{}' is over; begin it anew", number_, key_));
  }

  FileOrigin& origin_;
  Env& env_;
  const std::string key_;
  const std::string upload_id_;
  const uint32_t number_;
  const std::unique_ptr<Staged> staged_;
  bool failed_ = false;
  bool committed_ = false;
};

Task<Result<std::string>> FileOrigin::KeyOfUpload(Env& env, std::string directory) {
  const auto file = co_await env.disk.Open(fmt::format("{}/{}", directory, kKeyName), {});
  if (!file && IsMissing(file.error())) co_return Fail(Code::kNotFound, "no such upload");
  if (!file) co_return root_.Failed(file.error());
  std::string stored(file_origin::kMaxKeyBytes + 1, '\0');
  const auto read = co_await env.disk.Read(**file, 0, std::as_writable_bytes(std::span(stored)));
  if (!read) co_return root_.Failed(read.error());
  stored.resize(*read);
  co_return stored;
}

Task<Result<std::string>> FileOrigin::FindUpload(Env& env, std::string key, std::string upload_id) {
  const auto none = [&] {
    return root_.Failed(Code::kNotFound,
                        fmt::format("no upload of '{}' under this id; it was completed or aborted, "
                                    "or never begun",
                                    key));
  };
  if (!IsUploadId(upload_id)) co_return none();
  std::string directory = root_.StagingPath("uploads/" + upload_id);
  const auto stored = co_await KeyOfUpload(env, directory);
  if (!stored && stored.error().code() == Code::kNotFound) {
    FB_CO_TRY(co_await root_.CheckThere(env));
    co_return none();
  }
  if (!stored) co_return Fail(stored.error());
  if (*stored != key) co_return none();
  co_return directory;
}

Task<Result<std::string>> FileOrigin::HoldUpload(Env& env, std::string key, std::string upload_id,
                                                 std::shared_ptr<File>* lock, Call call) {
  FB_CO_ASSIGN(const std::string directory, co_await FindUpload(env, key, upload_id));
  for (;;) {
    FB_CO_TRY(root_.CheckCall(env, call));
    auto open = co_await env.disk.Open(fmt::format("{}/{}", directory, kKeyName),
                                       {.write = true, .lock = true});
    if (open) *lock = *std::move(open);
    // What it was may have ended before the lock was ours.
    if (open || IsMissing(open.error())) co_return co_await FindUpload(env, key, upload_id);
    if (open.error().code() != Code::kInUse) co_return root_.Failed(open.error());
    FB_CO_TRY(co_await env.clock.Sleep(kLockLook, call.cancel));
  }
}

Task<Result<std::vector<PendingUpload>>> FileOrigin::ListUploads(Env& env, std::string prefix,
                                                                 Call call) {
  std::vector<PendingUpload> pending;
  const std::string uploads = root_.StagingPath("uploads");
  const auto open = co_await env.disk.OpenDirectory(uploads);
  if (!open && IsMissing(open.error())) {
    FB_CO_TRY(co_await root_.CheckThere(env));
    co_return pending;
  }
  if (!open) co_return root_.Failed(open.error());
  for (;;) {
    FB_CO_TRY(root_.CheckCall(env, call));
    const auto batch = co_await env.disk.ReadDirectory(**open, kListBatch);
    if (!batch) co_return root_.Failed(batch.error());
    if (batch->empty()) co_return pending;
    for (const DirectoryEntry& entry : *batch) {
      if (!IsUploadId(entry.name)) continue;
      if (pending.size() == kMostPending) {
        co_return root_.Failed(Code::kOverloaded, "too many uploads are pending to be listed");
      }
      const std::string directory = fmt::format("{}/{}", uploads, entry.name);
      auto key = co_await KeyOfUpload(env, directory);
      const auto info = co_await env.disk.Stat(fmt::format("{}/{}", directory, kKeyName));
      if (!key || !info) continue;  // it ended meanwhile
      if (!key->starts_with(prefix)) continue;
      pending.push_back({.key = std::move(*key), .id = entry.name, .begun_ns = info->mtime_ns});
    }
  }
}

Task<Result<void>> FileOrigin::StageUploadFile(Env& env, std::string text, std::string directory,
                                               std::string name) {
  FB_CO_ASSIGN(const auto staged, co_await staging_.NewFile(env));
  const Bytes part = AsBytes(text);
  Result<void> done = co_await staged->Append(std::span(&part, 1));
  if (done) done = co_await staged->Sync();
  Result<void> named = done;
  if (done) named = co_await env.disk.MakeDirectory(directory);
  if (named) {
    named = co_await env.disk.Rename(staged->path(), fmt::format("{}/{}", directory, name));
  }
  if (named) co_return named;
  co_await staged->Discard();
  if (!done) co_return done;
  co_return root_.Failed(named.error());
}

Task<Result<std::string>> FileOrigin::CreateMultipart(Env& env, std::string key, Call call) {
  return CreateDescribed(env, std::move(key), {}, call);
}

Task<Result<std::string>> FileOrigin::CreateDescribed(Env& env, std::string key,
                                                      ObjectAttributes attributes, Call call) {
  FB_CO_TRY(Check(env, key, {}, call));
  const std::string id = file_origin::NewId(env);
  const std::string uploads = root_.StagingPath("uploads"), directory = uploads + "/" + id;
  if (!attributes.empty()) {
    FB_CO_TRY(co_await StageUploadFile(env, file_origin::Serialize(attributes, {}), directory,
                                       std::string(kAttributesName)));
  }
  FB_CO_TRY(co_await StageUploadFile(env, std::move(key), directory, std::string(kKeyName)));
  for (const std::string& path :
       {directory, uploads, root_.PathOf(file_origin::kStagingName), root_.directory()}) {
    const auto synced = co_await env.disk.SyncDirectory(path);
    if (!synced) co_return root_.Failed(synced.error());
  }
  co_return id;
}

Task<Result<ObjectAttributes>> FileOrigin::UploadAttributes(Env& env, std::string directory) {
  const auto file = co_await env.disk.Open(fmt::format("{}/{}", directory, kAttributesName), {});
  if (!file && IsMissing(file.error())) co_return ObjectAttributes{};
  if (!file) co_return root_.Failed(file.error());
  std::string text(kMaxAttributesBytes, '\0');
  const auto size = co_await env.disk.Read(**file, 0, std::as_writable_bytes(std::span(text)));
  if (!size) co_return root_.Failed(size.error());
  co_return file_origin::ParseAttributes(std::string_view(text).substr(0, *size), {});
}

Task<Result<std::unique_ptr<OriginUpload>>> FileOrigin::PutPart(Env& env, std::string key,
                                                                std::string upload_id,
                                                                uint32_t number, Call call) {
  FB_CO_TRY(Check(env, key, {}, call));
  if (number == 0 || number > capabilities().max_parts) {
    co_return root_.Failed(
        Code::kInvalidArgument,
        fmt::format("part {}: parts are numbered 1 to {}", number, capabilities().max_parts));
  }
  FB_CO_TRY(co_await FindUpload(env, key, upload_id));
  FB_CO_ASSIGN(auto staged, co_await staging_.NewFile(env));
  co_return std::make_unique<PartUpload>(*this, env, std::move(key), std::move(upload_id), number,
                                         std::move(staged));
}

Task<Result<std::vector<UploadedPart>>> FileOrigin::ListParts(Env& env, std::string key,
                                                              std::string upload_id, Call call) {
  FB_CO_TRY(Check(env, key, {}, call));
  FB_CO_ASSIGN(const std::string directory, co_await FindUpload(env, key, upload_id));
  std::vector<UploadedPart> parts;
  const auto open = co_await env.disk.OpenDirectory(directory);
  if (!open) co_return root_.Failed(open.error());
  for (;;) {
    const auto batch = co_await env.disk.ReadDirectory(**open, kListBatch);
    if (!batch) co_return root_.Failed(batch.error());
    if (batch->empty()) break;
    for (const DirectoryEntry& entry : *batch) {
      const auto number = PartNumber(entry.name);
      if (!number) continue;
      const auto info = co_await env.disk.Stat(PartPath(directory, *number));
      if (!info) co_return root_.Failed(info.error());
      parts.push_back({.number = *number,
                       .etag = EtagOf(*info),
                       .size = info->size_bytes,
                       .modified_ns = info->mtime_ns});
    }
  }
  std::ranges::sort(parts, {}, &UploadedPart::number);
  co_return parts;
}

Task<Result<void>> FileOrigin::AppendPart(Env& env, std::string path, UploadedPart part, Staged& to,
                                          Call call) {
  const auto wrong = [&](std::string_view what) {
    return root_.Failed(Code::kInvalidArgument, fmt::format("part {} {}", part.number, what));
  };
  const auto file = co_await env.disk.Open(std::move(path), {});
  if (!file && IsMissing(file.error())) co_return wrong("was not uploaded");
  if (!file) co_return root_.Failed(file.error());
  const auto info = co_await env.disk.StatOpen(**file);
  if (!info) co_return root_.Failed(info.error());
  if (EtagOf(*info) != part.etag || info->size_bytes != part.size) {
    co_return wrong("is another one than what was listed");
  }
  std::vector<std::byte> buffer(std::min<uint64_t>(kCopyBytes, part.size));
  for (uint64_t done = 0; done < part.size;) {
    FB_CO_TRY(root_.CheckCall(env, call));
    const auto got = co_await env.disk.Read(**file, done, buffer);
    if (!got) co_return root_.Failed(got.error());
    if (*got == 0) co_return wrong("has become shorter");
    const Bytes bytes = Bytes(buffer).first(*got);
    FB_CO_TRY(co_await to.Append(std::span(&bytes, 1)));
    done += *got;
  }
  co_return Result<void>();
}

Task<Result<void>> FileOrigin::Concatenate(Env& env, std::string directory,
                                           std::vector<UploadedPart> parts, Staged& to, Call call) {
  for (UploadedPart& part : parts) {
    std::string path = PartPath(directory, part.number);
    FB_CO_TRY(co_await AppendPart(env, std::move(path), std::move(part), to, call));
  }
  FB_CO_ASSIGN(ObjectAttributes attributes, co_await UploadAttributes(env, directory));
  if (!attributes.empty()) {
    const auto stored =
        co_await file_origin::StoreAttributes(root_, env, to.file(), std::move(attributes));
    if (!stored && stored.error().code() != Code::kUnsupported) co_return stored;
  }
  co_return co_await to.Sync();
}

Task<Result<ObjectInfo>> FileOrigin::CompleteMultipart(Env& env, std::string key,
                                                       std::string upload_id,
                                                       std::vector<UploadedPart> parts,
                                                       Condition condition, Call call) {
  FB_CO_TRY(Check(env, key, condition, call));
  const auto disorder = std::ranges::adjacent_find(
      parts, [](const auto& a, const auto& b) { return a.number >= b.number; });
  if (parts.empty() || disorder != parts.end()) {
    co_return root_.Failed(Code::kInvalidArgument,
                           parts.empty() ? std::string("an upload has at least one part")
                                         : fmt::format("part {} is followed by one that is not "
                                                       "higher",
                                                       disorder->number));
  }
  const auto held = co_await locks_.Hold(env.executor, LockName(upload_id));
  std::shared_ptr<File> lock;
  FB_CO_ASSIGN(const std::string directory, co_await HoldUpload(env, key, upload_id, &lock, call));
  FB_CO_ASSIGN(const auto staged, co_await staging_.NewFile(env));
  const auto whole = co_await Concatenate(env, directory, std::move(parts), *staged, call);
  Result<ObjectInfo> info = Fail(Code::kInternal, "");
  if (whole) {
    info = co_await Publish(env, *staged, std::move(key), std::move(condition), call);
  } else {
    info = Fail(whole.error());
  }
  if (!info) {
    co_await staged->Discard();
    co_return info;
  }
  const auto removed = co_await file_origin::RemoveDirectory(env, directory);
  if (!removed) env.log.Warning("origin", removed.error().message());
  co_return info;
}

Task<Result<void>> FileOrigin::AbortMultipart(Env& env, std::string key, std::string upload_id,
                                              Call call) {
  FB_CO_TRY(Check(env, key, {}, call));
  const auto held = co_await locks_.Hold(env.executor, LockName(upload_id));
  std::shared_ptr<File> lock;
  FB_CO_ASSIGN(const std::string directory, co_await HoldUpload(env, key, upload_id, &lock, call));
  const auto removed = co_await file_origin::RemoveDirectory(env, directory);
  if (!removed) co_return root_.Failed(removed.error());
  co_return Result<void>();
}

}  // namespace forebay
