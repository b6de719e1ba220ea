#include "src/registry/etcd/etcd_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "src/registry/etcd/etcd_watch.h"

namespace forebay {
namespace {

constexpr size_t kPageEntries = 1000;
constexpr size_t kMaxListEntries = 1'000'000;
/// A list that was overtaken by a compaction is begun anew so often.
constexpr int kMaxListTries = 3;
constexpr int64_t kMaxTtlSeconds = 9'000'000'000;  // etcd's

int64_t WholeSeconds(Duration ttl) {
  constexpr int64_t kSecond = 1'000'000'000;
  return (ttl.count() - 1) / kSecond + 1;
}

Error NotAsExpected(std::string_view name, std::string_view key, const Expect& expect,
                    bool removal) {
  switch (expect.kind) {
    case Expect::Kind::kAbsent:
      return Error(Code::kAlreadyExists, fmt::format("{}: '{}' is there already", name, key));
    case Expect::Kind::kModifiedAt:
      return Error(Code::kVersionChanged, fmt::format("{}: '{}' was changed after revision {}",
                                                      name, key, expect.modified));
    case Expect::Kind::kAnything:
      break;
  }
  return Error(removal ? Code::kNotFound : Code::kInternal,
               fmt::format("{}: '{}' is not there", name, key));
}

Error InDoubt(std::string_view name, std::string_view key) {
  return Error(Code::kUnavailable,
               fmt::format("{}: the answer to a change of '{}' was lost, and it is not known who "
                           "has changed it since; look at it",
                           name, key));
}

}  // namespace

EtcdRegistry::EtcdRegistry(Env& env, EtcdUrl url, etcd::Variables variables,
                           etcd::EtcdOptions options)
    : prefix_(url.Prefix()), client_(env, std::move(url), std::move(variables), options) {}

EtcdRegistry::~EtcdRegistry() = default;

Task<Result<std::unique_ptr<EtcdRegistry>>> EtcdRegistry::Open(Env& env, EtcdUrl url,
                                                               etcd::Variables variables,
                                                               etcd::EtcdOptions options,
                                                               Call call) {
  std::unique_ptr<EtcdRegistry> registry(
      new EtcdRegistry(env, std::move(url), std::move(variables), options));
  FB_CO_TRY(co_await registry->Get("cell", call));
  co_return registry;
}

Result<void> EtcdRegistry::Check(const Call& call) const {
  if (call.cancel.cancelled()) return Fail(Code::kCancelled, client_.name() + ": given up");
  return {};
}

Result<void> EtcdRegistry::Check(const Call& call, std::string_view key) const {
  if (key.empty() || key.size() > kMaxEtcdKeyBytes) {
    return Fail(Code::kInvalidArgument, fmt::format("{}: a key has 1 to {} bytes, not {}",
                                                    client_.name(), kMaxEtcdKeyBytes, key.size()));
  }
  return Check(call);
}

Result<void> EtcdRegistry::Strip(RegistryEntry& entry) const {
  if (!entry.key.starts_with(prefix_)) {
    return Fail(Code::kCorrupt, client_.name() + ": etcd told of a key that was not asked for");
  }
  entry.key.erase(0, prefix_.size());
  return {};
}

Task<Result<std::optional<RegistryEntry>>> EtcdRegistry::Get(std::string key, Call call) {
  FB_CO_TRY(Check(call, key));
  etcd::RangeAnswer range;
  FB_CO_TRY(co_await client_.Ask({.path = etcd::kRangePath,
                                  .body = etcd::GetBody(prefix_ + key),
                                  .accept = [&](std::string_view body) -> Result<void> {
                                    FB_ASSIGN(range, etcd::ReadRange(body));
                                    return {};
                                  }},
                                 call));
  if (range.entries.empty()) co_return std::nullopt;
  FB_CO_TRY(Strip(range.entries[0]));
  co_return std::move(range.entries[0]);
}

Task<Result<RegistrySnapshot>> EtcdRegistry::List(std::string prefix, Call call) {
  FB_CO_TRY(Check(call));
  for (int tries = 1;; ++tries) {
    auto listed = co_await ListOnce(prefix, call);
    const bool overtaken = !listed && listed.error().code() == Code::kCorrupt;
    if (!overtaken || tries == kMaxListTries) co_return listed;
  }
}

/// Page by page, all at the revision of the first.
Task<Result<RegistrySnapshot>> EtcdRegistry::ListOnce(std::string prefix, Call call) {
  const std::string whole = prefix_ + prefix;
  RegistrySnapshot snapshot;
  std::string from = whole;
  for (;;) {
    etcd::RangeAnswer page;
    FB_CO_TRY(
        co_await client_.Ask({.path = etcd::kRangePath,
                              .body = etcd::ListBody(whole, from, snapshot.revision, kPageEntries),
                              .accept = [&](std::string_view body) -> Result<void> {
                                FB_ASSIGN(page, etcd::ReadRange(body));
                                return {};
                              }},
                             call));
    if (snapshot.revision == 0) snapshot.revision = page.revision;
    if (!page.entries.empty()) from = page.entries.back().key + '\0';
    for (RegistryEntry& entry : page.entries) {
      FB_CO_TRY(Strip(entry));
      snapshot.entries.push_back(std::move(entry));
    }
    if (!page.more || page.entries.empty()) co_return snapshot;
    if (snapshot.entries.size() >= kMaxListEntries) {
      co_return Fail(Code::kOverloaded, fmt::format("{}: more than {} entries below '{}'",
                                                    client_.name(), kMaxListEntries, prefix));
    }
  }
}

Task<Result<EtcdRegistry::Changed>> EtcdRegistry::Change(std::string body, bool repeatable,
                                                         Call call) {
  Changed changed;
  FB_CO_TRY(co_await client_.Ask({.path = etcd::kTxnPath,
                                  .body = std::move(body),
                                  .repeatable = repeatable,
                                  .once = true,
                                  .doubted = &changed.doubted,
                                  .accept = [&](std::string_view text) -> Result<void> {
                                    FB_ASSIGN(changed.answer, etcd::ReadTxn(text));
                                    return {};
                                  }},
                                 call));
  co_return changed;
}

Task<Result<Revision>> EtcdRegistry::Put(std::string key, std::string value, Expect expect,
                                         LeaseId lease, Call call) {
  FB_CO_TRY(Check(call, key));
  if (value.size() > kMaxEtcdValueBytes) {
    co_return Fail(Code::kInvalidArgument,
                   fmt::format("{}: the value of '{}' has {} bytes; at most {} are kept",
                               client_.name(), key, value.size(), kMaxEtcdValueBytes));
  }
  const bool at_revision = expect.kind == Expect::Kind::kModifiedAt;
  // To etcd, revision 0 is that of what is not there.
  if (at_revision && expect.modified <= 0) {
    co_return Fail(NotAsExpected(client_.name(), key, expect, false));
  }
  FB_CO_ASSIGN(
      const Changed changed,
      co_await Change(etcd::PutBody(prefix_ + key, value, expect, lease), at_revision, call));
  if (changed.answer.succeeded) co_return changed.answer.revision;
  if (changed.doubted) co_return Fail(InDoubt(client_.name(), key));
  co_return Fail(NotAsExpected(client_.name(), key, expect, false));
}

Task<Result<Revision>> EtcdRegistry::Delete(std::string key, Expect expect, Call call) {
  FB_CO_TRY(Check(call, key));
  if (expect.kind == Expect::Kind::kAbsent) co_return co_await DeleteAbsent(std::move(key), call);
  const bool at_revision = expect.kind == Expect::Kind::kModifiedAt;
  if (at_revision && expect.modified <= 0) {
    co_return Fail(NotAsExpected(client_.name(), key, expect, true));
  }
  FB_CO_ASSIGN(const Changed changed,
               co_await Change(etcd::DeleteBody(prefix_ + key, expect), at_revision, call));
  if (changed.answer.succeeded) co_return changed.answer.revision;
  if (changed.doubted) co_return Fail(InDoubt(client_.name(), key));
  co_return Fail(NotAsExpected(client_.name(), key, expect, true));
}

/// What must not be there cannot be removed, either.
Task<Result<Revision>> EtcdRegistry::DeleteAbsent(std::string key, Call call) {
  FB_CO_ASSIGN(const auto entry, co_await Get(key, call));
  const Expect expect = entry ? Expect::Absent() : Expect();
  co_return Fail(NotAsExpected(client_.name(), key, expect, true));
}

Task<Result<LeaseId>> EtcdRegistry::GrantLease(Duration ttl, Call call) {
  FB_CO_TRY(Check(call));
  if (ttl <= Duration(0) || WholeSeconds(ttl) > kMaxTtlSeconds) {
    co_return Fail(Code::kInvalidArgument, fmt::format("{}: a lease lasts 1 to {} seconds",
                                                       client_.name(), kMaxTtlSeconds));
  }
  LeaseId lease = 0;
  // Of a grant whose answer was lost, nobody knows the number: it goes by itself.
  FB_CO_TRY(co_await client_.Ask({.path = etcd::kGrantPath,
                                  .body = etcd::GrantBody(WholeSeconds(ttl)),
                                  .accept = [&](std::string_view body) -> Result<void> {
                                    FB_ASSIGN(lease, etcd::ReadGrant(body));
                                    return {};
                                  }},
                                 call));
  co_return lease;
}

Task<Result<void>> EtcdRegistry::KeepAlive(LeaseId lease, Call call) {
  FB_CO_TRY(Check(call));
  int64_t left_s = 0;
  FB_CO_TRY(co_await client_.Ask({.path = etcd::kKeepAlivePath,
                                  .body = etcd::LeaseBody(lease),
                                  .accept = [&](std::string_view body) -> Result<void> {
                                    FB_ASSIGN(left_s, etcd::ReadKeepAlive(body));
                                    return {};
                                  }},
                                 call));
  if (left_s > 0) co_return Result<void>();
  co_return Fail(Code::kNotFound, fmt::format("{}: lease {} has expired", client_.name(), lease));
}

Task<Result<void>> EtcdRegistry::RevokeLease(LeaseId lease, Call call) {
  FB_CO_TRY(Check(call));
  bool doubted = false;
  auto asked = co_await client_.Ask({.path = etcd::kRevokePath,
                                     .body = etcd::LeaseBody(lease),
                                     .once = true,
                                     .doubted = &doubted,
                                     .accept = [](std::string_view) { return Result<void>(); }},
                                    call);
  // Gone is gone, if it may have been us.
  if (!asked && asked.error().code() == Code::kNotFound && doubted) co_return Result<void>();
  if (!asked) co_return Fail(std::move(asked.error()));
  co_return Result<void>();
}

Task<Result<std::unique_ptr<RegistryWatch>>> EtcdRegistry::Watch(std::string prefix, Revision since,
                                                                 Call call) {
  FB_CO_TRY(Check(call));
  co_return std::make_unique<EtcdWatch>(client_, prefix_, std::move(prefix), since);
}

}  // namespace forebay
