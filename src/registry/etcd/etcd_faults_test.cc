// Many nodes on one etcd whose members stop, are cut off and forget their past, while answers come
// late, broken or not at all: nothing happens twice, nothing acknowledged is lost, and every watch
// tells the truth in the end.
#include <fmt/format.h>

#include <map>

#include "sim/seeds.h"
#include "sim/sim_network.h"
#include "src/registry/etcd/etcd_registry.h"
#include "src/registry/testing/sim_etcd.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;

constexpr int kNodes = 4;
constexpr Duration kTrouble = 90s;
/// After which everything must have come right by itself.
constexpr Duration kPeace = 60s;

struct Replica {
  std::map<std::string, std::string> entries;
  Revision seen = 0;
  int lists = 0;
  std::string wrong;
};

struct Written {
  int64_t acknowledged = 0;  // the last number of one's own key that was promised
  int64_t tried = 0;
  int64_t added = 0;    // to what all add to, for certain
  int64_t doubted = 0;  // or perhaps
};

struct Cell {
  sim::World& world;
  SimEtcd etcd{world};
  CancelSource stop;  // of those who write
  CancelSource stop_all;
  std::vector<sim::Node*> nodes;
  std::vector<std::unique_ptr<EtcdRegistry>> registries;
  Replica replicas[kNodes];
  Written written[kNodes];
};

std::chrono::milliseconds Upto(sim::World& world, uint64_t ms) {
  return std::chrono::milliseconds(1 + world.chance().Below(ms));
}

void Apply(const RegistryChange& change, Replica* replica) {
  const std::string& key = change.entry.key;
  if (change.removed) {
    if (replica->entries.erase(key) == 0) replica->wrong = key + " went twice";
    return;
  }
  std::string& value = replica->entries[key];
  // What each writes to its own key only grows: a change that was done twice would take it back.
  if (!value.empty() && std::stoll(change.entry.value) <= std::stoll(value)) {
    replica->wrong = fmt::format("{} went from {} to {}", key, value, change.entry.value);
  }
  value = change.entry.value;
}

Task<void> FollowOnce(Registry& registry, Replica* replica, Call call) {
  const auto all = co_await registry.List("", call);
  if (!all) co_return;
  ++replica->lists;
  replica->entries.clear();
  for (const RegistryEntry& entry : all->entries) replica->entries[entry.key] = entry.value;
  replica->seen = all->revision;
  const auto watch = co_await registry.Watch("", all->revision, call);
  if (!watch) co_return;
  for (;;) {
    const auto changes = co_await (*watch)->Next(call);
    if (!changes) {
      const Code code = changes.error().code();
      if (code != Code::kCorrupt && code != Code::kCancelled) {
        replica->wrong = changes.error().ToString();
      }
      co_return;
    }
    for (const RegistryChange& change : *changes) {
      if (change.entry.modified <= replica->seen) replica->wrong = change.entry.key + " came late";
      Apply(change, replica);
    }
    replica->seen = changes->back().entry.modified;
  }
}

Task<void> Replicate(Env& env, Registry& registry, Replica* replica, Call call) {
  while (!call.cancel.cancelled()) {
    co_await FollowOnce(registry, replica, call);
    if (!co_await env.clock.Sleep(10ms, call.cancel)) co_return;
  }
}

Task<void> AddOne(Registry& registry, Written* written, Call call) {
  const auto now = co_await registry.Get("sum", call);
  if (!now) co_return;
  const int64_t sum = *now ? std::stoll((*now)->value) : 0;
  const Expect expect = *now ? Expect::ModifiedAt((*now)->modified) : Expect::Absent();
  const auto put = co_await registry.Put("sum", std::to_string(sum + 1), expect, 0, call);
  if (put) {
    ++written->added;
  } else if (put.error().code() != Code::kVersionChanged &&
             put.error().code() != Code::kAlreadyExists) {
    ++written->doubted;
  }
}

