#include "src/origin/s3/upload.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "src/base/units.h"
#include "src/origin/http/bell.h"
#include "src/origin/http/request.h"
#include "src/origin/s3/body_hash.h"
#include "src/runtime/task_group.h"

namespace forebay::s3 {
namespace {

using http_origin::CheckCall;

constexpr uint64_t kMaxSinglePartBytes = kGiB;
/// Of one part, however often it is tried. The caller's own deadline ends his waiting for it.
constexpr Duration kPartTime = std::chrono::minutes(10);
constexpr Duration kAbortTime = std::chrono::seconds(30);

std::unexpected<Error> Named(const std::string& name, const Error& error) {
  return Fail(error.code(), fmt::format("{}: {}", name, error.message()));
}

/// What was written and not yet sent.
struct Buffer {
  std::string bytes;
  BodyHash hash;

  void Add(Bytes more) {
    bytes.append(AsText(more));
    hash.Add(more);
  }
};

class Upload final : public OriginUpload {
 public:
  Upload(Bucket& bucket, Env& env, std::string name, std::string key, Condition condition,
         UploadOptions options)
      : bucket_(bucket),
        env_(env),
        name_(std::move(name)),
        key_(std::move(key)),
        condition_(std::move(condition)),
        options_(options),
        group_(env.executor) {}

  Task<Result<void>> Describe(ObjectAttributes attributes, Call /*call*/) override {
    attributes_ = std::move(attributes);
    co_return Result<void>();
  }

  Task<Result<void>> Write(std::span<const Bytes> parts, Call call) override {
    auto written = over_ ? Over() : co_await Take(parts, call);
    if (!written) over_ = true;  // a write that missed a piece never becomes an object
    if (!written) co_return Named(name_, written.error());
    co_return written;
  }

  Task<Result<ObjectInfo>> Commit(Call call) override {
    if (over_) co_return Named(name_, Over().error());
    over_ = true;
    auto info = co_await Finish(call);
    if (!info) co_return Named(name_, info.error());
    committed_ = true;
    co_await group_.Join();
    co_return info;
  }

  Task<void> Abort() override {
    if (committed_) co_return;
    over_ = true;
    cancel_.Cancel();
    co_await group_.Join();
    if (upload_.empty()) co_return;
    const Call call{.deadline = env_.clock.Now() + kAbortTime};
    const auto aborted = co_await bucket_.Abort(env_, key_, std::exchange(upload_, ""), call);
    if (aborted || aborted.error().code() == Code::kNotFound) co_return;
    env_.log.Warning("origin", fmt::format("{}: parts of an upload that was given up stay in the "
                                           "bucket: {}",
                                           name_, aborted.error().message()));
  }

 private:
  static Result<void> Over() { return Fail(Code::kInvalidArgument, "this upload is over"); }
  uint32_t NextNumber() const { return static_cast<uint32_t>(parts_.size()) + 1; }
  uint64_t NextBytes() const { return PartBytes(options_.part_bytes, NextNumber()); }

  Task<Result<void>> Take(std::span<const Bytes> parts, Call call) {
    FB_CO_TRY(CheckCall(env_, call));
    if (failed_) co_return Fail(*failed_);
    for (Bytes rest : parts) {
      while (!rest.empty()) {
        // Only when there is more, so that what fits into one part is one request.
        if (buffer_.bytes.size() == NextBytes()) FB_CO_TRY(co_await SendPart(call));
        const uint64_t room = NextBytes() - buffer_.bytes.size();
        const Bytes piece = rest.first(std::min<uint64_t>(room, rest.size()));
        buffer_.Add(piece);
        rest = rest.subspan(piece.size());
      }
    }
    co_return Result<void>();
  }

  Task<Result<void>> SendPart(Call call) {
    if (NextNumber() > kMaxParts) {
      co_return Fail(Code::kInvalidArgument, "an object of S3 has at most 5 TiB");
    }
    if (upload_.empty()) {
      mark_ = NewMark(env_, key_);
      FB_CO_ASSIGN(upload_, co_await bucket_.CreateUpload(env_, key_, mark_, attributes_, call));
    }
    while (on_way_bytes_ > 0 && !failed_ &&
           on_way_bytes_ + buffer_.bytes.size() > options_.memory_bytes) {
      FB_CO_TRY(co_await progress_.Wait(env_, call));
    }
    if (failed_) co_return Fail(*failed_);
    on_way_bytes_ += buffer_.bytes.size();
    parts_.push_back({.number = NextNumber(), .etag = "", .size = buffer_.bytes.size()});
    group_.Spawn(PutOne(parts_.size() - 1, std::exchange(buffer_, {}), call.trace));
    co_return Result<void>();
  }

