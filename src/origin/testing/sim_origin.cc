#include "src/origin/testing/sim_origin.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace forebay {

struct SimOrigin::FaultCounts {
  explicit FaultCounts(sim::FaultReport& report)
      : unavailable(report.Of("origin.unavailable")),
        overloaded(report.Of("origin.overloaded")),
        denied(report.Of("origin.denied")),
        hang(report.Of("origin.hang")),
        slow(report.Of("origin.slow")),
        reset_in_body(report.Of("origin.reset_in_body")),
        small_read(report.Of("origin.small_read")),
        change_before(report.Of("origin.change_before")),
        change_in_body(report.Of("origin.change_in_body")),
        lost_reply(report.Of("origin.lost_reply")) {}
  sim::FaultCount &unavailable, &overloaded, &denied, &hang, &slow, &reset_in_body, &small_read,
      &change_before, &change_in_body, &lost_reply;
};

void SimOrigin::Version::Read(uint64_t offset, MutableBytes into) const {
  if (bytes != nullptr) {
    std::memcpy(into.data(), bytes->data() + offset, into.size());
    return;
  }
  const uint64_t seed = Mix64(number);
  for (size_t done = 0; done < into.size();) {
    const uint64_t at = offset + done, skip = at % 8;
    const uint64_t word = Mix64(seed + at / 8);
    const size_t piece = std::min<size_t>(8 - skip, into.size() - done);
    std::memcpy(into.data() + done, reinterpret_cast<const std::byte*>(&word) + skip, piece);
    done += piece;
  }
}

/// Gives one version from beginning to end, whatever the name means by then, unless the plan says
/// otherwise.
class SimOrigin::Body final : public OriginBody {
 public:
  Body(SimOrigin& origin, Env& env, std::string key, VersionRef version, const GetOptions& options)
      : origin_(origin),
        env_(env),
        key_(std::move(key)),
        version_(std::move(version)),
        info_(version_->info()),
        next_(std::min(options.offset, info_.size)),
        size_(std::min(options.size, info_.size - next_)),
        end_(next_ + size_) {}

  const ObjectInfo& info() const override { return info_; }
  uint64_t size() const override { return size_; }

  Task<Result<size_t>> Read(MutableBytes into, Call call) override {
    uint64_t size = std::min<uint64_t>(into.size(), end_ - next_);
    if (size == 0) co_return 0;
    if (broken_) co_return Break(Code::kUnavailable, "this body is broken");
    const SimOriginFaults& rates = origin_.options_.faults;
    FaultCounts& faults = *origin_.faults_;
    if (faults.small_read.Chance(origin_.prng_, rates.small_read)) {
      size = 1 + origin_.prng_.Below(size);
    }
    const auto nanos = static_cast<int64_t>(static_cast<unsigned __int128>(size) * 1'000'000'000 /
                                            origin_.options_.bytes_per_second);
    FB_CO_TRY(co_await origin_.Pass(env_, Duration(nanos), call));
    if (faults.hang.Chance(origin_.prng_, rates.hang)) {
      broken_ = true;
      co_return Fail((co_await origin_.Hang(env_, call)).error());
    }
    if (origin_.down_ || faults.reset_in_body.Chance(origin_.prng_, rates.reset_in_body)) {
      co_return Break(Code::kUnavailable, "the connection broke");
    }
    if (faults.change_in_body.Chance(origin_.prng_, rates.change_in_body)) {
      origin_.Make(key_, info_.size);
      if (origin_.prng_.OneIn(2)) co_return Break(Code::kVersionChanged, "it has changed");
    }
    version_->Read(next_, into.first(size));
    origin_.CountRead(*version_, next_, size);
    next_ += size;
    co_return size;
  }

 private:
  std::unexpected<Error> Break(Code code, std::string_view why) {
    broken_ = true;
    return origin_.Failed(code, fmt::format("'{}' at {}: {}", key_, next_, why));
  }

  SimOrigin& origin_;
  Env& env_;
  const std::string key_;
  const VersionRef version_;
  const ObjectInfo info_;
  uint64_t next_;
  const uint64_t size_;
  const uint64_t end_;
  bool broken_ = false;
};

/// An object, or a part of a multipart upload.
class SimOrigin::Upload final : public OriginUpload {
 public:
  Upload(SimOrigin& origin, Env& env, std::string key, Condition condition, std::string upload_id,
         uint32_t part)
      : origin_(origin),
        env_(env),
        key_(std::move(key)),
        condition_(std::move(condition)),
        upload_id_(std::move(upload_id)),
        part_(part) {
    ++origin_.open_uploads_;
  }

