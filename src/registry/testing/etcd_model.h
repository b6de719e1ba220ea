// What an etcd holds, as far as a registry can tell: keys with revisions, their history, leases.
// Pure; time and who may ask are SimEtcd's.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "src/registry/registry.h"

namespace forebay {

class EtcdModel {
 public:
  using Entries = std::map<std::string, RegistryEntry, std::less<>>;
  using Changes = std::vector<RegistryChange>;
  /// Told of all changes of one revision at once.
  using Observer = std::function<void(const Changes&)>;

  explicit EtcdModel(Observer observer) : observer_(std::move(observer)) {}

  Revision revision() const { return revision_; }
  Revision compacted() const { return compacted_; }
  const Entries& entries() const { return entries_; }
  /// From `key` to before `end` ("": that key alone; "\0": to the last) as they were at `at`, which
  /// is not compacted.
  std::vector<RegistryEntry> Range(std::string_view key, std::string_view end, Revision at) const;
  /// What became of them in revision `from` and later.
  std::vector<Changes> History(std::string_view key, std::string_view end, Revision from) const;
  static bool Contains(std::string_view key, std::string_view end, std::string_view one);

  /// One of them a revision; false where there is no such lease.
  bool Put(std::string key, std::string value, LeaseId lease);
  /// How many there were; no revision where there was none.
  size_t Delete(std::string_view key);

  void Grant(LeaseId lease) { leases_.insert({lease, {}}); }
  bool HasLease(LeaseId lease) const { return leases_.contains(lease); }
  size_t leases() const { return leases_.size(); }
  /// With all that hangs on it, in one revision.
  bool Revoke(LeaseId lease);
  void Compact(Revision revision) { compacted_ = std::max(compacted_, revision); }

 private:
  void Commit(Changes changes);
  /// All of history is kept, because tests are short.
  Entries EntriesAt(Revision at) const;

  const Observer observer_;
  Revision revision_ = 1;
  Revision compacted_ = 0;
  Entries entries_;
  std::map<LeaseId, std::set<std::string>> leases_;  // to their keys
  std::deque<Changes> history_;                      // one a revision
};

}  // namespace forebay
