#include "src/origin/azure/upload.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "src/origin/azure/answers.h"
#include "src/origin/azure/crc64.h"
#include "src/origin/http/bell.h"
#include "src/origin/http/request.h"
#include "src/runtime/task_group.h"

namespace forebay::azure {
namespace {

using http_origin::CheckCall;

/// Of one block, however often it is tried. The caller's own deadline ends his waiting for it.
constexpr Duration kBlockTime = std::chrono::minutes(10);

std::unexpected<Error> Named(const std::string& name, const Error& error) {
  return Fail(error.code(), fmt::format("{}: {}", name, error.message()));
}

Result<void> Over() {
  return Fail(Code::kInvalidArgument, "this upload is over");
}

/// What was written and not yet sent.
struct Buffer {
  std::string bytes;
  uint64_t crc64 = 0;

  void Add(Bytes more) {
    bytes.append(AsText(more));
    crc64 = Crc64(more, crc64);
  }
  CheckedBody body() const { return {.bytes = AsBytes(bytes), .crc64 = crc64}; }
};

class Upload final : public OriginUpload {
 public:
  Upload(Container& container, Env& env, std::string name, std::string key, Condition condition,
         UploadOptions options)
      : container_(container),
        env_(env),
        name_(std::move(name)),
        key_(std::move(key)),
        condition_(std::move(condition)),
        options_(options),
        id_(NewUploadId(env, container.address().ContainerUrl(),
                        container.address().BlobName(key_))),
        stamp_(NewStamp(env)),
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
    co_await group_.Join();
    co_return info;
  }

  Task<void> Abort() override {
    over_ = true;
    cancel_.Cancel();
    co_await group_.Join();
  }

 private:
  uint32_t NextIndex() const { return static_cast<uint32_t>(ids_.size()); }
  uint64_t NextBytes() const { return BlockBytes(options_.block_bytes, NextIndex()); }

  Task<Result<void>> Take(std::span<const Bytes> parts, Call call) {
    FB_CO_TRY(CheckCall(env_, call));
    if (failed_) co_return Fail(*failed_);
    for (Bytes rest : parts) {
      while (!rest.empty()) {
        // Only when there is more, so that what fits into one block is one request.
        if (buffer_.bytes.size() == NextBytes()) FB_CO_TRY(co_await SendBlock(call));
        const uint64_t room = NextBytes() - buffer_.bytes.size();
        const Bytes piece = rest.first(std::min<uint64_t>(room, rest.size()));
        buffer_.Add(piece);
        rest = rest.subspan(piece.size());
      }
    }
    co_return Result<void>();
  }

  Task<Result<void>> SendBlock(Call call) {
    if (NextIndex() >= kMaxBlocks) {
      co_return Fail(Code::kInvalidArgument, "the object is larger than 50,000 blocks hold");
    }
    while (on_way_bytes_ > 0 && !failed_ &&
           on_way_bytes_ + buffer_.bytes.size() > options_.memory_bytes) {
      FB_CO_TRY(co_await progress_.Wait(env_, call));
    }
    if (failed_) co_return Fail(*failed_);
    on_way_bytes_ += buffer_.bytes.size();
    size_ += buffer_.bytes.size();
    ids_.push_back(BlockId({.upload = id_, .stamp = stamp_, .index = NextIndex()}));
    group_.Spawn(PutOne(ids_.back(), std::exchange(buffer_, {}), call.trace));
    co_return Result<void>();
  }

  Task<void> PutOne(std::string id, Buffer buffer, Hash128 trace) {
    const Call call{env_.clock.Now() + kBlockTime, cancel_.token(), trace};
    const auto put = co_await container_.PutBlock(env_, key_, id, buffer.body(), call);
    if (!put && !failed_) failed_ = put.error();
    on_way_bytes_ -= buffer.bytes.size();
    progress_.Ring();
  }

  Task<Result<ObjectInfo>> Finish(Call call) {
    FB_CO_TRY(CheckCall(env_, call));
    if (ids_.empty()) {
      co_return co_await container_.Put(env_, Writing(), buffer_.body(), call);
    }
    if (!buffer_.bytes.empty()) FB_CO_TRY(co_await SendBlock(call));
    while (on_way_bytes_ > 0 && !failed_) FB_CO_TRY(co_await progress_.Wait(env_, call));
    if (failed_) co_return Fail(*failed_);
    auto info = co_await container_.Complete(env_, Writing(), ids_, size_, call);
    if (!info && Says(info.error(), "InvalidBlockList")) {
      co_return Fail(Code::kUnavailable,
                     "the service dropped blocks of this upload, as it does when somebody else "
                     "writes the object meanwhile; write it again");
    }
    co_return info;
  }

  Container::Writing Writing() const {
    return {.key = key_, .mark = id_, .attributes = attributes_, .condition = condition_};
  }