  Task<Result<void>> Write(std::span<const Bytes> parts, Call call) override {
    if (std::exchange(failed_, true)) co_return Spent();
    FB_CO_TRY(co_await origin_.Begin(env_, call));
    for (const Bytes part : parts) bytes_.append(AsText(part));
    failed_ = false;
    co_return Result<void>();
  }

  Task<Result<ObjectInfo>> Commit(Call call) override {
    if (std::exchange(failed_, true)) co_return Spent();
    FB_CO_TRY(co_await origin_.Begin(env_, call));
    ObjectInfo info;
    if (part_ != 0) {
      FB_CO_ASSIGN(Multipart * upload, origin_.FindUpload(key_, upload_id_));
      info = {.etag = fmt::format("p{}", origin_.next_number_++), .size = bytes_.size()};
      upload->parts[part_] = {info.etag, std::move(bytes_)};
    } else {
      FB_CO_TRY(origin_.CheckCondition(key_, condition_));
      origin_.MakeOf(key_, std::move(bytes_));
      info = origin_.Find(key_)->info();
    }
    Close();
    FB_CO_TRY(origin_.LoseReply());
    co_return info;
  }

  Task<void> Abort() override {
    failed_ = true;
    Close();
    co_return;
  }

 private:
  std::unexpected<Error> Spent() const {
    return origin_.Failed(Code::kInvalidArgument, "this upload is over; begin a new one");
  }
  void Close() {
    if (!std::exchange(closed_, true)) --origin_.open_uploads_;
  }

  SimOrigin& origin_;
  Env& env_;
  const std::string key_;
  const Condition condition_;
  const std::string upload_id_;
  const uint32_t part_;  // 0: the object itself
  std::string bytes_;
  bool failed_ = false;
  bool closed_ = false;
};

SimOrigin::SimOrigin(sim::FaultReport& report, uint64_t seed, SimOriginOptions options,
                     std::string url)
    : url_(std::move(url)),
      capabilities_{.cheap_head = options.cheap_head},
      options_(options),
      prng_(Mix64(seed ^ 0x0419)),
      faults_(std::make_unique<FaultCounts>(report)) {}

SimOrigin::~SimOrigin() = default;

std::string SimOrigin::Keep(const std::string& key, Version version) {
  version.number = next_number_++;
  version.etag = fmt::format("v{}", version.number);
  version.modified_ns = static_cast<int64_t>(version.number);
  const auto kept = std::make_shared<const Version>(std::move(version));
  objects_[key] = kept;
  versions_[kept->etag] = kept;
  return kept->etag;
}

std::string SimOrigin::Make(const std::string& key, uint64_t size) {
  return Keep(key, {.size = size});
}

std::string SimOrigin::MakeOf(const std::string& key, std::string bytes) {
  const uint64_t size = bytes.size();
  return Keep(key, {.size = size, .bytes = std::make_shared<const std::string>(std::move(bytes))});
}

void SimOrigin::Remove(const std::string& key) {
  objects_.erase(key);
}

SimOrigin::VersionRef SimOrigin::Find(const std::string& key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : found->second;
}

bool SimOrigin::IsRight(std::string_view etag, uint64_t offset, Bytes bytes) const {
  const auto found = versions_.find(etag);
  if (found == versions_.end()) return false;
  const Version& version = *found->second;
  if (offset > version.size || bytes.size() > version.size - offset) return false;
  std::vector<std::byte> want(bytes.size());
  version.Read(offset, want);
  return std::ranges::equal(bytes, want);
}

std::string SimOrigin::CurrentEtag(const std::string& key) const {
  const VersionRef version = Find(key);
  return version == nullptr ? "" : version->etag;
}

