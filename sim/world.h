// The simulated world: virtual time, one thread, everything from one seed. The product's own code
// runs in it unchanged, through the Env of a simulated node.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/event_queue.h"
#include "sim/fault_report.h"
#include "sim/happening.h"
#include "sim/node.h"
#include "sim/options.h"
#include "sim/sim_http.h"
#include "sim/world_log.h"
#include "src/base/prng.h"
#include "src/runtime/env.h"
#include "src/runtime/task_group.h"

namespace forebay::sim {

class Network;
struct DiskCounts;

/// Used from one thread. Nodes live as long as the world. A run that cannot go on (a deadlock, a
/// loop without end, a zombie that ignores its death) prints what is known of it, the command that
/// repeats it included, and aborts.
class World {
 public:
  explicit World(uint64_t seed, WorldOptions options = {});
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  /// Crashes everything and lets it unwind.
  ~World();

  uint64_t seed() const { return seed_; }
  const WorldOptions& options() const { return options_; }

  Node& AddNode(std::string name, NodeOptions options = {});
  /// Null where there is none of that name.
  Node* FindNode(std::string_view name);
  size_t nodes() const { return nodes_.size() - 1; }

  /// What the test's own coroutines use: an Env that belongs to no machine of the test and never
  /// crashes.
  Env& env() { return nodes_[0]->env(); }

  /// An HTTP server for every URL below `base` ("https://blob"), with the world's HttpOptions.
  HttpServer& AddHttpServer(std::string base, HttpHandler handler);

  /// Drives the world until `main` is done.
  template <class T>
  T Run(Task<T> main);
  /// Drives the world for so long, whatever waits.
  void RunFor(Duration time);

  Instant Now() const { return {now_ns_}; }
  uint64_t events() const { return events_; }

  /// Of everything that happened so far, ending with a draw of the generator: two runs of a seed
  /// with equal digests took the same path.
  uint64_t Digest() const;
  const FaultReport& faults() const { return faults_; }
  FaultReport& faults() { return faults_; }
  WorldLog& log() { return log_; }
  Network& net() { return *network_; }
  HttpWorld& http() { return *http_; }

  /// From now on Faults::Fires(point) says yes at this rate.
  void SetNamedFault(std::string point, double rate);

  // ---- For the parts of the simulator.

  EventId At(Instant when, EventQueue::Callback callback);
  void Unschedule(EventId id) { queue_.Remove(id); }
  void Post(uint32_t node, std::coroutine_handle<> handle);
  void Note(Happening kind, uint32_t node, uint64_t value);
  bool NamedFaultFires(std::string_view point);
  DiskCounts& disk_counts() { return *disk_counts_; }
  FaultCount& memory_refused() { return memory_refused_; }
  Prng& chance() { return chance_; }
  /// A seed for a generator of its own, so that one part's draws do not move another's.
  uint64_t SeedFor(std::string_view part, uint64_t a, uint64_t b = 0) const;
  [[noreturn]] void Fail(std::string_view why);

 private:
  struct NamedFault {
    double rate;
    FaultCount* count;
  };
  void DriveUntilDone(const TaskGroup& group);
  void RunReady();
  void FireNext();
  std::string DescribeWaits() const;

  const uint64_t seed_;
  const WorldOptions options_;
  int64_t now_ns_ = 0;
  uint64_t digest_;
  uint64_t events_ = 0;
  uint64_t resumed_at_now_ = 0;
  Prng chance_;
  EventQueue queue_;
  std::deque<std::coroutine_handle<>> ready_;
  FaultReport faults_;
  FaultCount& memory_refused_;
  std::unique_ptr<DiskCounts> disk_counts_;
  WorldLog log_;
  std::map<std::string, NamedFault, std::less<>> named_faults_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<HttpWorld> http_;
  std::vector<std::unique_ptr<Node>> nodes_;  // [0] stands for the test itself
  std::map<std::string, Node*, std::less<>> by_name_;
};

namespace internal {
template <class T>
Task<void> KeepResult(Task<T> main, std::optional<T>* into) {
  into->emplace(co_await std::move(main));
}
}  // namespace internal

template <class T>
T World::Run(Task<T> main) {
  TaskGroup group(env().executor);
  if constexpr (std::is_void_v<T>) {
    group.Spawn(std::move(main));
    DriveUntilDone(group);
  } else {
    std::optional<T> result;
    group.Spawn(internal::KeepResult(std::move(main), &result));
    DriveUntilDone(group);
    return std::move(*result);
  }
}

}  // namespace forebay::sim
