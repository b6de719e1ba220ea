#include "src/registry/embedded/embedded_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace forebay {
namespace {

/// A wait without an end is looked at again now and then; no timer has to reach for ever.
constexpr Duration kLongestWait = std::chrono::hours(1);
constexpr Duration kMaxTtl = std::chrono::hours(24 * 365);

Result<void> CheckCall(Env& env, const Call& call) {
  if (call.cancel.cancelled()) return Fail(Code::kCancelled, "registry: given up");
  if (env.clock.Now() >= call.deadline) {
    return Fail(Code::kDeadlineExceeded, "registry: the deadline passed");
  }
  return {};
}

Result<void> CheckSizes(std::string_view key, std::string_view value) {
  if (key.empty() || key.size() > kMaxRegistryKeyBytes) {
    return Fail(Code::kInvalidArgument, fmt::format("registry: a key has 1 to {} bytes, not {}",
                                                    kMaxRegistryKeyBytes, key.size()));
  }
  if (value.size() > kMaxRegistryValueBytes) {
    return Fail(Code::kInvalidArgument,
                fmt::format("registry: the value of '{}' has {} bytes; at most {} are kept", key,
                            value.size(), kMaxRegistryValueBytes));
  }
  return {};
}

Result<void> CheckExpected(const Expect& expect, std::string_view key, const RegistryEntry* entry) {
  if (expect.kind == Expect::Kind::kAbsent && entry != nullptr) {
    return Fail(Code::kAlreadyExists, fmt::format("registry: '{}' is there already", key));
  }
  const Revision now = entry == nullptr ? 0 : entry->modified;
  if (expect.kind == Expect::Kind::kModifiedAt && now != expect.modified) {
    return Fail(Code::kVersionChanged,
                fmt::format("registry: '{}' was changed at revision {}, not {}", key, now,
                            expect.modified));
  }
  return {};
}

const RegistryEntry* FindEntry(const RegistryState& state, std::string_view key) {
  const auto found = state.entries.find(key);
  return found == state.entries.end() ? nullptr : &found->second;
}

/// Takes all entries of the leases that are gone out of `state`.
std::vector<RegistryChange> RemoveOrphans(RegistryState& state) {
  std::vector<RegistryChange> changes;
  for (auto it = state.entries.begin(); it != state.entries.end();) {
    const LeaseId lease = it->second.lease;
    if (lease == 0 || state.leases.contains(lease)) {
      ++it;
      continue;
    }
    changes.push_back({.entry = {.key = it->first, .modified = ++state.revision}, .removed = true});
    it = state.entries.erase(it);
  }
  return changes;
}

size_t SizeOf(const RegistryChange& change) {
  return sizeof change + change.entry.key.size() + change.entry.value.size();
}

/// Holds the one right to change, which Acquire gave.
class Turn {
 public:
  explicit Turn(Semaphore& semaphore) : semaphore_(semaphore) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() { semaphore_.Release(); }

 private:
  Semaphore& semaphore_;
};

}  // namespace

/// A place in the registry's history.
class EmbeddedRegistry::WatchImpl final : public RegistryWatch {
 public:
  WatchImpl(EmbeddedRegistry& registry, std::string prefix, Revision since)
      : registry_(registry), prefix_(std::move(prefix)), seen_(since) {}

  Task<Result<std::vector<RegistryChange>>> Next(Call call) override;

 private:
  Task<Result<void>> WaitForMore(Call call);
  Result<Changes> TakeNew();

  EmbeddedRegistry& registry_;
  const std::string prefix_;
  Revision seen_;
};

Result<EmbeddedRegistry::Changes> EmbeddedRegistry::WatchImpl::TakeNew() {
  // More than there is: of a life whose last changes a power cut took back.
  if (seen_ < registry_.history_after_ || seen_ > registry_.state_.revision) {
    return Fail(Code::kCorrupt,
                fmt::format("registry: changes after revision {} are not remembered; list '{}' "
                            "again and watch from there",
                            seen_, prefix_));
  }
  Changes changes;
  const auto first = std::ranges::upper_bound(registry_.history_, seen_, {},
                                              [](const auto& c) { return c.entry.modified; });
  for (auto it = first; it != registry_.history_.end(); ++it) {
    if (it->entry.key.starts_with(prefix_)) changes.push_back(*it);
  }
  seen_ = registry_.state_.revision;
  return changes;
}

