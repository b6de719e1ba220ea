// The registry of a cell, kept by etcd and reached through its JSON gateway (etcd 3.4 and later).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "src/registry/etcd/etcd_client.h"
#include "src/registry/registry.h"

namespace forebay {

inline constexpr size_t kMaxEtcdKeyBytes = 1024;
inline constexpr size_t kMaxEtcdValueBytes =
    size_t{1024} * 1024;  // etcd's own limit: 1.5 MiB a request

/// Keys lie below /forebay/CELL/ in etcd; nobody above sees that, nor what else etcd holds.
///
/// Reads are etcd's linearizable ones, tried again at all endpoints until the call's end. A change
/// is tried again where it is certain that it has not happened, or where it expects ModifiedAt, so
/// that it cannot happen twice. kUnavailable of a change means: it may have happened.
/// Calls without a deadline end after EtcdOptions::patience, waiting on a watch apart.
///
/// Leases have whole seconds; etcd makes short ones longer (2 s by default).
/// Used from the loop of the Env that it was opened with, which outlives it, as it outlives its
/// watches.
class EtcdRegistry final : public Registry {
 public:
  /// Reads once, so that a wrong address, user or permission is told here.
  static Task<Result<std::unique_ptr<EtcdRegistry>>> Open(Env& env, EtcdUrl url,
                                                          etcd::Variables variables,
                                                          etcd::EtcdOptions options, Call call);
  ~EtcdRegistry() override;

  Task<Result<std::optional<RegistryEntry>>> Get(std::string key, Call call) override;
  Task<Result<RegistrySnapshot>> List(std::string prefix, Call call) override;
  Task<Result<Revision>> Put(std::string key, std::string value, Expect expect, LeaseId lease,
                             Call call) override;
  Task<Result<Revision>> Delete(std::string key, Expect expect, Call call) override;
  Task<Result<LeaseId>> GrantLease(Duration ttl, Call call) override;
  Task<Result<void>> KeepAlive(LeaseId lease, Call call) override;
  Task<Result<void>> RevokeLease(LeaseId lease, Call call) override;
  /// Connects when it is first waited on.
  Task<Result<std::unique_ptr<RegistryWatch>>> Watch(std::string prefix, Revision since,
                                                     Call call) override;

 private:
  EtcdRegistry(Env& env, EtcdUrl url, etcd::Variables variables, etcd::EtcdOptions options);
  Result<void> Check(const Call& call) const;
  Result<void> Check(const Call& call, std::string_view key) const;
  Task<Result<RegistrySnapshot>> ListOnce(std::string prefix, Call call);
  struct Changed {
    etcd::TxnAnswer answer;
    bool doubted = false;
  };
  Task<Result<Changed>> Change(std::string body, bool repeatable, Call call);
  Task<Result<Revision>> DeleteAbsent(std::string key, Call call);
  Result<void> Strip(RegistryEntry& entry) const;

  const std::string prefix_;
  etcd::EtcdClient client_;
};

}  // namespace forebay