Task<void> Write(Cell& cell, Env& env, Registry& registry, std::string key, Written* written) {
  while (!cell.stop.cancelled()) {
    // Some give their calls little time.
    Call call{.cancel = cell.stop.token()};
    if (env.rng.Below(3) == 0) call.deadline = env.clock.Now() + Upto(cell.world, 3000);
    ++written->tried;
    const auto put = co_await registry.Put(key, std::to_string(written->tried), {}, 0, call);
    if (put) written->acknowledged = written->tried;
    co_await AddOne(registry, written, call);
    if (!co_await env.clock.Sleep(Upto(cell.world, 500), cell.stop.token())) co_return;
  }
}

Task<void> KeepLeases(Cell& cell, Env& env, Registry& registry, std::string key) {
  int64_t number = 0;
  while (!cell.stop.cancelled()) {
    const Call call{.cancel = cell.stop.token()};
    const auto lease = co_await registry.GrantLease(3s, call);
    if (!lease) continue;
    ++number;
    (void)co_await registry.Put(fmt::format("{}/{}", key, number), std::to_string(number), {},
                                *lease, call);
    while (co_await registry.KeepAlive(*lease, call)) {
      if (cell.world.chance().OneIn(10)) break;
      if (!co_await env.clock.Sleep(500ms, cell.stop.token())) co_return;
    }
    if (cell.world.chance().OneIn(2)) (void)co_await registry.RevokeLease(*lease, call);
  }
}