Task<Result<void>> EmbeddedRegistry::WatchImpl::WaitForMore(Call call) {
  Clock& clock = registry_.env_.clock;
  const Instant until =
      std::min({call.deadline, registry_.NextExpiry(), clock.Now() + kLongestWait});
  CancelSource woken;
  CancelListener given_up;
  const auto wake = [](void* source) { static_cast<CancelSource*>(source)->Cancel(); };
  if (!call.cancel.Listen(given_up, wake, &woken)) co_return Result<void>();
  registry_.waiting_.push_back(&woken);
  const auto slept = co_await clock.SleepUntil(until, woken.token());
  std::erase(registry_.waiting_, &woken);
  // Neither woken nor given up: the loop itself is ending.
  if (!slept && !woken.cancelled()) co_return slept;
  co_return Result<void>();
}

Task<Result<std::vector<RegistryChange>>> EmbeddedRegistry::WatchImpl::Next(Call call) {
  for (;;) {
    FB_CO_ASSIGN(Changes changes, TakeNew());
    if (!changes.empty()) co_return changes;
    FB_CO_TRY(CheckCall(registry_.env_, call));
    FB_CO_TRY(co_await WaitForMore(call));
    FB_CO_TRY(co_await registry_.Begin(call));
    const Turn turn(registry_.changing_);
    FB_CO_TRY(co_await registry_.RemoveExpired());
  }
}

EmbeddedRegistry::EmbeddedRegistry(Env& env, std::string directory)
    : env_(env), directory_(std::move(directory)), changing_(env.executor, 1) {}

EmbeddedRegistry::~EmbeddedRegistry() = default;

Task<Result<std::unique_ptr<EmbeddedRegistry>>> EmbeddedRegistry::Open(Env& env,
                                                                       std::string directory) {
  std::unique_ptr<EmbeddedRegistry> registry(new EmbeddedRegistry(env, directory));
  FB_CO_TRY(co_await env.disk.MakeDirectory(directory));
  auto lock =
      co_await env.disk.Open(directory + "/lock", {.write = true, .create = true, .lock = true});
  if (!lock && lock.error().code() == Code::kInUse) {
    co_return Fail(Code::kInUse,
                   fmt::format("the data directory {} is used by another running node; stop that "
                               "one or name another directory",
                               directory));
  }
  if (!lock) co_return Fail(std::move(lock.error()));
  registry->lock_ = std::move(*lock);
  FB_CO_TRY(co_await registry->Load());
  co_return registry;
}

Task<Result<void>> EmbeddedRegistry::Load() {
  const std::string path = directory_ + "/registry";
  auto file = co_await env_.disk.Open(path, {});
  if (!file && file.error().code() != Code::kNotFound) co_return Fail(std::move(file.error()));
  if (file) {
    FB_CO_ASSIGN(const FileInfo info, co_await env_.disk.StatOpen(**file));
    // One byte more than may be there tells a file that is too long from one that is not.
    std::string bytes(std::min<uint64_t>(info.size_bytes, kMaxRegistryBytes + 1), '\0');
    const auto into = std::as_writable_bytes(std::span(bytes));
    FB_CO_ASSIGN(const size_t size, co_await env_.disk.Read(**file, 0, into));
    auto state = RegistryState::Decode(std::string_view(bytes).substr(0, size));
    if (!state) {
      co_return Fail(state.error().code(),
                     fmt::format("{}: {}; put a copy of it back, or move it away and attach anew",
                                 path, state.error().message()));
    }
    state_ = std::move(*state);
  }
  // What a former process renamed without syncing can be seen but is not durable yet.
  FB_CO_TRY(co_await SyncNames());
  history_after_ = state_.revision;
  const Instant now = env_.clock.Now();
  for (const auto& [lease, ttl] : state_.leases) expiries_[lease] = now + ttl;
  co_return Result<void>();
}

