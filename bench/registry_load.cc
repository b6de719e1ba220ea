// What a whole cell asks of its etcd, from one process: a lease and a watch for each of thousands
// of nodes. Starts an etcd of its own, or is pointed at one:
//
//   forebay_registry_load --nodes 5000 --seconds 600
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
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
constexpr size_t kJoiners = 64;
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

struct Load {
  Env& env;
  const Settings& settings;
  std::vector<Node> nodes;
  CancelSource stop;
  std::vector<Duration> keep_alives;  // how long each took
  uint64_t failed = 0;
  uint64_t snapshots = 0;  // of watches that had missed something
  size_t told = 0;         // of the present probe
  Instant told_last;
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
  FB_CO_ASSIGN(node.registry, co_await EtcdRegistry::Open(load.env, std::move(url), {}, {}, {}));
  FB_CO_ASSIGN(node.lease, co_await node.registry->GrantLease(kTtl, {}));
  FB_CO_TRY(co_await node.registry->Put(
      fmt::format("node/{:05}", i), fmt::format("10.0.{}.{}:7400 region zone", i / 256, i % 256),
      {}, node.lease, {}));
  co_return Result<void>();
}

Task<void> JoinSome(Load& load, size_t first) {
  for (size_t i = first; i < load.nodes.size(); i += kJoiners) {
    const auto joined = co_await Join(load, i);
    if (!joined) load.Failed(joined.error());
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
    load.keep_alives.push_back(clock.Now() - began);
  }
}

Task<void> Follow(Load& load, size_t i, Revision since) {
  Registry& registry = *load.nodes[i].registry;
  const Call call{.cancel = load.stop.token()};
  while (!load.stop.cancelled()) {
    const auto watch = co_await registry.Watch("node/", since, call);
    if (!watch) co_return load.Failed(watch.error());
    for (;;) {
      const auto changes = co_await (*watch)->Next(call);
      if (!changes) break;
      for (const RegistryChange& change : *changes) {
        if (change.entry.key != kProbe) continue;
        ++load.told;
        load.told_last = load.env.clock.Now();
      }
    }
    if (load.stop.cancelled()) break;
    ++load.snapshots;
    const auto now = co_await registry.List("node/", call);
    if (!now) co_return load.Failed(now.error());
    since = now->revision;
  }
}

/// Until all have been told, at most 60 s.
Task<Duration> AwaitTold(Load& load, Instant began) {
  const Instant give_up = began + 60s;
  while (load.told < load.nodes.size() && load.env.clock.Now() < give_up) {
    if (!co_await load.env.clock.Sleep(1ms)) break;
  }
  co_return load.told < load.nodes.size() ? 60s : load.told_last - began;
}

/// One node comes, one dies.
Task<void> Probe(Load& load) {
  Registry& registry = *load.nodes[0].registry;
  const auto lease = co_await registry.GrantLease(kTtl, {});
  if (!lease) co_return load.Failed(lease.error());
  load.told = 0;
  Instant began = load.env.clock.Now();
  const auto put = co_await registry.Put(kProbe, "10.1.2.3:7400 region zone", {}, *lease, {});
  if (!put) load.Failed(put.error());
  load.spread.joins.push_back(co_await AwaitTold(load, began));
  load.told = 0;
  began = load.env.clock.Now();
  const auto gone = co_await registry.RevokeLease(*lease, {});
  if (!gone) load.Failed(gone.error());
  load.spread.deaths.push_back(co_await AwaitTold(load, began));
}

void Print(const Load& load, Duration time, const Usage& before, const Usage& after,
           const Usage& own_before, const Usage& own_after) {
  const double seconds = Milliseconds(time) / 1000;
  fmt::print("sustained                  {:.0f} s, {} nodes\n", seconds, load.nodes.size());
  fmt::print(
      "keepalives                 {:.0f}/s, median {:.2f} ms, p99 {:.2f} ms, worst {:.0f} ms\n",
      static_cast<double>(load.keep_alives.size()) / seconds,
      Milliseconds(At(load.keep_alives, 0.5)), Milliseconds(At(load.keep_alives, 0.99)),
      Milliseconds(At(load.keep_alives, 1)));
  fmt::print("failed                     {} {}\n", load.failed, load.first_error);
  fmt::print("watches begun anew         {}\n", load.snapshots);
  for (const auto& [name, times] : {std::pair{"one join reaches all", &load.spread.joins},
                                    std::pair{"one death reaches all", &load.spread.deaths}}) {
    fmt::print("{:<26} median {:.0f} ms, worst {:.0f} ms of {}\n", name,
               Milliseconds(At(*times, 0.5)), Milliseconds(At(*times, 1)), times->size());
  }
  fmt::print("etcd                       {:.0f} % of a core, {:.0f} MiB\n",
             100 * (after.cpu_s - before.cpu_s) / seconds, after.rss_mib);
  fmt::print("this process               {:.0f} % of a core, {:.0f} MiB\n",
             100 * (own_after.cpu_s - own_before.cpu_s) / seconds, own_after.rss_mib);
}

Task<Result<void>> Run(Load& load) {
  Clock& clock = load.env.clock;
  load.nodes.resize(load.settings.nodes);
  TaskGroup keepers(load.env.executor), joiners(load.env.executor), watchers(load.env.executor);
  for (size_t i = 0; i < load.nodes.size(); ++i) keepers.Spawn(KeepAlive(load, i));
  const Instant began = clock.Now();
  for (size_t i = 0; i < kJoiners; ++i) joiners.Spawn(JoinSome(load, i));
  co_await joiners.Join();
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  fmt::print("all joined                 {:.1f} s\n", Milliseconds(clock.Now() - began) / 1000);
  auto now = co_await load.nodes[0].registry->List("node/", {});
  if (now && now->entries.size() < load.nodes.size()) {
    now = Fail(Code::kInternal,
               fmt::format("only {} have joined: {}", now->entries.size(), load.first_error));
  }
  for (size_t i = 0; now && i < load.nodes.size(); ++i) {
    watchers.Spawn(Follow(load, i, now->revision));
  }
  const Instant watching = clock.Now();
  if (now) co_await Probe(load);
  fmt::print("all watch                  {:.1f} s\n", Milliseconds(clock.Now() - watching) / 1000);
  load.spread = {};
  load.keep_alives.clear();
  const Usage before = UsageOf(load.settings.pid), own_before = UsageOf(getpid());
  const Instant start = clock.Now();
  const Instant end = start + std::chrono::seconds(load.settings.seconds);
  while (now && clock.Now() < end) {
    (void)co_await clock.SleepUntil(std::min(end, clock.Now() + kProbeEvery), {});
    co_await Probe(load);
  }
  Print(load, clock.Now() - start, before, UsageOf(load.settings.pid), own_before,
        UsageOf(getpid()));
  load.stop.Cancel();
  co_await keepers.Join();
  co_await watchers.Join();
  if (!now) co_return Fail(now.error());
  co_return Result<void>();
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
  // A connection for each watch, and some for what is asked beside them.
  const int connections = static_cast<int>(settings.nodes) + 512;
  auto loop = Loop::Create({.http_connections = connections, .http_kept_connections = connections});
  if (!loop) {
    fmt::print(stderr, "{}\n", loop.error().ToString());
    return 1;
  }
  Load load{.env = (*loop)->env(), .settings = settings};
  const auto ran = (*loop)->Run(Run(load));
  if (!ran) fmt::print(stderr, "{}\n", ran.error().ToString());
  load.nodes.clear();
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
