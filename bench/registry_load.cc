// What a whole cell asks of its etcd, from one process: a lease and a watch for each of thousands
// of nodes. Starts an etcd of its own, or is pointed at one:
//
//   forebay_registry_load --nodes 5000 --seconds 600
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "src/platform/linux/loop.h"
#include "src/registry/etcd/etcd_registry.h"
#include "src/registry/testing/real_etcd.h"
#include "src/runtime/task_group.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;

constexpr Duration kTtl = 15s;
constexpr Duration kKeepAliveEvery = kTtl / 3;
constexpr Duration kProbeEvery = 5s;
/// Nodes that come up at a time.
constexpr size_t kJoiners = 16;  // a loop
/// Of one loop: libcurl looks through all connections for each request.
constexpr size_t kNodesALoop = 250;
constexpr Duration kLookEvery = 10ms;
constexpr Duration kGiveUp = 60s;
/// Watches are opened over so long, as by nodes that come up one after the other.
constexpr Duration kOpenOver = 10s;
constexpr const char* kProbe = "node/probe";

struct Settings {
  std::string url;
  int pid = 0;  // of that etcd, if it is on this machine
  size_t nodes = 5000;
  int64_t seconds = 60;
};

/// How long it took until all watches had told a change.
struct Spread {
  std::vector<Duration> joins;
  std::vector<Duration> deaths;
};

struct Node {
  std::unique_ptr<EtcdRegistry> registry;
  LeaseId lease = 0;
};

/// What all loops see.
struct Shared {
  std::atomic<size_t> joined = 0;
  std::atomic<Revision> since = 0;  // not 0: watch what comes after
  std::atomic<size_t> told = 0;     // of the present probe
  std::atomic<int64_t> told_last_ns = 0;
  std::atomic<bool> measuring = false;
  std::atomic<bool> done = false;
};

/// The nodes of one loop.
struct Load {
  Env& env;
  const Settings& settings;
  Shared& shared;
  size_t first = 0;  // of its nodes, among all
  std::vector<Node> nodes;
  CancelSource stop;
  std::vector<Duration> keep_alives;  // how long each took
  uint64_t failed = 0;
  uint64_t snapshots = 0;  // of watches that had missed something
  std::string first_error;
  Spread spread;

  void Failed(const Error& error) {
    if (error.code() == Code::kCancelled) return;
    ++failed;
    if (first_error.empty()) first_error = error.ToString();
  }
};

double Milliseconds(Duration time) {
  return static_cast<double>(time.count()) / 1e6;
}

Duration At(std::vector<Duration> times, double part) {
  if (times.empty()) return {};
  std::ranges::sort(times);
  return times[static_cast<size_t>(part * static_cast<double>(times.size() - 1))];
}

/// CPU seconds and resident MiB of a process.
struct Usage {
  double cpu_s = 0;
  double rss_mib = 0;
};

Usage UsageOf(int pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string stat((std::istreambuf_iterator<char>(file)), {});
  if (stat.find(')') == stat.npos) return {};
  std::istringstream rest(stat.substr(stat.rfind(')') + 2));
  std::vector<std::string> words{std::istream_iterator<std::string>(rest), {}};
  constexpr size_t kUserTime = 11, kPages = 21;  // counted from the third field on
  if (words.size() <= kPages) return {};
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  return {(std::stod(words[kUserTime]) + std::stod(words[kUserTime + 1])) / ticks,
          std::stod(words[kPages]) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20)};
}

Task<Result<void>> Join(Load& load, size_t i) {
  FB_CO_ASSIGN(EtcdUrl url, EtcdUrl::Parse(load.settings.url));
  Node& node = load.nodes[i];
  const size_t number = load.first + i;
  FB_CO_ASSIGN(node.registry, co_await EtcdRegistry::Open(load.env, std::move(url), {}, {}, {}));
  FB_CO_ASSIGN(node.lease, co_await node.registry->GrantLease(kTtl, {}));
  FB_CO_TRY(co_await node.registry->Put(
      fmt::format("node/{:05}", number),
      fmt::format("10.0.{}.{}:7400 region zone", number / 256, number % 256), {}, node.lease, {}));
  co_return Result<void>();
}

Task<void> JoinSome(Load& load, size_t first) {
  for (size_t i = first; i < load.nodes.size(); i += kJoiners) {
    const auto joined = co_await Join(load, i);
    if (!joined) load.Failed(joined.error());
    ++load.shared.joined;
  }
}

/// Leases must live while others still join.
Task<void> KeepAlive(Load& load, size_t i) {
  Clock& clock = load.env.clock;
  const auto phase =
      static_cast<int64_t>(load.env.rng.Below(static_cast<uint64_t>(kKeepAliveEvery.count())));
  Instant next = clock.Now() + Duration(phase);
  while (co_await clock.SleepUntil(next, load.stop.token())) {
    next = std::max(next + kKeepAliveEvery, clock.Now());
    Node& node = load.nodes[i];
    if (node.lease == 0) continue;
    const Instant began = clock.Now();
    const auto kept = co_await node.registry->KeepAlive(node.lease, {.cancel = load.stop.token()});
    if (!kept) load.Failed(kept.error());
    if (load.shared.measuring) load.keep_alives.push_back(clock.Now() - began);
  }
}