Task<Result<void>> EmbeddedRegistry::SyncNames() {
  FB_CO_TRY(co_await env_.disk.SyncDirectory(directory_));
  for (std::string path = directory_; path.find('/') != path.npos && path != "/";) {
    const size_t slash = path.rfind('/');
    path = slash == 0 ? "/" : path.substr(0, slash);
    const auto synced = co_await env_.disk.SyncDirectory(path);
    if (synced) continue;
    // What we may not look into was there before us.
    if (synced.error().code() == Code::kPermissionDenied) break;
    co_return synced;
  }
  co_return Result<void>();
}

Task<Result<void>> EmbeddedRegistry::Save(std::string bytes) {
  const std::string temporary = directory_ + "/registry.new", path = directory_ + "/registry";
  FB_CO_ASSIGN(auto file, co_await env_.disk.Open(
                              temporary, {.write = true, .create = true, .truncate = true}));
  const Bytes part = AsBytes(bytes);
  FB_CO_TRY(co_await env_.disk.Write(*file, 0, std::span(&part, 1)));
  FB_CO_TRY(co_await env_.disk.Sync(*file));
  file.reset();
  FB_CO_TRY(co_await env_.disk.Rename(temporary, path));
  const auto synced = co_await env_.disk.SyncDirectory(directory_);
  if (synced) co_return synced;
  co_return Fail(Code::kUnavailable,
                 fmt::format("the change may or may not last: {}", synced.error().ToString()));
}

Task<Result<void>> EmbeddedRegistry::Commit(RegistryState next, Changes changes) {
  std::string bytes = next.Encode();
  if (bytes.size() > kMaxRegistryBytes) {
    co_return Fail(Code::kNoSpace, fmt::format("registry {} would have {} bytes; at most {} are "
                                               "kept: remove something first",
                                               directory_, bytes.size(), kMaxRegistryBytes));
  }
  FB_CO_TRY(co_await Save(std::move(bytes)));
  state_ = std::move(next);
  std::erase_if(expiries_, [&](const auto& lease) { return !state_.leases.contains(lease.first); });
  Remember(std::move(changes));
  WakeWatches();
  co_return Result<void>();
}

void EmbeddedRegistry::Remember(Changes changes) {
  for (RegistryChange& change : changes) {
    history_bytes_ += SizeOf(change);
    history_.push_back(std::move(change));
  }
  while (history_.size() > kMaxRegistryHistory || history_bytes_ > kMaxRegistryHistoryBytes) {
    history_bytes_ -= SizeOf(history_.front());
    history_after_ = history_.front().entry.modified;
    history_.pop_front();
  }
}

void EmbeddedRegistry::WakeWatches() {
  for (CancelSource* waiting : std::exchange(waiting_, {})) waiting->Cancel();
}

Instant EmbeddedRegistry::NextExpiry() const {
  Instant next = Instant::Never();
  for (const auto& [lease, expiry] : expiries_) next = std::min(next, expiry);
  return next;
}

Task<Result<void>> EmbeddedRegistry::Begin(Call call) {
  FB_CO_TRY(CheckCall(env_, call));
  co_await changing_.Acquire();
  co_return Result<void>();
}

Task<Result<void>> EmbeddedRegistry::RemoveExpired() {
  const Instant now = env_.clock.Now();
  if (NextExpiry() > now) co_return Result<void>();
  RegistryState next = state_;
  for (const auto& [lease, expiry] : expiries_) {
    if (expiry <= now) next.leases.erase(lease);
  }
  Changes changes = RemoveOrphans(next);
  co_return co_await Commit(std::move(next), std::move(changes));
}

Task<Result<std::optional<RegistryEntry>>> EmbeddedRegistry::Get(std::string key, Call call) {
  FB_CO_TRY(co_await Begin(call));
  const Turn turn(changing_);
  FB_CO_TRY(co_await RemoveExpired());
  const RegistryEntry* entry = FindEntry(state_, key);
  co_return entry == nullptr ? std::nullopt : std::optional(*entry);
}

Task<Result<RegistrySnapshot>> EmbeddedRegistry::List(std::string prefix, Call call) {
  FB_CO_TRY(co_await Begin(call));
  const Turn turn(changing_);
  FB_CO_TRY(co_await RemoveExpired());
  RegistrySnapshot snapshot{.revision = state_.revision};
  for (auto it = state_.entries.lower_bound(prefix); it != state_.entries.end(); ++it) {
    if (!it->first.starts_with(prefix)) break;
    snapshot.entries.push_back(it->second);
  }
  co_return snapshot;
}

