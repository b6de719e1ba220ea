#include "sim/world.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/sim_device.h"
#include "src/runtime/sync.h"

namespace forebay::sim {
namespace {

Task<int64_t> SleepTwice(Env& env) {
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(co_await env.clock.Sleep(seconds(1)));
  co_return env.clock.Now().ns;
}

TEST(World, VirtualTimePassesByItself) {
  World world(1);
  EXPECT_EQ(world.Run(SleepTwice(world.AddNode("a").env())), 2'000'000'000);
}

TEST(World, RunForPassesTimeWithoutATask) {
  World world(1);
  world.RunFor(seconds(5));
  EXPECT_EQ(world.Now().ns, 5'000'000'000);
}

Task<void> WaitForEver(Event& event, Env& env) {
  TaskGroup group(env.executor);
  co_await event.Wait();
}

TEST(WorldDeathTest, ADeadlockIsDescribed) {
  EXPECT_DEATH(
      {
        World world(7, {.rerun = "THE COMMAND"});
        Event event(world.env().executor);
        world.Run(WaitForEver(event, world.env()));
      },
      "seed 7.*deadlock(.|\n)*THE COMMAND");
}

Task<void> AcceptForEver(Env& env) {
  auto listener = env.net.Listen("a:1").value();
  static_cast<void>(co_await listener->Accept({}));
}

TEST(WorldDeathTest, ADeadlockNamesWhoWaitsForWhat) {
  EXPECT_DEATH(
      {
        World world(7);
        world.Run(AcceptForEver(world.AddNode("a").env()));
      },
      "deadlock.*waiting: a .accept x1");
}

Task<void> TickForEver(Env& env) {
  for (;;) static_cast<void>(co_await env.clock.Sleep(seconds(1)));
}

TEST(WorldDeathTest, ARunHasATimeLimit) {
  EXPECT_DEATH(
      {
        World world(1, {.time_limit = hours(1)});
        world.Run(TickForEver(world.AddNode("a").env()));
      },
      "time limit");
}

Task<void> YieldForEver(Env& env) {
  for (;;) co_await Yield(env.executor);
}

TEST(WorldDeathTest, ALoopThatNeverWaitsIsFound) {
  EXPECT_DEATH(
      {
        World world(1, {.livelock_after = 10'000});
        world.Run(YieldForEver(world.AddNode("a").env()));
      },
      "livelock");
}

Task<void> CrashAndLinger(World& world, Node& node) {
  TaskGroup group(world.env().executor);
  group.Spawn(TickForEver(node.env()));
  EXPECT_TRUE(co_await world.env().clock.Sleep(seconds(3)));
  node.Crash();
  co_await group.Join();
}

TEST(WorldDeathTest, AZombieThatIgnoresItsDeathEndsTheRun) {
  EXPECT_DEATH(
      {
        World world(1);
        world.Run(CrashAndLinger(world, world.AddNode("a")));
      },
      "'a' keeps asking");
}

Task<void> AskEverySeam(Env& env, int* cancelled) {
  const auto count = [cancelled](const auto& result) {
    *cancelled += !result && result.error().code() == Code::kCancelled ? 1 : 0;
  };
  // Sleeps until the crash wakes it; every later question fails at once.
  count(co_await env.clock.Sleep(hours(1)));
  count(co_await env.clock.Sleep(seconds(1)));
  count(co_await env.disk.Open("/zombie", {.write = true, .create = true}));
  count(co_await env.disk.MakeDirectory("/zombie"));
  count(co_await env.net.Connect("a:1", {}));
  count(env.net.Listen("a:1"));
  count(co_await env.http.Send({.url = "http://h/"}, {}));
  count(env.memory.Reserve("zombie", 4096));
  EXPECT_FALSE(env.faults.Fires("zombie"));
  env.log.Info("zombie", "says nothing any more");
}

Task<void> CrashSleeper(World& world, Node& node, int* cancelled) {
  TaskGroup group(world.env().executor);
  Env& old = node.env();
  world.SetNamedFault("zombie", 1);
  group.Spawn(AskEverySeam(old, cancelled));
  EXPECT_TRUE(co_await world.env().clock.Sleep(seconds(3)));
  node.Crash();
  const Instant crashed = world.Now();
  co_await group.Join();
  EXPECT_EQ(world.Now(), crashed);  // unwinding takes no time
  node.Restart();
  EXPECT_NE(&old, &node.env());
  EXPECT_TRUE(co_await node.env().clock.Sleep(seconds(1)));
  EXPECT_TRUE((co_await node.env().disk.List("/")).value().empty());
}

TEST(Node, ADeadProcessUnwindsAndTouchesNothing) {
  World world(1);
  int cancelled = 0;
  world.Run(CrashSleeper(world, world.AddNode("a"), &cancelled));
  EXPECT_EQ(cancelled, 8);
  EXPECT_FALSE(world.log().Contains("says nothing"));
  EXPECT_EQ(world.faults().fired("zombie"), 0u);
  EXPECT_EQ(world.faults().fired("node.power_loss"), 1u);
}

Task<void> CancelledSleep(Env& env, CancelSource* source, Code* code) {
  const auto slept = co_await env.clock.Sleep(hours(1), source->token());
  *code = slept ? Code::kInternal : slept.error().code();
}
Task<void> CancelSoon(Env& env) {
  CancelSource source;
  Code code = Code::kInternal;
  TaskGroup group(env.executor);
  group.Spawn(CancelledSleep(env, &source, &code));
  EXPECT_TRUE(co_await env.clock.Sleep(seconds(1)));
  source.Cancel();
  co_await group.Join();
  EXPECT_EQ(code, Code::kCancelled);
  EXPECT_EQ(env.clock.Now().ns, 1'000'000'000);
  co_await CancelledSleep(env, &source, &code);  // cancelled before it began
  EXPECT_EQ(env.clock.Now().ns, 1'000'000'000);
}

TEST(SimClock, SleepEndsByCancellation) {
  World world(1);
  world.Run(CancelSoon(world.AddNode("a").env()));
}

TEST(SimClock, WallClocksAreSkewedAndTheMonotonicIsNot) {
  World world(5, {.max_wall_skew = seconds(100)});
  Env &a = world.AddNode("a").env(), &b = world.AddNode("b").env();
  EXPECT_NE(a.clock.WallNanos(), b.clock.WallNanos());
  EXPECT_LE(std::abs(a.clock.WallNanos() - world.options().wall_start_ns), 100'000'000'000);
  EXPECT_EQ(a.clock.Now(), b.clock.Now());
}

TEST(SimMemory, IsLazyAndPunchGivesZeros) {
  World world(1);
  Env& env = world.AddNode("a").env();
  auto memory = env.memory.Reserve("big", kTiB / 4).value();  // costs nothing
  memory->bytes()[kMiB + 5] = std::byte{7};
  memory->bytes()[2 * kMiB] = std::byte{8};
  ASSERT_TRUE(memory->Punch(kMiB, 4096));
  EXPECT_EQ(memory->bytes()[kMiB + 5], std::byte{0});
  EXPECT_EQ(memory->bytes()[2 * kMiB], std::byte{8});
  EXPECT_EQ(memory->Punch(1, 4096).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(memory->Punch(0, kTiB).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(env.memory.Reserve("none", 0).error().code(), Code::kInvalidArgument);
}

TEST(SimMemory, IsRefusedAtTheRate) {
  World world(1, {.memory_refused = 0.5});
  Env& env = world.AddNode("a").env();
  int refused = 0;
  for (int i = 0; i < 100; ++i) refused += env.memory.Reserve("m", 4096) ? 0 : 1;
  EXPECT_GT(refused, 20);
  EXPECT_EQ(world.faults().fired("memory.refused"), static_cast<uint64_t>(refused));
}

TEST(SimFaults, EachSeedSwitchesOnAPartOfTheNames) {
  int on = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    World world(seed, {.named_faults = true});
    Env& env = world.AddNode("a").env();
    bool fired = false;
    for (int i = 0; i < 2000; ++i) fired |= env.faults.Fires("some.point");
    on += fired ? 1 : 0;
  }
  EXPECT_GT(on, 10);
  EXPECT_LT(on, 45);
  World quiet(1);
  Env& env = quiet.AddNode("a").env();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(env.faults.Fires("some.point"));
  EXPECT_EQ(quiet.faults().Get("some.point").possible, 100u);
  quiet.SetNamedFault("some.point", 1);
  EXPECT_TRUE(env.faults.Fires("some.point"));
}

TEST(SimLog, LinesCarryTimeAndNodeAndAreBounded) {
  World world(1, {.log_lines = 3});
  Env& env = world.AddNode("a").env();
  for (int i = 0; i < 5; ++i) env.log.Warning("store", "line " + std::to_string(i));
  EXPECT_EQ(world.log().lines().size(), 3u);
  EXPECT_TRUE(world.log().Contains("W a            [store] line 4"));
  EXPECT_FALSE(world.log().Contains("line 0"));
}

Task<void> Draw(Env& env, int times) {
  for (int i = 0; i < times; ++i) {
    const Duration time(static_cast<int64_t>(env.rng.Below(1000)));
    static_cast<void>(co_await env.clock.Sleep(time));
    static_cast<void>(co_await env.disk.List("/"));
  }
}

uint64_t DigestOf(uint64_t seed, int times) {
  World world(seed);
  Env& env = world.AddNode("a").env();
  world.Run(Draw(env, times));
  EXPECT_EQ(world.Digest(), world.Digest());
  return world.Digest();
}

TEST(World, TheDigestFollowsFromTheSeedAndWhatHappened) {
  EXPECT_EQ(DigestOf(1, 50), DigestOf(1, 50));
  EXPECT_NE(DigestOf(1, 50), DigestOf(2, 50));
  EXPECT_NE(DigestOf(1, 50), DigestOf(1, 51));
}

Task<void> SleepOnce(Env& env) {
  static_cast<void>(co_await env.clock.Sleep(hours(100)));
}

TEST(World, ItsEndUnwindsWhatStillRuns) {
  TaskGroup* group = nullptr;
  {
    World world(1);
    group = new TaskGroup(world.env().executor);
    group->Spawn(SleepOnce(world.AddNode("a").env()));
    world.RunFor(seconds(1));
    EXPECT_EQ(group->running(), 1u);
  }
  EXPECT_EQ(group->running(), 0u);
  delete group;
}

}  // namespace
}  // namespace forebay::sim