Task<void> Follow(Load& load, size_t i, Revision since) {
  Registry& registry = *load.nodes[i].registry;
  const Call call{.cancel = load.stop.token()};
  const auto spread = static_cast<uint64_t>(kOpenOver.count());
  if (!co_await load.env.clock.Sleep(Duration(static_cast<int64_t>(load.env.rng.Below(spread))),
                                     load.stop.token())) {
    co_return;
  }
  while (!load.stop.cancelled()) {
    const auto watch = co_await registry.Watch("node/", since, call);
    if (!watch) co_return load.Failed(watch.error());
    for (;;) {
      const auto changes = co_await (*watch)->Next(call);
      if (!changes) break;
      for (const RegistryChange& change : *changes) {
        if (change.entry.key != kProbe) continue;
        load.shared.told_last_ns = load.env.clock.Now().ns;
        ++load.shared.told;
      }
    }
    if (load.stop.cancelled()) break;
    ++load.snapshots;
    const auto now = co_await registry.List("node/", call);
    if (!now) co_return load.Failed(now.error());
    since = now->revision;
  }
}

/// Until all have been told, at most a minute.
Task<Duration> AwaitTold(Load& load, Instant began) {
  const Instant give_up = began + kGiveUp;
  while (load.shared.told < load.settings.nodes && load.env.clock.Now() < give_up) {
    if (!co_await load.env.clock.Sleep(1ms)) break;
  }
  if (load.shared.told < load.settings.nodes) co_return kGiveUp;
  co_return Instant{load.shared.told_last_ns} - began;
}

/// One node comes, one dies.
Task<void> Probe(Load& load) {
  Registry& registry = *load.nodes[0].registry;
  const auto lease = co_await registry.GrantLease(kTtl, {});
  if (!lease) co_return load.Failed(lease.error());
  load.shared.told = 0;
  Instant began = load.env.clock.Now();
  const auto put = co_await registry.Put(kProbe, "10.1.2.3:7400 region zone", {}, *lease, {});
  if (!put) load.Failed(put.error());
  load.spread.joins.push_back(co_await AwaitTold(load, began));
  load.shared.told = 0;
  began = load.env.clock.Now();
  const auto gone = co_await registry.RevokeLease(*lease, {});
  if (!gone) load.Failed(gone.error());
  load.spread.deaths.push_back(co_await AwaitTold(load, began));
}

/// What the loops other than the first do, and it too, beside measuring.
Task<void> LiveUntilDone(Load& load) {
  Clock& clock = load.env.clock;
  TaskGroup keepers(load.env.executor), watchers(load.env.executor);
  for (size_t i = 0; i < load.nodes.size(); ++i) keepers.Spawn(KeepAlive(load, i));
  for (size_t i = 0; i < kJoiners; ++i) watchers.Spawn(JoinSome(load, i));
  co_await watchers.Join();
  while (load.shared.since == 0 && !load.shared.done) (void)co_await clock.Sleep(kLookEvery);
  for (size_t i = 0; i < load.nodes.size() && !load.shared.done; ++i) {
    watchers.Spawn(Follow(load, i, load.shared.since));
  }
  while (!load.shared.done) (void)co_await clock.Sleep(kLookEvery);
  load.stop.Cancel();
  co_await keepers.Join();
  co_await watchers.Join();
}

struct Measured {
  Duration joined{};
  Duration watching{};
  Duration time{};
  Usage etcd_before, etcd, own_before, own;
};

Task<Result<Measured>> MeasureAll(Load& load) {
  Clock& clock = load.env.clock;
  Measured m;
  const Instant began = clock.Now();
  while (load.shared.joined < load.settings.nodes) (void)co_await clock.Sleep(kLookEvery);
  m.joined = clock.Now() - began;
  if (load.nodes[0].registry == nullptr) co_return Fail(Code::kUnavailable, load.first_error);
  FB_CO_ASSIGN(const auto now, co_await load.nodes[0].registry->List("node/", {}));
  if (now.entries.size() < load.settings.nodes) {
    co_return Fail(Code::kInternal, fmt::format("only {} have joined", now.entries.size()));
  }
  const Instant watching = clock.Now();
  load.shared.since = now.revision;
  co_await Probe(load);
  m.watching = clock.Now() - watching;
  fmt::print(stderr, "all joined in {:.1f} s and watch after {:.1f} s\n",
             Milliseconds(m.joined) / 1000, Milliseconds(m.watching) / 1000);
  load.spread = {};
  m.etcd_before = UsageOf(load.settings.pid);
  m.own_before = UsageOf(getpid());
  const Instant start = clock.Now();
  const Instant end = start + std::chrono::seconds(load.settings.seconds);
  load.shared.measuring = true;
  while (clock.Now() < end) {
    (void)co_await clock.SleepUntil(std::min(end, clock.Now() + kProbeEvery), {});
    co_await Probe(load);
  }
  load.shared.measuring = false;
  m.time = clock.Now() - start;
  m.etcd = UsageOf(load.settings.pid);
  m.own = UsageOf(getpid());
  co_return m;
}

