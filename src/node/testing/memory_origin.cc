#include "src/node/testing/memory_origin.h"

#include <algorithm>

namespace forebay::node_testing {

bool IsContent(uint64_t seed, uint64_t offset, Bytes bytes) {
  std::vector<std::byte> right(bytes.size());
  FillContent(seed, offset, right);
  return std::ranges::equal(bytes, right);
}

/// What it gives is of the version that it was opened at; it ends when that is replaced.
class MemoryOrigin::Body final : public OriginBody {
 public:
  Body(MemoryOrigin& origin, Env& env, std::string key, Object object, uint64_t offset,
       uint64_t size, bool judged)
      : origin_(origin),
        env_(env),
        key_(std::move(key)),
        object_(object),
        info_(object.info()),
        offset_(offset),
        size_(size),
        judged_(judged && origin.behaviour.judges),
        damaged_(judged_ && size > 0 && origin.damage_bodies > 0) {
    if (damaged_) --origin_.damage_bodies;
  }

  const ObjectInfo& info() const override { return info_; }
  uint64_t size() const override { return size_; }
  bool judged_at_end() const override { return judged_; }

  Task<Result<size_t>> Read(MutableBytes into, Call call) override {
    const size_t size = std::min({into.size(), size_ - given_, origin_.behaviour.read_bytes});
    const auto took =
        Duration(static_cast<int64_t>(size * 1'000'000'000 / origin_.behaviour.bytes_per_second));
    FB_CO_TRY(co_await env_.clock.Sleep(took, call.cancel));
    if (origin_.strikes("origin.stalled_body")) {
      FB_CO_TRY(co_await env_.clock.SleepUntil(call.deadline, call.cancel));
      co_return Fail(Code::kDeadlineExceeded, "no more bytes");
    }
    if (origin_.strikes("origin.broken_body")) co_return Fail(Code::kUnavailable, "it broke");
    if (origin_.strikes("origin.short_body")) co_return size_t{0};
    if (origin_.fail_reads > 0) {
      --origin_.fail_reads;
      co_return Fail(Code::kUnavailable, "the connection broke");
    }
    const auto present = origin_.objects_.find(key_);
    if (present == origin_.objects_.end() || present->second.version != object_.version) {
      co_return Fail(Code::kVersionChanged, "replaced while it was read");
    }
    FillContent(object_.seed, offset_ + given_, into.first(size));
    if (damaged_ && given_ == 0) into[0] ^= std::byte{1};
    given_ += size;
    origin_.bytes_given += size;
    if (damaged_ && given_ == size_) co_return Fail(Code::kCorrupt, "other bytes came");
    co_return size;
  }

 private:
  MemoryOrigin& origin_;
  Env& env_;
  const std::string key_;
  const Object object_;
  const ObjectInfo info_;
  const uint64_t offset_;
  const uint64_t size_;
  const bool judged_;
  const bool damaged_;
  uint64_t given_ = 0;
};

/// The first eight bytes are taken for the seed of all.
class MemoryOrigin::Upload final : public OriginUpload {
 public:
  Upload(MemoryOrigin& origin, Env& env, std::string key, Condition condition)
      : origin_(origin), env_(env), key_(std::move(key)), condition_(std::move(condition)) {}
  /// Of one part.
  Upload(MemoryOrigin& origin, Env& env, std::string upload_id, uint32_t number)
      : origin_(origin), env_(env), key_(std::move(upload_id)), part_(number) {}

  Task<Result<void>> Write(std::span<const Bytes> parts, Call call) override {
    FB_CO_TRY(co_await env_.clock.Sleep(origin_.behaviour.latency, call.cancel));
    for (const Bytes& part : parts) {
      if (size_ == 0 && part.size() >= 8) seed_ = LoadFrom<uint64_t>(part.data());
      size_ += part.size();
    }
    co_return Result<void>();
  }
  Task<Result<ObjectInfo>> Commit(Call call) override {
    FB_CO_TRY(co_await origin_.Arrive(env_, call));
    if (part_ > 0) {
      Object part{seed_, size_, ++origin_.versions_};
      origin_.uploads_[key_].parts[part_] = part;
      co_return part.info();
    }
    FB_CO_TRY(origin_.CheckCondition(key_, condition_));
    origin_.Set(key_, seed_, size_);
    const ObjectInfo info = origin_.objects_[key_].info();
    FB_CO_TRY(co_await env_.clock.Sleep(origin_.behaviour.latency, call.cancel));
    if (origin_.strikes("origin.lost_reply")) co_return Fail(Code::kUnavailable, "no answer");
    co_return info;
  }
  Task<void> Abort() override { co_return; }

 private:
  MemoryOrigin& origin_;
  Env& env_;
  const std::string key_;
  const Condition condition_;
  const uint32_t part_ = 0;
  uint64_t seed_ = 0;
  uint64_t size_ = 0;
};

void MemoryOrigin::Set(const std::string& key, uint64_t seed, uint64_t size) {
  objects_[key] = {seed, size, ++versions_};
  history[key].push_back({now(), true, versions_, seed, size});
}

bool MemoryOrigin::Remove(const std::string& key) {
  if (objects_.erase(key) == 0) return false;
  history[key].push_back({.from = now(), .exists = false, .version = ++versions_});
  return true;
}

Task<Result<void>> MemoryOrigin::Arrive(Env& env, Call call) {
  if (hang || strikes("origin.hang")) {
    FB_CO_TRY(co_await env.clock.SleepUntil(call.deadline, call.cancel));
    co_return Fail(Code::kDeadlineExceeded, "no answer");
  }
  FB_CO_TRY(co_await env.clock.Sleep(behaviour.latency, call.cancel));
  if (strikes("origin.slow")) {
    FB_CO_TRY(co_await env.clock.Sleep(std::chrono::seconds(3), call.cancel));
  }
  if (strikes("origin.overloaded")) co_return Fail(Code::kOverloaded, "asked to slow down");
  if (strikes("origin.unavailable")) co_return Fail(Code::kUnavailable, "the origin is away");
  if (fail_requests > 0) {
    --fail_requests;
    co_return Fail(Code::kUnavailable, "the origin is away");
  }
  co_return Result<void>();
}

Result<void> MemoryOrigin::CheckCondition(const std::string& key,
                                          const Condition& condition) const {
  const auto known = objects_.find(key);
  const bool there = known != objects_.end();
  if (condition.if_absent && there) return Fail(Code::kAlreadyExists, "there is one");
  if (condition.if_match.empty()) return {};
  if (there && known->second.info().etag == condition.if_match) return {};
  return Fail(Code::kVersionChanged, "it is another version");
}

Task<Result<ObjectInfo>> MemoryOrigin::Head(Env& env, std::string key, Call call) {
  ++heads;
  FB_CO_TRY(co_await Arrive(env, call));
  const auto known = objects_.find(key);
  if (known == objects_.end()) co_return Fail(Code::kNotFound, "there is none");
  const ObjectInfo info = known->second.info();
  if (answer_late.count() > 0) FB_CO_TRY(co_await env.clock.Sleep(answer_late, call.cancel));
  co_return info;
}

Task<Result<std::unique_ptr<OriginBody>>> MemoryOrigin::Get(Env& env, std::string key,
                                                            GetOptions options, Call call) {
  gets.push_back({key, options.offset, options.size, call.trace});
  FB_CO_TRY(co_await Arrive(env, call));
  const auto known = objects_.find(key);
  if (!options.if_match.empty()) {
    if (known == objects_.end() || known->second.info().etag != options.if_match) {
      co_return Fail(Code::kVersionChanged, "it is another version");
    }
  }
  if (known == objects_.end()) co_return Fail(Code::kNotFound, "there is none");
  const uint64_t size = known->second.size;
  const uint64_t offset = std::min(options.offset, size);
  co_return std::make_unique<Body>(*this, env, key, known->second, offset,
                                   std::min(options.size, size - offset), options.judged);
}

Task<Result<ListPage>> MemoryOrigin::List(Env& env, ListOptions options, Call call) {
  ++lists;
  FB_CO_TRY(co_await Arrive(env, call));
  ListPage page;
  for (auto it = objects_.upper_bound(options.after); it != objects_.end(); ++it) {
    if (!it->first.starts_with(options.prefix)) continue;
    if (page.entries.size() == options.limit) {
      page.more = true;
      break;
    }
    page.entries.push_back({it->first, it->second.info(), false});
  }
  co_return page;
}

Task<Result<std::unique_ptr<OriginUpload>>> MemoryOrigin::Put(Env& env, std::string key,
                                                              Condition condition, Call) {
  co_return std::make_unique<Upload>(*this, env, std::move(key), std::move(condition));
}

Task<Result<void>> MemoryOrigin::Delete(Env& env, std::string key, Condition condition, Call call) {
  FB_CO_TRY(co_await Arrive(env, call));
  FB_CO_TRY(CheckCondition(key, condition));
  if (!Remove(key)) co_return Fail(Code::kNotFound, "there is none");
  FB_CO_TRY(co_await env.clock.Sleep(behaviour.latency, call.cancel));
  co_return Result<void>();
}

Result<void> MemoryOrigin::CheckUpload(const std::string& key, const std::string& id) const {
  const auto known = uploads_.find(id);
  if (known != uploads_.end() && known->second.key == key) return {};
  return Fail(Code::kNotFound, "there is no upload " + id);
}

Task<Result<std::string>> MemoryOrigin::CreateMultipart(Env& env, std::string key, Call call) {
  FB_CO_TRY(co_await Arrive(env, call));
  const std::string id = "upload-" + std::to_string(++versions_);
  uploads_[id].key = std::move(key);
  co_return id;
}

Task<Result<std::unique_ptr<OriginUpload>>> MemoryOrigin::PutPart(Env& env, std::string key,
                                                                  std::string id, uint32_t number,
                                                                  Call) {
  FB_CO_TRY(CheckUpload(key, id));
  co_return std::make_unique<Upload>(*this, env, std::move(id), number);
}

Task<Result<std::vector<UploadedPart>>> MemoryOrigin::ListParts(Env& env, std::string key,
                                                                std::string id, Call call) {
  FB_CO_TRY(co_await Arrive(env, call));
  FB_CO_TRY(CheckUpload(key, id));
  std::vector<UploadedPart> parts;
  for (const auto& [number, part] : uploads_[id].parts) {
    parts.push_back({number, part.info().etag, part.size});
  }
  co_return parts;
}

/// The bytes are those of the first part's seed, as many as all parts have.
Task<Result<ObjectInfo>> MemoryOrigin::CompleteMultipart(Env& env, std::string key, std::string id,
                                                         std::vector<UploadedPart> parts,
                                                         Condition condition, Call call) {
  FB_CO_TRY(co_await Arrive(env, call));
  FB_CO_TRY(CheckUpload(key, id));
  FB_CO_TRY(CheckCondition(key, condition));
  uint64_t size = 0;
  for (const UploadedPart& part : parts) {
    const auto known = uploads_[id].parts.find(part.number);
    if (known == uploads_[id].parts.end() || known->second.info().etag != part.etag) {
      co_return Fail(Code::kInvalidArgument, "part " + std::to_string(part.number) + " differs");
    }
    size += known->second.size;
  }
  Set(key, parts.empty() ? 0 : uploads_[id].parts[parts.front().number].seed, size);
  uploads_.erase(id);
  co_return objects_[key].info();
}

Task<Result<void>> MemoryOrigin::AbortMultipart(Env& env, std::string key, std::string id,
                                                Call call) {
  FB_CO_TRY(co_await Arrive(env, call));
  FB_CO_TRY(CheckUpload(key, id));
  uploads_.erase(id);
  co_return Result<void>();
}

Task<Result<void>> MemoryOrigin::Sweep(Env&) {
  co_return Result<void>();
}

}  // namespace forebay::node_testing
