#include "src/registry/testing/etcd_model.h"

#include <utility>

namespace forebay {

bool EtcdModel::Contains(std::string_view key, std::string_view end, std::string_view one) {
  if (end.empty()) return one == key;
  return one >= key && (end == std::string_view("\0", 1) || one < end);
}

EtcdModel::Entries EtcdModel::EntriesAt(Revision at) const {
  Entries then;
  for (const Changes& changes : history_) {
    if (changes.front().entry.modified > at) break;
    for (const RegistryChange& change : changes) {
      if (change.removed) {
        then.erase(change.entry.key);
      } else {
        then[change.entry.key] = change.entry;
      }
    }
  }
  return then;
}

std::vector<RegistryEntry> EtcdModel::Range(std::string_view key, std::string_view end,
                                            Revision at) const {
  const Entries past = at < revision_ ? EntriesAt(at) : Entries();
  const Entries& then = at < revision_ ? past : entries_;
  std::vector<RegistryEntry> found;
  for (auto it = then.lower_bound(key); it != then.end() && Contains(key, end, it->first); ++it) {
    found.push_back(it->second);
  }
  return found;
}

std::vector<EtcdModel::Changes> EtcdModel::History(std::string_view key, std::string_view end,
                                                   Revision from) const {
  std::vector<Changes> told;
  for (const Changes& changes : history_) {
    if (changes.front().entry.modified < from) continue;
    Changes some;
    for (const RegistryChange& change : changes) {
      if (Contains(key, end, change.entry.key)) some.push_back(change);
    }
    if (!some.empty()) told.push_back(std::move(some));
  }
  return told;
}

void EtcdModel::Commit(Changes changes) {
  ++revision_;
  history_.push_back(changes);
  observer_(changes);
}

bool EtcdModel::Put(std::string key, std::string value, LeaseId lease) {
  if (lease != 0 && !leases_.contains(lease)) return false;
  RegistryEntry& entry = entries_[key];
  if (entry.lease != 0) leases_[entry.lease].erase(key);
  if (lease != 0) leases_[lease].insert(key);
  entry.modified = revision_ + 1;
  if (entry.created == 0) entry.created = entry.modified;
  entry.key = std::move(key);
  entry.value = std::move(value);
  entry.lease = lease;
  Commit({{.entry = entry}});
  return true;
}

size_t EtcdModel::Delete(std::string_view key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return 0;
  if (found->second.lease != 0) leases_[found->second.lease].erase(found->first);
  RegistryChange change{.entry = {.key = found->first, .modified = revision_ + 1}, .removed = true};
  entries_.erase(found);
  Commit({std::move(change)});
  return 1;
}

bool EtcdModel::Revoke(LeaseId lease) {
  const auto found = leases_.find(lease);
  if (found == leases_.end()) return false;
  Changes changes;
  for (const std::string& key : found->second) {
    entries_.erase(key);
    changes.push_back({.entry = {.key = key, .modified = revision_ + 1}, .removed = true});
  }
  leases_.erase(found);
  if (!changes.empty()) Commit(std::move(changes));
  return true;
}

}  // namespace forebay