Task<void> Measure(Load& load, Result<Measured>* measured) {
  *measured = co_await MeasureAll(load);
  load.shared.done = true;
}

Task<void> LiveAndMeasure(Load& load, Result<Measured>* measured) {
  TaskGroup group(load.env.executor);
  group.Spawn(LiveUntilDone(load));
  group.Spawn(Measure(load, measured));
  co_await group.Join();
}

void Print(const std::vector<std::unique_ptr<Load>>& loads, const Measured& m) {
  std::vector<Duration> keep_alives;
  uint64_t failed = 0, snapshots = 0;
  std::string error;
  for (const auto& load : loads) {
    keep_alives.insert(keep_alives.end(), load->keep_alives.begin(), load->keep_alives.end());
    failed += load->failed;
    snapshots += load->snapshots;
    if (error.empty()) error = load->first_error;
  }
  const double seconds = Milliseconds(m.time) / 1000;
  fmt::print("sustained               {:.0f} s, {} leases and watches, {} loops\n", seconds,
             loads[0]->settings.nodes, loads.size());
  fmt::print("keepalives              {:.0f}/s, median {:.2f} ms, p99 {:.1f} ms, worst {:.0f} ms\n",
             static_cast<double>(keep_alives.size()) / seconds, Milliseconds(At(keep_alives, 0.5)),
             Milliseconds(At(keep_alives, 0.99)), Milliseconds(At(keep_alives, 1)));
  fmt::print("failed                  {} {}\n", failed, error);
  fmt::print("watches begun anew      {}\n", snapshots);
  const Spread& spread = loads[0]->spread;
  for (const auto& [name, times] : {std::pair{"one join reaches all", &spread.joins},
                                    std::pair{"one death reaches all", &spread.deaths}}) {
    fmt::print("{:<23} median {:.0f} ms, worst {:.0f} ms of {}\n", name,
               Milliseconds(At(*times, 0.5)), Milliseconds(At(*times, 1)), times->size());
  }
  fmt::print("etcd                    {:.0f} % of a core, {:.0f} MiB\n",
             100 * (m.etcd.cpu_s - m.etcd_before.cpu_s) / seconds, m.etcd.rss_mib);
  fmt::print("this process            {:.0f} % of a core, {:.0f} MiB\n",
             100 * (m.own.cpu_s - m.own_before.cpu_s) / seconds, m.own.rss_mib);
}

Result<Measured> RunAll(const Settings& settings) {
  Shared shared;
  std::vector<std::unique_ptr<Loop>> loops;
  std::vector<std::unique_ptr<Load>> loads;
  for (size_t first = 0; first < settings.nodes; first += kNodesALoop) {
    FB_ASSIGN(auto loop, Loop::Create({.io = IoBackend::kEpoll,
                                       .http_connections = 2 * kNodesALoop,
                                       .http_kept_connections = 2 * kNodesALoop}));
    loads.emplace_back(
        new Load{.env = loop->env(), .settings = settings, .shared = shared, .first = first});
    loads.back()->nodes.resize(std::min(kNodesALoop, settings.nodes - first));
    loops.push_back(std::move(loop));
  }
  Result<Measured> measured = Fail(Code::kInternal, "not measured");
  std::vector<std::thread> threads;
  for (size_t i = 0; i < loops.size(); ++i) {
    threads.emplace_back([&, i] {
      loops[i]->Run(i == 0 ? LiveAndMeasure(*loads[0], &measured) : LiveUntilDone(*loads[i]));
      loads[i]->nodes.clear();
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (measured) Print(loads, *measured);
  return measured;
}

int Main(Settings settings) {
  RaiseDescriptorLimit();
  std::unique_ptr<RealEtcd> etcd;
  if (settings.url.empty()) {
    auto started = RealEtcd::Start({.fast = false});
    if (!started) {
      fmt::print(stderr, "{}\n", started.error().ToString());
      return 1;
    }
    etcd = std::move(*started);
    settings.url = etcd->Url("load");
    settings.pid = etcd->pid(0);
  }
  const auto ran = RunAll(settings);
  if (!ran) fmt::print(stderr, "{}\n", ran.error().ToString());
  return ran ? 0 : 1;
}

}  // namespace
}  // namespace forebay

int main(int argc, char** argv) {
  forebay::Settings settings;
  CLI::App app("A lease and a watch on etcd for each of thousands of nodes, from one process");
  app.add_option("--etcd", settings.url, "etcd://HOST/CELL; unset: one of its own");
  app.add_option("--pid", settings.pid, "of that etcd, whose CPU and memory are to be told");
  app.add_option("--nodes", settings.nodes);
  app.add_option("--seconds", settings.seconds);
  CLI11_PARSE(app, argc, argv);
  return forebay::Main(std::move(settings));
}