/// One misfortune at a time, mended after a while.
Task<void> Trouble(Cell& cell) {
  sim::World& world = cell.world;
  Prng& chance = world.chance();
  Clock& clock = world.env().clock;
  const Instant end = world.Now() + kTrouble;
  while (world.Now() < end) {
    (void)co_await clock.Sleep(Upto(world, 3000));
    const auto member = static_cast<int>(chance.Below(3));
    const auto other = static_cast<int>((static_cast<uint64_t>(member) + 1 + chance.Below(2)) % 3);
    sim::Node& node = *cell.nodes[chance.Below(kNodes)];
    const Duration length = Upto(world, chance.OneIn(4) ? 30'000 : 3000);
    const uint64_t what = chance.Below(6);
    if (what == 0) cell.etcd.Compact(cell.etcd.model().revision());
    if (what == 1) world.net().Partition(cell.etcd.node(member), node, chance.OneIn(2));
    if (what == 2) world.net().Partition(cell.etcd.node(member), cell.etcd.node(other));
    if (what == 3) world.net().Isolate(chance.OneIn(2) ? node : cell.etcd.node(member));
    const bool stops = what >= 4, both = chance.OneIn(3);
    const auto kind = chance.OneIn(2) ? sim::CrashKind::kPower : sim::CrashKind::kProcess;
    if (stops) cell.etcd.Stop(member, kind);
    if (stops && both) cell.etcd.Stop(other, kind);
    (void)co_await clock.Sleep(length);
    world.net().HealAll();
    if (stops) cell.etcd.Start(member);
    if (stops && both) cell.etcd.Start(other);
  }
}

Result<void> CheckReplicas(Cell& cell) {
  std::map<std::string, std::string> right;
  for (const auto& [key, entry] : cell.etcd.model().entries()) {
    const std::string_view prefix = "/forebay/cell/";
    if (key.starts_with(prefix)) right[key.substr(prefix.size())] = entry.value;
  }
  for (int i = 0; i < kNodes; ++i) {
    const Replica& replica = cell.replicas[i];
    if (!replica.wrong.empty()) return Fail(Code::kInternal, replica.wrong);
    if (replica.entries == right) continue;
    return Fail(Code::kInternal, fmt::format("replica {} has {} entries at revision {}, etcd {} at "
                                             "{}",
                                             i, replica.entries.size(), replica.seen, right.size(),
                                             cell.etcd.model().revision()));
  }
  return {};
}

Result<void> CheckWritten(Cell& cell) {
  const auto& entries = cell.etcd.model().entries();
  const auto value = [&](const std::string& key) {
    const auto found = entries.find("/forebay/cell/" + key);
    return found == entries.end() ? 0 : std::stoll(found->second.value);
  };
  int64_t added = 0, doubted = 0;
  for (int i = 0; i < kNodes; ++i) {
    const Written& w = cell.written[i];
    const int64_t left = value(fmt::format("own{}", i));
    if (left < w.acknowledged || left > w.tried) {
      return Fail(Code::kInternal, fmt::format("own{} is {}, acknowledged {}, tried {}", i, left,
                                               w.acknowledged, w.tried));
    }
    if (w.acknowledged == 0) return Fail(Code::kInternal, "nothing was ever acknowledged");
    added += w.added;
    doubted += w.doubted;
  }
  const int64_t sum = value("sum");
  if (sum >= added && sum <= added + doubted) return {};
  return Fail(Code::kInternal,
              fmt::format("the sum is {}, added {}, perhaps {}", sum, added, doubted));
}

Task<Result<void>> Live(Cell& cell) {
  sim::World& world = cell.world;
  TaskGroup writers(world.env().executor), watchers(world.env().executor);
  for (int i = 0; i < kNodes; ++i) {
    Env& env = cell.nodes[static_cast<size_t>(i)]->env();
    Registry& registry = *cell.registries[static_cast<size_t>(i)];
    writers.Spawn(Write(cell, env, registry, fmt::format("own{}", i), &cell.written[i]));
    writers.Spawn(KeepLeases(cell, env, registry, fmt::format("lease{}", i)));
    watchers.Spawn(Replicate(env, registry, &cell.replicas[i], {.cancel = cell.stop_all.token()}));
  }
  co_await Trouble(cell);
  for (int i = 0; i < cell.etcd.members(); ++i) cell.etcd.server(i).SetOptions({.latency = 1ms});
  (void)co_await world.env().clock.Sleep(kPeace / 2);
  cell.stop.Cancel();
  co_await writers.Join();
  (void)co_await world.env().clock.Sleep(kPeace / 2);
  const auto replicas = CheckReplicas(cell);
  cell.stop_all.Cancel();
  co_await watchers.Join();
  FB_CO_TRY(replicas);
  co_return CheckWritten(cell);
}

Result<void> Scenario(sim::World& world) {
  Cell cell{.world = world};
  for (int i = 0; i < kNodes; ++i) {
    cell.nodes.push_back(&world.AddNode(fmt::format("n{}", i)));
    FB_ASSIGN(EtcdUrl url, EtcdUrl::Parse(cell.etcd.Url("cell")));
    FB_ASSIGN(auto registry,
              world.Run(EtcdRegistry::Open(cell.nodes.back()->env(), std::move(url), {}, {}, {})));
    cell.registries.push_back(std::move(registry));
  }
  const double rate = 0.002 * static_cast<double>(world.chance().Below(11));
  for (int i = 0; i < cell.etcd.members(); ++i) {
    cell.etcd.server(i).SetOptions({.latency = 1ms,
                                    .faults = {.connect_failure = rate,
                                               .error_500 = rate,
                                               .error_503 = rate,
                                               .stall = rate / 4,
                                               .reset_in_body = rate,
                                               .short_body = rate,
                                               .lost_reply = rate,
                                               .stall_time = 20s}});
  }
  return world.Run(Live(cell));
}

TEST(EtcdFaults, NothingHappensTwiceAndEveryWatchComesRight) {
  const auto report =
      sim::RunSeeds("etcd faults", {.quick = 8, .ci = 120, .full = 10'000},
                    {.run = Scenario,
                     .expected_faults = {"http.connect_failure", "http.error_500", "http.error_503",
                                         "http.stall", "http.reset", "http.lost_reply"}});
  EXPECT_TRUE(report.ok());
}

}  // namespace
}  // namespace forebay
