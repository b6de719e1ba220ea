// The registry of one machine. It holds a few kilobytes, so it keeps them in memory and writes them
// all at every change: to a temporary file that is synced and renamed. A power cut leaves the state
// before a change or the one after it.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/registry/embedded/registry_state.h"
#include "src/registry/registry.h"
#include "src/runtime/sync.h"

namespace forebay {

/// Changes that are remembered for watches; one that falls further behind gets kCorrupt.
inline constexpr size_t kMaxRegistryHistory = 4096;
inline constexpr size_t kMaxRegistryHistoryBytes = size_t{4} * 1024 * 1024;

/// Used from the loop of the Env that it was opened with, which outlives it, as it outlives its
/// watches. Leases run by the monotonic clock and begin anew when the registry is opened. They end
/// when somebody asks for something or waits on a watch: nothing runs by itself.
class EmbeddedRegistry final : public Registry {
 public:
  /// Makes `directory` where it is not there, and holds it: kInUse where another process does.
  static Task<Result<std::unique_ptr<EmbeddedRegistry>>> Open(Env& env, std::string directory);
  ~EmbeddedRegistry() override;

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
  class WatchImpl;
  using Changes = std::vector<RegistryChange>;

  EmbeddedRegistry(Env& env, std::string directory);
  Task<Result<void>> Load();
  Task<Result<void>> SyncNames();
  Task<Result<void>> Save(std::string bytes);
  /// Makes `next` durable, then the state. Called by the holder of `changing_`.
  Task<Result<void>> Commit(RegistryState next, Changes changes);
  /// The holder of `changing_` sees no lease that has expired.
  Task<Result<void>> RemoveExpired();
  Task<Result<void>> Begin(Call call);
  void Remember(Changes changes);
  Instant NextExpiry() const;
  void WakeWatches();

  Env& env_;
  const std::string directory_;
  std::shared_ptr<File> lock_;
  RegistryState state_;
  std::map<LeaseId, Instant> expiries_;
  Semaphore changing_;  // one change at a time
  std::deque<RegistryChange> history_;
  size_t history_bytes_ = 0;
  Revision history_after_ = 0;  // all changes after it are in history_
  std::vector<CancelSource*> waiting_;
};

}  // namespace forebay