Task<Result<Revision>> EmbeddedRegistry::Put(std::string key, std::string value, Expect expect,
                                             LeaseId lease, Call call) {
  FB_CO_TRY(CheckSizes(key, value));
  FB_CO_TRY(co_await Begin(call));
  const Turn turn(changing_);
  FB_CO_TRY(co_await RemoveExpired());
  FB_CO_TRY(CheckExpected(expect, key, FindEntry(state_, key)));
  if (lease != 0 && !state_.leases.contains(lease)) {
    co_return Fail(Code::kNotFound, fmt::format("registry: lease {} has expired", lease));
  }
  RegistryState next = state_;
  RegistryEntry& entry = next.entries[key];
  entry.modified = ++next.revision;
  if (entry.created == 0) entry.created = entry.modified;
  entry.key = key;
  entry.value = std::move(value);
  entry.lease = lease;
  Changes changes(1, {.entry = entry});
  FB_CO_TRY(co_await Commit(std::move(next), std::move(changes)));
  co_return state_.revision;
}

Task<Result<Revision>> EmbeddedRegistry::Delete(std::string key, Expect expect, Call call) {
  FB_CO_TRY(co_await Begin(call));
  const Turn turn(changing_);
  FB_CO_TRY(co_await RemoveExpired());
  const RegistryEntry* entry = FindEntry(state_, key);
  FB_CO_TRY(CheckExpected(expect, key, entry));
  if (entry == nullptr) {
    co_return Fail(Code::kNotFound, fmt::format("registry: '{}' is not there", key));
  }
  RegistryState next = state_;
  next.entries.erase(key);
  Changes changes(1, {.entry = {.key = key, .modified = ++next.revision}, .removed = true});
  FB_CO_TRY(co_await Commit(std::move(next), std::move(changes)));
  co_return state_.revision;
}

Task<Result<LeaseId>> EmbeddedRegistry::GrantLease(Duration ttl, Call call) {
  if (ttl <= Duration(0) || ttl > kMaxTtl) {
    co_return Fail(Code::kInvalidArgument,
                   "registry: a lease lasts longer than nothing and at "
                   "most a year");
  }
  FB_CO_TRY(co_await Begin(call));
  const Turn turn(changing_);
  FB_CO_TRY(co_await RemoveExpired());
  if (state_.leases.size() >= kMaxRegistryLeases) {
    co_return Fail(Code::kOverloaded,
                   fmt::format("registry: {} leases are held already", kMaxRegistryLeases));
  }
  RegistryState next = state_;
  const LeaseId lease = next.next_lease++;
  next.leases.emplace(lease, ttl);
  FB_CO_TRY(co_await Commit(std::move(next), {}));
  expiries_[lease] = env_.clock.Now() + ttl;
  co_return lease;
}

Task<Result<void>> EmbeddedRegistry::KeepAlive(LeaseId lease, Call call) {
  FB_CO_TRY(co_await Begin(call));
  const Turn turn(changing_);
  FB_CO_TRY(co_await RemoveExpired());
  const auto held = state_.leases.find(lease);
  if (held == state_.leases.end()) {
    co_return Fail(Code::kNotFound, fmt::format("registry: lease {} has expired", lease));
  }
  expiries_[lease] = env_.clock.Now() + held->second;
  co_return Result<void>();
}

Task<Result<void>> EmbeddedRegistry::RevokeLease(LeaseId lease, Call call) {
  FB_CO_TRY(co_await Begin(call));
  const Turn turn(changing_);
  FB_CO_TRY(co_await RemoveExpired());
  RegistryState next = state_;
  if (next.leases.erase(lease) == 0) {
    co_return Fail(Code::kNotFound, fmt::format("registry: lease {} has expired", lease));
  }
  Changes changes = RemoveOrphans(next);
  co_return co_await Commit(std::move(next), std::move(changes));
}

Task<Result<std::unique_ptr<RegistryWatch>>> EmbeddedRegistry::Watch(std::string prefix,
                                                                     Revision since, Call call) {
  FB_CO_TRY(CheckCall(env_, call));
  co_return std::make_unique<WatchImpl>(*this, std::move(prefix), since);
}

}  // namespace forebay