  Container& container_;
  Env& env_;
  const std::string name_;
  const std::string key_;
  const Condition condition_;
  const UploadOptions options_;
  const std::string id_;
  const std::string stamp_;
  ObjectAttributes attributes_;
  Buffer buffer_;
  bool over_ = false;
  std::vector<std::string> ids_;  // of the blocks sent
  uint64_t size_ = 0;             // of them
  uint64_t on_way_bytes_ = 0;
  std::optional<Error> failed_;  // the first block that did
  http_origin::Bell progress_;
  CancelSource cancel_;
  TaskGroup group_;
};

class PartUpload final : public OriginUpload {
 public:
  PartUpload(Container& container, Env& env, std::string name, std::string key,
             const std::string& upload, uint32_t number, UploadOptions options)
      : container_(container),
        env_(env),
        name_(std::move(name)),
        key_(std::move(key)),
        block_{.upload = std::string(BareId(upload)), .part = number, .stamp = NewStamp(env)},
        options_(options) {}

  Task<Result<void>> Write(std::span<const Bytes> parts, Call call) override {
    auto written = over_ ? Over() : co_await Take(parts, call);
    if (!written) over_ = true;
    if (!written) co_return Named(name_, written.error());
    co_return written;
  }

  Task<Result<ObjectInfo>> Commit(Call call) override {
    if (over_) co_return Named(name_, Over().error());
    over_ = true;
    const auto done = co_await Finish(call);
    if (!done) co_return Named(name_, done.error());
    co_return ObjectInfo{.etag = PartEtag(block_.part, block_.stamp), .size = size_};
  }

  Task<void> Abort() override {
    over_ = true;
    co_return;
  }

 private:
  Task<Result<void>> Take(std::span<const Bytes> parts, Call call) {
    FB_CO_TRY(CheckCall(env_, call));
    for (Bytes rest : parts) {
      while (!rest.empty()) {
        const uint64_t most = PartBlockBytes(options_.block_bytes, block_.index);
        if (buffer_.bytes.size() == most) {
          FB_CO_TRY(co_await Send(BlockName::Kind::kMiddle, call));
          continue;
        }
        const Bytes piece =
            rest.first(std::min<uint64_t>(most - buffer_.bytes.size(), rest.size()));
        buffer_.Add(piece);
        rest = rest.subspan(piece.size());
      }
    }
    co_return Result<void>();
  }

  Task<Result<void>> Send(BlockName::Kind kind, Call call) {
    block_.kind = kind;
    const Buffer buffer = std::exchange(buffer_, {});
    FB_CO_TRY(co_await container_.PutBlock(env_, key_, BlockId(block_), buffer.body(), call));
    size_ += buffer.bytes.size();
    ++block_.index;
    co_return Result<void>();
  }

  Task<Result<void>> Finish(Call call) {
    FB_CO_TRY(CheckCall(env_, call));
    FB_CO_TRY(co_await FindUpload(container_, env_, key_, block_.upload, call));
    // No block is empty; what follows Write only when there is more is never empty here.
    if (!buffer_.bytes.empty()) co_return co_await Send(BlockName::Kind::kLast, call);
    buffer_.Add(AsBytes("-"));
    const auto sent = co_await Send(BlockName::Kind::kEmpty, call);
    size_ = 0;
    co_return sent;
  }

  Container& container_;
  Env& env_;
  const std::string name_;
  const std::string key_;
  BlockName block_;  // the next one
  const UploadOptions options_;
  Buffer buffer_;
  uint64_t size_ = 0;  // of what was sent
  bool over_ = false;
};

}  // namespace

std::unique_ptr<OriginUpload> NewUpload(Container& container, Env& env, std::string name,
                                        std::string key, Condition condition,
                                        UploadOptions options) {
  return std::make_unique<Upload>(container, env, std::move(name), std::move(key),
                                  std::move(condition), options);
}

std::unique_ptr<OriginUpload> NewPartUpload(Container& container, Env& env, std::string name,
                                            std::string key, const std::string& upload,
                                            uint32_t number, UploadOptions options) {
  return std::make_unique<PartUpload>(container, env, std::move(name), std::move(key), upload,
                                      number, options);
}

Task<Result<UploadState>> FindUpload(Container& container, Env& env, std::string key,
                                     std::string upload, Call call) {
  const Address& address = container.address();
  const Error none(Code::kNotFound,
                   "no upload of it under this id; it was completed or given up, or never begun");
  if (!IsUploadId(BareId(upload), address.ContainerUrl(), address.BlobName(key)))
    co_return Fail(none);
  FB_CO_ASSIGN(const BlockList list, co_await container.Blocks(env, std::move(key), call));
  UploadState state = StateOf(list, BareId(upload));
  if (state.over) co_return Fail(none);
  co_return state;
}

}  // namespace forebay::azure
