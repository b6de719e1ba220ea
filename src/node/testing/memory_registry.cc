#include "src/node/testing/memory_registry.h"

namespace forebay::node_testing {
void RegistryState::Drop(LeaseId lease) {
  leases.erase(lease);
  std::erase_if(entries, [&](const auto& keyed) {
    if (keyed.second.lease != lease) return false;
    changes.push_back({{.key = keyed.first, .modified = ++revision}, true});
    return true;
  });
}

void RegistryState::Expire(Instant now) {
  std::vector<LeaseId> over;
  for (const auto& [id, lease] : leases) {
    if (lease.until <= now) over.push_back(id);
  }
  for (const LeaseId id : over) Drop(id);
}

class MemoryRegistry::Follower final : public RegistryWatch {
 public:
  Follower(MemoryRegistry& registry, std::string prefix, Revision since)
      : registry_(registry), prefix_(std::move(prefix)), since_(since) {}

  Task<Result<std::vector<RegistryChange>>> Next(Call call) override {
    for (;;) {
      FB_CO_TRY(co_await registry_.env_.clock.Sleep(registry_.state_.poll, call.cancel));
      if (registry_.state_.away) co_return Fail(Code::kUnavailable, "the registry is away");
      registry_.state_.Expire(registry_.env_.clock.Now());
      std::vector<RegistryChange> news;
      for (const RegistryChange& change : registry_.state_.changes) {
        if (change.entry.modified > since_ && change.entry.key.starts_with(prefix_)) {
          news.push_back(change);
        }
      }
      since_ = registry_.state_.revision;
      if (!news.empty()) co_return news;
    }
  }

 private:
  MemoryRegistry& registry_;
  const std::string prefix_;
  Revision since_;
};

Task<Result<void>> MemoryRegistry::Arrive(Call call) {
  FB_CO_TRY(co_await env_.clock.Sleep(state_.latency, call.cancel));
  if (state_.away) co_return Fail(Code::kUnavailable, "the registry is away");
  state_.Expire(env_.clock.Now());
  co_return Result<void>();
}

Result<void> MemoryRegistry::Check(const std::string& key, const Expect& expect) const {
  const auto known = state_.entries.find(key);
  const bool there = known != state_.entries.end();
  if (expect.kind == Expect::Kind::kAbsent && there) {
    return Fail(Code::kAlreadyExists, key + " is there");
  }
  if (expect.kind == Expect::Kind::kModifiedAt &&
      (!there || known->second.modified != expect.modified)) {
    return Fail(Code::kVersionChanged, key + " has changed");
  }
  return {};
}

Task<Result<std::optional<RegistryEntry>>> MemoryRegistry::Get(std::string key, Call call) {
  FB_CO_TRY(co_await Arrive(call));
  const auto known = state_.entries.find(key);
  if (known == state_.entries.end()) co_return std::optional<RegistryEntry>();
  co_return std::optional(known->second);
}

Task<Result<RegistrySnapshot>> MemoryRegistry::List(std::string prefix, Call call) {
  FB_CO_TRY(co_await Arrive(call));
  RegistrySnapshot snapshot{.revision = state_.revision, .entries = {}};
  for (const auto& [key, entry] : state_.entries) {
    if (key.starts_with(prefix)) snapshot.entries.push_back(entry);
  }
  co_return snapshot;
}

Task<Result<Revision>> MemoryRegistry::Put(std::string key, std::string value, Expect expect,
                                           LeaseId lease, Call call) {
  FB_CO_TRY(co_await Arrive(call));
  FB_CO_TRY(Check(key, expect));
  if (lease != 0 && !state_.leases.contains(lease))
    co_return Fail(Code::kNotFound, "no such lease");
  RegistryEntry& entry = state_.entries[key];
  entry.key = key;
  entry.value = std::move(value);
  entry.modified = ++state_.revision;
  entry.lease = lease;
  if (entry.created == 0) entry.created = entry.modified;
  state_.changes.push_back({entry, false});
  co_return state_.revision;
}

Task<Result<Revision>> MemoryRegistry::Delete(std::string key, Expect expect, Call call) {
  FB_CO_TRY(co_await Arrive(call));
  FB_CO_TRY(Check(key, expect));
  if (state_.entries.erase(key) == 0) co_return Fail(Code::kNotFound, key + " is not there");
  ++state_.revision;
  state_.changes.push_back({{.key = key, .modified = state_.revision}, true});
  co_return state_.revision;
}

Task<Result<LeaseId>> MemoryRegistry::GrantLease(Duration ttl, Call call) {
  FB_CO_TRY(co_await Arrive(call));
  state_.leases[++state_.last_lease] = {ttl, env_.clock.Now() + ttl};
  co_return state_.last_lease;
}
Task<Result<void>> MemoryRegistry::KeepAlive(LeaseId lease, Call call) {
  FB_CO_TRY(co_await Arrive(call));
  const auto known = state_.leases.find(lease);
  if (known == state_.leases.end()) co_return Fail(Code::kNotFound, "the lease is over");
  known->second.until = env_.clock.Now() + known->second.ttl;
  co_return Result<void>();
}
Task<Result<void>> MemoryRegistry::RevokeLease(LeaseId lease, Call call) {
  FB_CO_TRY(co_await Arrive(call));
  state_.Drop(lease);
  co_return Result<void>();
}

Task<Result<std::unique_ptr<RegistryWatch>>> MemoryRegistry::Watch(std::string prefix,
                                                                   Revision since, Call call) {
  if (call.cancel.cancelled()) co_return Fail(Code::kCancelled, "watch");
  if (state_.away) co_return Fail(Code::kUnavailable, "the registry is away");
  co_return std::make_unique<Follower>(*this, std::move(prefix), since);
}

}  // namespace forebay::node_testing