  Task<void> PutOne(size_t index, Buffer buffer, Hash128 trace) {
    const Call call{env_.clock.Now() + kPartTime, cancel_.token(), trace};
    const HashedBody body{.bytes = AsBytes(buffer.bytes), .sha256 = buffer.hash.Finish()};
    auto etag = co_await bucket_.PutPart(env_, key_, upload_, parts_[index].number, body, call);
    if (etag) parts_[index].etag = std::move(*etag);
    if (!etag && !failed_) failed_ = etag.error();
    on_way_bytes_ -= buffer.bytes.size();
    progress_.Ring();
  }

  Task<Result<ObjectInfo>> Finish(Call call) {
    FB_CO_TRY(CheckCall(env_, call));
    if (upload_.empty()) {
      const HashedBody body{.bytes = AsBytes(buffer_.bytes), .sha256 = buffer_.hash.Finish()};
      co_return co_await bucket_.Put(env_, key_, body, attributes_, condition_, call);
    }
    if (!buffer_.bytes.empty()) FB_CO_TRY(co_await SendPart(call));
    while (on_way_bytes_ > 0 && !failed_) FB_CO_TRY(co_await progress_.Wait(env_, call));
    if (failed_) co_return Fail(*failed_);
    auto info = co_await bucket_.Complete(
        env_,
        {.key = key_, .upload = upload_, .mark = mark_, .parts = parts_, .condition = condition_},
        call);
    if (!info && info.error().code() == Code::kNotFound) {
      co_return Fail(
          Code::kUnavailable,
          fmt::format("the store gave the upload up before its end: {}", info.error().message()));
    }
    co_return info;
  }

  Bucket& bucket_;
  Env& env_;
  const std::string name_;
  const std::string key_;
  const Condition condition_;
  const UploadOptions options_;
  ObjectAttributes attributes_;
  Buffer buffer_;
  bool over_ = false;
  bool committed_ = false;
  std::string upload_;  // set once it goes in parts
  std::string mark_;
  std::vector<UploadedPart> parts_;
  uint64_t on_way_bytes_ = 0;
  std::optional<Error> failed_;  // the first part that did
  http_origin::Bell progress_;
  CancelSource cancel_;
  TaskGroup group_;
};

/// One part of an upload that others may work on, too.
class PartUpload final : public OriginUpload {
 public:
  PartUpload(Bucket& bucket, Env& env, std::string name, std::string key, std::string upload,
             uint32_t number)
      : bucket_(bucket),
        env_(env),
        name_(std::move(name)),
        key_(std::move(key)),
        upload_(std::move(upload)),
        number_(number) {}

  Task<Result<void>> Write(std::span<const Bytes> parts, Call call) override {
    auto checked = CheckCall(env_, call);
    if (checked && over_) checked = Fail(Code::kInvalidArgument, "this upload is over");
    for (const Bytes part : parts) {
      if (checked && buffer_.bytes.size() + part.size() > kMaxSinglePartBytes) {
        checked = Fail(Code::kInvalidArgument,
                       "a part of more than 1 GiB is not taken; send more "
                       "and smaller parts");
      }
      if (checked) buffer_.Add(part);
    }
    if (!checked) over_ = true;
    if (!checked) co_return Named(name_, checked.error());
    co_return checked;
  }

  Task<Result<ObjectInfo>> Commit(Call call) override {
    auto checked = CheckCall(env_, call);
    if (checked && over_) checked = Fail(Code::kInvalidArgument, "this upload is over");
    over_ = true;
    if (!checked) co_return Named(name_, checked.error());
    const HashedBody body{.bytes = AsBytes(buffer_.bytes), .sha256 = buffer_.hash.Finish()};
    auto etag = co_await bucket_.PutPart(env_, key_, upload_, number_, body, call);
    if (!etag) co_return Named(name_, etag.error());
    co_return ObjectInfo{.etag = std::move(*etag), .size = buffer_.bytes.size()};
  }

  Task<void> Abort() override {
    over_ = true;
    co_return;
  }

 private:
  Bucket& bucket_;
  Env& env_;
  const std::string name_;
  const std::string key_;
  const std::string upload_;
  const uint32_t number_;
  Buffer buffer_;
  bool over_ = false;
};

}  // namespace

uint64_t PartBytes(uint64_t first, uint32_t number) {
  const uint64_t thousand = (number - 1) / 1000;
  return first + 20 * kMiB * thousand * thousand;
}

std::unique_ptr<OriginUpload> NewUpload(Bucket& bucket, Env& env, std::string name, std::string key,
                                        Condition condition, UploadOptions options) {
  return std::make_unique<Upload>(bucket, env, std::move(name), std::move(key),
                                  std::move(condition), options);
}

std::unique_ptr<OriginUpload> NewPartUpload(Bucket& bucket, Env& env, std::string name,
                                            std::string key, std::string upload, uint32_t number) {
  return std::make_unique<PartUpload>(bucket, env, std::move(name), std::move(key),
                                      std::move(upload), number);
}

}  // namespace forebay::s3