std::string SimOrigin::ContentsOf(const std::string& key) const {
  const VersionRef version = Find(key);
  if (version == nullptr) return "";
  std::string bytes(version->size, '\0');
  version->Read(0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

void SimOrigin::ResetCounts() {
  counts_ = {};
  reads_.clear();
}

void SimOrigin::CountRead(const Version& version, uint64_t offset, uint64_t size) {
  counts_.bytes_read += size;
  auto& changes = reads_[version.etag];
  ++changes[offset];
  --changes[offset + size];
}

SimOrigin::TimesRead SimOrigin::HowOftenRead(std::string_view etag, uint64_t offset,
                                             uint64_t size) const {
  const auto found = reads_.find(etag);
  if (found == reads_.end() || size == 0) return {};
  const auto& changes = found->second;
  int64_t times = 0;
  auto it = changes.begin();
  for (; it != changes.end() && it->first <= offset; ++it) times += it->second;
  TimesRead result{static_cast<uint64_t>(times), static_cast<uint64_t>(times)};
  for (; it != changes.end() && it->first < offset + size; ++it) {
    times += it->second;
    result.least = std::min(result.least, static_cast<uint64_t>(times));
    result.most = std::max(result.most, static_cast<uint64_t>(times));
  }
  return result;
}

std::unexpected<Error> SimOrigin::Failed(Code code, std::string_view what) const {
  return Fail(code, fmt::format("origin {}: {}", url_, what));
}

Task<Result<void>> SimOrigin::Pass(Env& env, Duration time, Call call) {
  const Instant until = env.clock.Now() + time;
  FB_CO_TRY(co_await env.clock.SleepUntil(std::min(until, call.deadline), call.cancel));
  if (call.deadline <= until && call.deadline != Instant::Never()) {
    co_return Failed(Code::kDeadlineExceeded, "the deadline passed");
  }
  co_return Result<void>();
}

Task<Result<void>> SimOrigin::Hang(Env& env, Call call) {
  FB_CO_TRY(co_await Pass(env, options_.faults.hang_time, call));
  co_return Failed(Code::kUnavailable, "no answer");
}

Task<Result<void>> SimOrigin::Begin(Env& env, Call call) {
  const SimOriginFaults& rates = options_.faults;
  const auto latency = static_cast<uint64_t>(options_.latency.count());
  Duration time(static_cast<int64_t>(latency + prng_.Below(latency / 2 + 1)));
  if (faults_->slow.Chance(prng_, rates.slow)) time += rates.slow_time;
  FB_CO_TRY(co_await Pass(env, time, call));
  if (faults_->hang.Chance(prng_, rates.hang)) co_return co_await Hang(env, call);
  if (down_ || faults_->unavailable.Chance(prng_, rates.unavailable)) {
    co_return Failed(Code::kUnavailable, "cannot be reached");
  }
  if (faults_->overloaded.Chance(prng_, rates.overloaded)) {
    co_return Failed(Code::kOverloaded, "asks to slow down");
  }
  if (faults_->denied.Chance(prng_, rates.denied)) {
    co_return Failed(Code::kPermissionDenied, "denies it");
  }
  co_return Result<void>();
}

Result<void> SimOrigin::LoseReply() {
  if (!faults_->lost_reply.Chance(prng_, options_.faults.lost_reply)) return {};
  return Failed(Code::kUnavailable, "its answer was lost");
}

Result<void> SimOrigin::CheckCondition(const std::string& key, const Condition& condition) const {
  const VersionRef version = Find(key);
  if (condition.if_absent && version != nullptr) {
    return Failed(Code::kAlreadyExists, fmt::format("'{}' is there already", key));
  }
  const std::string etag = version == nullptr ? "" : version->etag;
  if (!condition.if_match.empty() && condition.if_match != etag) {
    return Failed(Code::kVersionChanged, fmt::format("'{}' has changed", key));
  }
  return {};
}

Task<Result<ObjectInfo>> SimOrigin::Head(Env& env, std::string key, Call call) {
  ++counts_.heads;
  FB_CO_TRY(co_await Begin(env, call));
  const VersionRef version = Find(key);
  if (version == nullptr) co_return Failed(Code::kNotFound, fmt::format("no object '{}'", key));
  co_return version->info();
}

Task<Result<std::unique_ptr<OriginBody>>> SimOrigin::Get(Env& env, std::string key,
                                                         GetOptions options, Call call) {
  ++counts_.gets;
  FB_CO_TRY(co_await Begin(env, call));
  VersionRef version = Find(key);
  if (version != nullptr && faults_->change_before.Chance(prng_, options_.faults.change_before)) {
    Make(key, version->size);
    version = Find(key);
  }
  const std::string etag = version == nullptr ? "" : version->etag;
  if (!options.if_match.empty() && options.if_match != etag) {
    co_return Failed(Code::kVersionChanged, fmt::format("'{}' has changed", key));
  }
  if (version == nullptr) co_return Failed(Code::kNotFound, fmt::format("no object '{}'", key));
  co_return std::make_unique<Body>(*this, env, std::move(key), std::move(version), options);
}

Task<Result<ListPage>> SimOrigin::List(Env& env, ListOptions options, Call call) {
  ++counts_.lists;
  FB_CO_TRY(co_await Begin(env, call));
  ListPage page;
  const size_t limit = std::max(options.limit, 1u);
  for (auto it = objects_.lower_bound(options.prefix); it != objects_.end(); ++it) {
    const std::string& key = it->first;
    if (!key.starts_with(options.prefix)) break;
    ListEntry entry{.key = key, .info = it->second->info()};
    const size_t cut = options.delimiter.empty()
                           ? std::string::npos
                           : key.find(options.delimiter, options.prefix.size());
    if (cut != std::string::npos) {
      entry = {.key = key.substr(0, cut + options.delimiter.size()), .is_prefix = true};
    }
    const bool told = !page.entries.empty() && page.entries.back().key == entry.key;
    if (entry.key <= options.after || told) continue;
    if (page.entries.size() == limit) {
      page.more = true;
      break;
    }
    page.entries.push_back(std::move(entry));
  }
  co_return page;
}

Task<Result<std::unique_ptr<OriginUpload>>> SimOrigin::Put(Env& env, std::string key,
                                                           Condition condition, Call call) {
  ++counts_.puts;
  FB_CO_TRY(co_await Begin(env, call));
  co_return std::make_unique<Upload>(*this, env, std::move(key), std::move(condition), "", 0);
}

Task<Result<void>> SimOrigin::Delete(Env& env, std::string key, Condition condition, Call call) {
  ++counts_.deletes;
  FB_CO_TRY(co_await Begin(env, call));
  FB_CO_TRY(CheckCondition(key, condition));
  if (objects_.erase(key) == 0) {
    co_return Failed(Code::kNotFound, fmt::format("no object '{}'", key));
  }
  co_return LoseReply();
}

Result<SimOrigin::Multipart*> SimOrigin::FindUpload(const std::string& key,
                                                    const std::string& upload_id) {
  const auto found = uploads_.find(upload_id);
  if (found == uploads_.end() || found->second.key != key) {
    return Failed(Code::kNotFound, fmt::format("no upload '{}' of '{}'", upload_id, key));
  }
  return &found->second;
}

Task<Result<std::string>> SimOrigin::CreateMultipart(Env& env, std::string key, Call call) {
  ++counts_.others;
  FB_CO_TRY(co_await Begin(env, call));
  const std::string id = fmt::format("u{}", next_number_++);
  uploads_[id].key = std::move(key);
  co_return id;
}

Task<Result<std::unique_ptr<OriginUpload>>> SimOrigin::PutPart(Env& env, std::string key,
                                                               std::string upload_id,
                                                               uint32_t number, Call call) {
  ++counts_.puts;
  FB_CO_TRY(co_await Begin(env, call));
  if (number == 0 || number > capabilities_.max_parts) {
    co_return Failed(Code::kInvalidArgument, fmt::format("there is no part {}", number));
  }
  FB_CO_TRY(FindUpload(key, upload_id));
  co_return std::make_unique<Upload>(*this, env, std::move(key), Condition{}, std::move(upload_id),
                                     number);
}

Task<Result<std::vector<UploadedPart>>> SimOrigin::ListParts(Env& env, std::string key,
                                                             std::string upload_id, Call call) {
  ++counts_.others;
  FB_CO_TRY(co_await Begin(env, call));
  FB_CO_ASSIGN(const Multipart* upload, FindUpload(key, upload_id));
  std::vector<UploadedPart> parts;
  for (const auto& [number, part] : upload->parts) {
    parts.push_back({.number = number, .etag = part.etag, .size = part.bytes.size()});
  }
  co_return parts;
}

Task<Result<ObjectInfo>> SimOrigin::CompleteMultipart(Env& env, std::string key,
                                                      std::string upload_id,
                                                      std::vector<UploadedPart> parts,
                                                      Condition condition, Call call) {
  ++counts_.others;
  FB_CO_TRY(co_await Begin(env, call));
  FB_CO_ASSIGN(const Multipart* upload, FindUpload(key, upload_id));
  std::string bytes;
  uint32_t last = 0;
  for (const UploadedPart& part : parts) {
    const auto found = upload->parts.find(part.number);
    const bool right = part.number > last && found != upload->parts.end() &&
                       found->second.etag == part.etag && found->second.bytes.size() == part.size;
    if (!right) {
      co_return Failed(Code::kInvalidArgument,
                       fmt::format("part {} is missing or differs", part.number));
    }
    last = part.number;
    bytes += found->second.bytes;
  }
  if (parts.empty()) co_return Failed(Code::kInvalidArgument, "an upload has at least one part");
  FB_CO_TRY(CheckCondition(key, condition));
  MakeOf(key, std::move(bytes));
  uploads_.erase(upload_id);
  FB_CO_TRY(LoseReply());
  co_return Find(key)->info();
}

Task<Result<void>> SimOrigin::AbortMultipart(Env& env, std::string key, std::string upload_id,
                                             Call call) {
  ++counts_.others;
  FB_CO_TRY(co_await Begin(env, call));
  FB_CO_TRY(FindUpload(key, upload_id));
  uploads_.erase(upload_id);
  co_return Result<void>();
}

Task<Result<void>> SimOrigin::Sweep(Env& env) {
  ++counts_.others;
  co_return co_await Begin(env, {});
}

}  // namespace forebay
