#include "src/node/attachments.h"

#include <charconv>
#include <mutex>

namespace forebay {
namespace {

constexpr std::string_view kPrefix = "attachments/";
constexpr std::string_view kLastId = "last_attachment_id";
constexpr int kMaxIdTries = 100;
constexpr Duration kRegistryPatience = std::chrono::seconds(10);
constexpr int kMostBackOff = 7;  // 20 ms doubled so often: a few seconds

std::string KeyOf(std::string_view name) {
  return std::string(kPrefix).append(name);
}

}  // namespace

std::shared_ptr<const Attachment> AttachmentTable::Find(std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto known = by_name_.find(name);
  return known == by_name_.end() ? nullptr : known->second;
}

std::shared_ptr<const Attachment> AttachmentTable::Find(AttachmentId id) const {
  const std::shared_lock lock(mutex_);
  const auto known = by_id_.find(id);
  return known == by_id_.end() ? nullptr : known->second;
}

std::vector<std::shared_ptr<const Attachment>> AttachmentTable::All() const {
  const std::shared_lock lock(mutex_);
  std::vector<std::shared_ptr<const Attachment>> all;
  for (const auto& [name, attachment] : by_name_) all.push_back(attachment);
  return all;
}

Result<std::shared_ptr<const Attachment>> AttachmentTable::Make(AttachmentConfig config) const {
  auto made = std::make_shared<Attachment>();
  FB_ASSIGN(made->origin, origins_(config));
  made->config = std::move(config);
  return made;
}

void AttachmentTable::Put(std::shared_ptr<const Attachment> attachment) {
  Remove(attachment->config.name);
  const std::unique_lock lock(mutex_);
  by_id_[attachment->config.id] = attachment;
  auto& place = by_name_[attachment->config.name];
  place = std::move(attachment);
}

void AttachmentTable::Remove(std::string_view name) {
  std::shared_ptr<const Attachment> ended;
  {
    const std::unique_lock lock(mutex_);
    const auto known = by_name_.find(name);
    if (known == by_name_.end()) return;
    ended = std::move(known->second);
    by_name_.erase(known);
    by_id_.erase(ended->config.id);
  }
  ended->detached = true;
  if (ended_) ended_(std::move(ended));
}

void AttachmentTable::RemoveId(std::string_view name, AttachmentId id) {
  const auto known = Find(name);
  if (known != nullptr && known->config.id == id) Remove(name);
}

/// What cannot be served (an origin of an unknown kind, a later release's settings) is said and
/// left out: the others go on.
Task<void> AttachmentTable::Apply(RegistryEntry entry) {
  const std::string name = entry.key.substr(kPrefix.size());
  auto config = AttachmentConfig::Deserialize(entry.value);
  if (config && config->name != name) {
    config = Fail(Code::kCorrupt, fmt::format("it says that its name is {}", config->name));
  }
  const auto known = Find(name);
  if (config && known != nullptr && known->config.id == config->id) co_return;
  auto made = config ? Make(std::move(*config)) : Fail(config.error());
  if (!made) {
    context_.env.log.Error(
        "node", fmt::format("attachment /{} is not served: {}", name, made.error().ToString()));
    Remove(name);
    co_return;
  }
  context_.tasks.Spawn(Sweep(*made));
  Put(std::move(*made));
}

/// Beside all else: an origin that hangs keeps nobody from the others, nor from what is cached.
Task<void> AttachmentTable::Sweep(std::shared_ptr<const Attachment> attachment) {
  const auto swept = co_await attachment->origin->Sweep(context_.env);
  if (!swept) {
    context_.env.log.Warning(
        "node", fmt::format("attachment /{}: {} could not be swept: {}", attachment->config.name,
                            attachment->origin->url(), swept.error().ToString()));
  }
}

Task<Result<void>> AttachmentTable::Load(Call call) {
  FB_CO_ASSIGN(const RegistrySnapshot snapshot,
               co_await registry_.List(std::string(kPrefix), call));
  for (const auto& attachment : All()) {
    const std::string key = KeyOf(attachment->config.name);
    const bool there =
        std::ranges::any_of(snapshot.entries, [&](const RegistryEntry& e) { return e.key == key; });
    if (!there) RemoveId(attachment->config.name, attachment->config.id);
  }
  for (const RegistryEntry& entry : snapshot.entries) co_await Apply(entry);
  revision_ = snapshot.revision;
  known_ = true;
  co_return Result<void>();
}

Task<Result<void>> AttachmentTable::FollowOnce(CancelToken stop) {
  const Call call{.cancel = stop};
  if (!known_) FB_CO_TRY(co_await Load(call));
  FB_CO_ASSIGN(const auto watch, co_await registry_.Watch(std::string(kPrefix), revision_, call));
  for (;;) {
    auto changes = co_await watch->Next(call);
    if (!changes && changes.error().code() == Code::kCorrupt) co_return co_await Load(call);
    if (!changes) co_return Fail(changes.error());
    for (RegistryChange& change : *changes) {
      revision_ = std::max(revision_, change.entry.modified);
      if (change.removed) {
        Remove(std::string_view(change.entry.key).substr(kPrefix.size()));
      } else {
        co_await Apply(std::move(change.entry));
      }
    }
  }
}

Task<void> AttachmentTable::Follow(CancelToken stop) {
  for (int failures = 0; !stop.cancelled();) {
    const auto followed = co_await FollowOnce(stop);
    if (stop.cancelled() || (!followed && followed.error().code() == Code::kCancelled)) co_return;
    failures = followed ? 0 : std::min(failures + 1, kMostBackOff);
    if (failures == 1) {
      context_.env.log.Warning("node", fmt::format("the registry is away, attachments stay as they "
                                                   "are: {}",
                                                   followed.error().ToString()));
    }
    if (!co_await BackOff(context_.env, failures, {.cancel = stop})) co_return;
  }
}

/// Ids are given once, whatever happens: one that was taken and not used is lost.
Task<Result<AttachmentId>> AttachmentTable::NewId(Call call) {
  for (int tries = 0; tries < kMaxIdTries; ++tries) {
    FB_CO_ASSIGN(const auto entry, co_await registry_.Get(std::string(kLastId), call));
    uint64_t last = 0;
    if (entry) {
      const char* end = entry->value.data() + entry->value.size();
      const auto parsed = std::from_chars(entry->value.data(), end, last);
      if (parsed.ec != std::errc() || parsed.ptr != end) {
        co_return Fail(Code::kCorrupt, fmt::format("registry key {} holds no number but \"{}\"",
                                                   kLastId, entry->value));
      }
    }
    const Expect expect = entry ? Expect::ModifiedAt(entry->modified) : Expect::Absent();
    const auto put =
        co_await registry_.Put(std::string(kLastId), std::to_string(last + 1), expect, 0, call);
    if (put) co_return last + 1;
    const Code code = put.error().code();
    if (code != Code::kVersionChanged && code != Code::kAlreadyExists) co_return Fail(put.error());
  }
  co_return Fail(Code::kUnavailable, "too many attach at the same time; try again");
}

Task<Result<void>> AttachmentTable::Attach(AttachmentConfig config, Call call) {
  FB_CO_TRY(config.Validate());
  call.deadline = std::min(call.deadline, context_.env.clock.Now() + kRegistryPatience);
  const std::string key = KeyOf(config.name);
  FB_CO_ASSIGN(config.id, co_await NewId(call));
  FB_CO_TRY(Make(config));  // refuses an origin that is none before anybody is told of it
  const auto put = co_await registry_.Put(key, config.Serialize(), Expect::Absent(), 0, call);
  if (!put && put.error().code() == Code::kAlreadyExists) {
    co_return Fail(Code::kAlreadyExists,
                   fmt::format("/{} is attached already; detach it first", config.name));
  }
  if (!put && put.error().code() != Code::kUnavailable) co_return Fail(put.error());
  // It may have happened though its answer was lost; and what is there is what counts.
  FB_CO_ASSIGN(auto entry, co_await registry_.Get(key, call));
  if (!entry) co_return put ? Result<void>() : Fail(put.error());
  const auto there = AttachmentConfig::Deserialize(entry->value);
  if (!put && (!there || there->id != config.id)) co_return Fail(put.error());
  co_await Apply(std::move(*entry));
  co_return Result<void>();
}

Task<Result<void>> AttachmentTable::Detach(std::string name, Call call) {
  call.deadline = std::min(call.deadline, context_.env.clock.Now() + kRegistryPatience);
  const auto attachment = Find(name);
  if (attachment == nullptr) {
    co_return Fail(Code::kNotFound, fmt::format("/{} is not attached", name));
  }
  const auto removed = co_await registry_.Delete(KeyOf(name), {}, call);
  if (!removed && removed.error().code() != Code::kNotFound) co_return Fail(removed.error());
  RemoveId(name, attachment->config.id);
  co_return Result<void>();
}

}  // namespace forebay
