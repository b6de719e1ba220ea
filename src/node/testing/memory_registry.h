// A registry in memory that can be away, for one node or several in a simulated world.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "src/registry/registry.h"

namespace forebay::node_testing {

/// What several nodes share.
struct RegistryState {
  std::map<std::string, RegistryEntry> entries;
  std::vector<RegistryChange> changes;
  Revision revision = 0;
  bool away = false;
  Duration latency = std::chrono::milliseconds(1);  // of every answer but news
  Duration poll = std::chrono::milliseconds(500);   // how old news is at most
  struct Lease {
    Duration ttl;
    Instant until;
  };
  std::map<LeaseId, Lease> leases;
  LeaseId last_lease = 0;

  /// What was put under leases that are over goes.
  void Expire(Instant now);
  void Drop(LeaseId lease);
};

class MemoryRegistry final : public Registry {
 public:
  MemoryRegistry(Env& env, RegistryState& state) : env_(env), state_(state) {}

  Task<Result<std::optional<RegistryEntry>>> Get(std::string key, Call call) override;
  Task<Result<RegistrySnapshot>> List(std::string prefix, Call call) override;
  Task<Result<Revision>> Put(std::string key, std::string value, Expect expect, LeaseId lease,
                             Call call) override;
  Task<Result<Revision>> Delete(std::string key, Expect expect, Call call) override;
  Task<Result<LeaseId>> GrantLease(Duration ttl, Call call) override;
  Task<Result<void>> KeepAlive(LeaseId lease, Call call) override;
  Task<Result<void>> RevokeLease(LeaseId lease, Call call) override;
  Task<Result<std::unique_ptr<RegistryWatch>>> Watch(std::string prefix, Revision since,
                                                     Call call) override;

 private:
  class Follower;
  Task<Result<void>> Arrive(Call call);
  Result<void> Check(const std::string& key, const Expect& expect) const;

  Env& env_;
  RegistryState& state_;
};

}  // namespace forebay::node_testing
