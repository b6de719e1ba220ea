#include "sim/seeds.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "sim/sim_device.h"
#include "sim/sim_network.h"

namespace forebay::sim {
namespace {

Task<Result<void>> WriteRecord(Env& env, std::string text, bool sync) {
  FB_CO_ASSIGN(auto file, co_await env.disk.Open("/log", {.write = true, .create = true}));
  FB_CO_TRY(co_await env.disk.SyncDirectory("/"));
  const Bytes parts[] = {AsBytes(text)};
  FB_CO_TRY(co_await env.disk.Write(*file, 0, parts));
  if (sync) FB_CO_TRY(co_await env.disk.Sync(*file));
  co_return Result<void>();
}

Task<Result<std::string>> ReadRecord(Env& env) {
  FB_CO_ASSIGN(auto file, co_await env.disk.Open("/log", {}));
  std::string text(20'000, '?');
  FB_CO_ASSIGN(const size_t size,
               co_await env.disk.Read(*file, 0, std::as_writable_bytes(std::span(text))));
  co_return text.substr(0, size);
}

/// The smallest product there is: what it acknowledged must be there after a power cut.
Result<void> AcknowledgedSurvives(World& world, bool sync) {
  Node& node = world.AddNode("a");
  std::string text;
  for (int i = 0; i < 2000; ++i) text += std::to_string(i);
  const auto written = world.Run(WriteRecord(node.env(), text, sync));
  node.Crash();
  node.Restart();
  const auto read = world.Run(ReadRecord(node.env()));
  if (written && (!read || *read != text)) return Fail(Code::kCorrupt, "a record is gone");
  return {};
}

Result<void> WithSync(World& world) {
  return AcknowledgedSurvives(world, true);
}
Result<void> WithoutSync(World& world) {
  return AcknowledgedSurvives(world, false);
}

TEST(Seeds, ARightProductPassesAndTheFaultsAreCounted) {
  const Scenario scenario{.options =
                              [](uint64_t) {
                                WorldOptions options;
                                options.disk.faults.sync_error = 0.3;
                                return options;
                              },
                          .run = WithSync,
                          .expected_faults = {"disk.sync_error", "node.power_loss"}};
  const SeedReport report = RunSeeds("with sync", {.quick = 30, .ci = 200, .full = 2000}, scenario);
  EXPECT_TRUE(report.ok());
  EXPECT_NE(report.Table().find("disk.sync_error"), std::string::npos);
}

TEST(Seeds, APlantedBugIsCaughtSoon) {
  const auto seed = FindFailingSeed("forgotten sync", 50, {.run = WithoutSync});
  ASSERT_TRUE(seed.has_value());
  EXPECT_LT(*seed, 20u);
}

TEST(Seeds, AFailureNamesTheSeedAndTheCommand) {
  EXPECT_NONFATAL_FAILURE(
      RunSeeds("planted", {.quick = 50, .ci = 50, .full = 50}, {.run = WithoutSync}),
      "--gtest_filter=Seeds.AFailureNamesTheSeedAndTheCommand");
}

TEST(Seeds, AFaultThatNeverFiredFailsTheRun) {
  EXPECT_NONFATAL_FAILURE(
      RunSeeds("nothing", {.quick = 2, .ci = 2, .full = 2},
               {.run = [](World&) { return Result<void>(); }, .expected_faults = {"net.loss"}}),
      "never fired: net.loss");
}

std::atomic<int> runs_so_far;

Task<void> SleepSome(Env& env, int64_t ns) {
  static_cast<void>(co_await env.clock.Sleep(Duration(ns)));
}

Result<void> DependsOnTheProcess(World& world) {
  world.Run(SleepSome(world.AddNode("a").env(), ++runs_so_far));
  return {};
}

TEST(Seeds, WhatIsNotDeterministicIsFound) {
  EXPECT_NONFATAL_FAILURE(
      RunSeeds("impure", {.quick = 2, .ci = 2, .full = 2}, {.run = DependsOnTheProcess}),
      "not deterministic");
}

Task<void> AskOrigin(Env& env) {
  for (int i = 0; i < 20; ++i) {
    const Call call{.deadline = env.clock.Now() + seconds(20)};
    auto response = co_await env.http.Send({.url = "http://origin/x"}, call);
    std::byte buffer[100];
    if (response) static_cast<void>(co_await (*response)->Read(buffer, call));
    static_cast<void>(env.memory.Reserve("m", 4096));
    static_cast<void>(env.faults.Fires("test.point"));
    static_cast<void>(co_await WriteRecord(env, std::string(9000, 'x'), i % 2 == 0));
    static_cast<void>(co_await ReadRecord(env));
  }
  static_cast<void>(co_await env.disk.Open("/late", {.write = true, .create = true}));
}

Result<void> AnythingGoes(World& world) {
  Node& node = world.AddNode("a");
  world.AddHttpServer("http://origin", [](const SimHttpRequest&) {
    return SimHttpReply{.headers = {{"ETag", "1"}}, .body = SimBody(std::string(500, 'b'))};
  });
  world.Run(AskOrigin(node.env()));
  node.Crash();
  node.Restart();
  world.Run(AskOrigin(node.env()));
  return {};
}

TEST(Seeds, ChaosIsDeterministicAndReachesEverything) {
  const SeedReport report =
      RunSeeds("chaos", {.quick = 60, .ci = 200, .full = 2000},
               {.options = WorldOptions::Chaos,
                .run = AnythingGoes,
                .expected_faults = {"disk.read_error",   "disk.write_error",     "disk.sync_error",
                                    "disk.flip_on_read", "disk.bit_flip",        "disk.bad_range",
                                    "disk.stall",        "disk.torn_write",      "disk.lost_write",
                                    "disk.lost_name",    "http.connect_failure", "http.error_500",
                                    "http.error_503",    "http.stall",           "http.reset",
                                    "http.short_body",   "http.other_etag",      "http.slow_drip",
                                    "http.lost_reply",   "memory.refused",       "test.point"}});
  EXPECT_TRUE(report.ok());
}

}  // namespace
}  // namespace forebay::sim
