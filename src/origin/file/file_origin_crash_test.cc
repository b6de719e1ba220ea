// Power cuts and changes at random moments, on the simulator.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "sim/seeds.h"
#include "sim/sim_device.h"
#include "src/origin/file/file_origin.h"
#include "src/origin/testing/origin_contract_cases.h"

namespace forebay {
namespace {

using origin_contract::Text;

constexpr const char* kUrl = "file:///data/set";
constexpr const char* kDirectory = "/data/set";

Error Broken(std::string what) {
  return Error(Code::kInternal, "promise broken: " + std::move(what));
}

std::unique_ptr<Origin> MakeOrigin() {
  return std::move(*FileOrigin::Create(kUrl));
}

// -- Writers that die.

constexpr int kWriters = 4;
constexpr int kLives = 4;

std::string KeyOf(int writer) {
  return writer % 2 == 0 ? fmt::format("k{}", writer) : fmt::format("deep/er{}/k", writer);
}

/// What the n-th put of a writer holds: of many sizes, and telling its number.
std::string ObjectOf(int writer, uint64_t n) {
  const uint64_t seed = Mix64(n * kWriters + static_cast<uint64_t>(writer));
  return fmt::format("{} {} ", writer, n) + Text(seed, seed % 40'000);
}

struct Written {
  uint64_t acknowledged = 0;  // 0: nothing
  uint64_t tried = 0;
};

Task<Result<ObjectInfo>> PutObject(Env& env, Origin& origin, int writer, uint64_t n) {
  FB_CO_ASSIGN(auto upload, co_await origin.Put(env, KeyOf(writer), {}, {}));
  const std::string text = ObjectOf(writer, n);
  Result<void> done;
  for (size_t at = 0; done && at < text.size(); at += 16'384) {
    const Bytes part = AsBytes(text).subspan(at, std::min<size_t>(16'384, text.size() - at));
    done = co_await upload->Write(std::span(&part, 1), {});
  }
  Result<ObjectInfo> info = Fail(Code::kInternal, "");
  if (done) {
    info = co_await upload->Commit({});
  } else {
    info = Fail(done.error());
  }
  if (!info) co_await upload->Abort();
  co_return info;
}

Task<void> WriteUntilDead(Env& env, Origin& origin, int writer, Written* written) {
  for (;;) {
    const auto put = co_await PutObject(env, origin, writer, ++written->tried);
    if (put) written->acknowledged = written->tried;
    if (!put && put.error().code() == Code::kCancelled) co_return;
    if (!co_await env.clock.Sleep(std::chrono::microseconds(env.rng.Below(2000)))) co_return;
  }
}

Task<void> CrashSoon(sim::World& world, sim::Node& node) {
  const auto moment = std::chrono::microseconds(world.chance().Below(40'000));
  (void)co_await world.env().clock.Sleep(moment);
  node.Crash(world.chance().OneIn(3) ? sim::CrashKind::kProcess : sim::CrashKind::kPower);
}

Task<void> OneLife(sim::World& world, sim::Node& node, Origin& origin, Written* written) {
  TaskGroup group(world.env().executor);
  group.Spawn(CrashSoon(world, node));
  for (int i = 0; i < kWriters; ++i) {
    group.Spawn(WriteUntilDead(node.env(), origin, i, &written[i]));
  }
  co_await group.Join();
}

Task<Result<std::string>> GetAll(Env& env, Origin& origin, std::string key) {
  FB_CO_ASSIGN(const auto body, co_await origin.Get(env, key, {}, {}));
  std::string text(body->size(), '\0');
  for (size_t done = 0; done < text.size();) {
    const auto into = std::as_writable_bytes(std::span(text)).subspan(done);
    FB_CO_ASSIGN(const size_t got, co_await body->Read(into, {}));
    done += got;
  }
  co_return text;
}

Task<Result<void>> CheckLeft(Env& env, Origin& origin, Written* written) {
  for (int i = 0; i < kWriters; ++i) {
    const auto text = co_await GetAll(env, origin, KeyOf(i));
    if (!text && text.error().code() != Code::kNotFound) co_return Fail(text.error());
    uint64_t found = 0;
    for (uint64_t n = written[i].acknowledged; text && found == 0 && n <= written[i].tried; ++n) {
      if (n > 0 && *text == ObjectOf(i, n)) found = n;
    }
    if (found == 0 && (text || written[i].acknowledged > 0)) {
      co_return Fail(Broken(fmt::format("'{}' is {}, {} was acknowledged and {} tried", KeyOf(i),
                                        text ? "neither old nor new" : "gone",
                                        written[i].acknowledged, written[i].tried)));
    }
    // What is seen now may go on from here: a process that dies loses nothing that was there.
    written[i].acknowledged = found;
  }
  const auto page = co_await origin.List(env, {}, {});
  if (!page) co_return Fail(page.error());
  for (const ListEntry& entry : page->entries) {
    if (entry.key.find(".forebay") == std::string::npos) continue;
    co_return Fail(Broken("the listing tells " + entry.key));
  }
  co_return Result<void>();
}

Task<Result<void>> CheckSwept(Env& env) {
  const auto left = co_await env.disk.List(std::string(kDirectory) + "/.forebay-tmp/puts");
  if (!left && left.error().code() == Code::kNotFound) co_return Result<void>();
  if (!left) co_return Fail(left.error());
  if (!left->empty()) co_return Fail(Broken("the sweep left " + left->front()));
  co_return Result<void>();
}

Result<void> CrashScenario(sim::World& world) {
  sim::Node& node = world.AddNode("n");
  FB_TRY(world.Run(node.env().disk.MakeDirectory(kDirectory)));
  FB_TRY(world.Run(node.env().disk.SyncDirectory("/")));
  FB_TRY(world.Run(node.env().disk.SyncDirectory("/data")));
  Written written[kWriters];
  for (int life = 0; life < kLives; ++life) {
    node.disk().SetFaults({.write_error = 0.01, .sync_error = 0.02});
    const auto doomed = MakeOrigin();
    world.Run(OneLife(world, node, *doomed, written));
    node.Restart();
    node.disk().SetFaults({});
    const auto origin = MakeOrigin();
    FB_TRY(world.Run(origin->Sweep(node.env())));
    FB_TRY(world.Run(CheckSwept(node.env())));
    FB_TRY(world.Run(CheckLeft(node.env(), *origin, written)));
  }
  return {};
}

TEST(FileOriginCrash, AnObjectIsWholeOrNotThereAndNothingElseIsLeft) {
  const auto report =
      sim::RunSeeds("file origin crash", {.quick = 50, .ci = 1000, .full = 20'000},
                    {.run = CrashScenario,
                     .expected_faults = {"node.power_loss", "disk.lost_name", "disk.torn_write",
                                         "disk.sync_error", "disk.write_error"}});
  EXPECT_TRUE(report.ok());
}

// -- Objects that change under their readers, on a file system whose clock ticks slowly and which
// gives the numbers of files out again at once.

constexpr size_t kChangingBytes = 16'384;

/// All words are the number.
std::string ChangingObject(uint64_t number) {
  std::string text(kChangingBytes, '\0');
  for (size_t at = 0; at < text.size(); at += 8) StoreTo(text.data() + at, number);
  return text;
}

Task<void> ReplaceOften(Env& env, uint64_t times, bool in_place) {
  const std::string path = std::string(kDirectory) + "/k", next = std::string(kDirectory) + "/n";
  for (uint64_t number = 1; number <= times; ++number) {
    const std::string text = ChangingObject(number);
    const bool rewrite = in_place && number > 1;
    {
      const auto file =
          (co_await env.disk.Open(rewrite ? path : next, {.write = true, .create = true})).value();
      const Bytes part = AsBytes(text);
      EXPECT_TRUE(co_await env.disk.Write(*file, 0, std::span(&part, 1)));
    }
    if (!rewrite) {
      EXPECT_TRUE(co_await env.disk.Rename(next, path));
      EXPECT_TRUE(co_await env.disk.SyncDirectory(kDirectory));  // the old one's number is free
    }
    const uint64_t most = env.rng.Below(8) == 0 ? 50'000 : 300;
    (void)co_await env.clock.Sleep(std::chrono::microseconds(env.rng.Below(most)));
  }
}

struct Seen {
  std::map<std::string, uint64_t> number_of;  // by etag
  uint64_t whole = 0;
  uint64_t changed = 0;
  bool done = false;
};

Task<Result<void>> ReadOnce(Env& env, Origin& origin, Seen* seen) {
  const auto body = co_await origin.Get(env, "k", {}, {});
  if (!body) co_return Fail(body.error());
  uint64_t number = 0;
  std::byte buffer[2048];
  for (size_t at = 0; at < kChangingBytes; at += sizeof buffer) {
    FB_CO_ASSIGN(const size_t got, co_await (*body)->Read(buffer, {}));
    if (got != sizeof buffer) co_return Fail(Broken("a short read"));
    if (at == 0) number = LoadFrom<uint64_t>(buffer);
    for (size_t i = 0; i < got; i += 8) {
      if (LoadFrom<uint64_t>(buffer + i) != number) co_return Fail(Broken("a mix of versions"));
    }
    const auto known = seen->number_of.emplace((*body)->info().etag, number).first;
    if (known->second != number) co_return Fail(Broken("two versions have the same etag"));
    (void)co_await env.clock.Sleep(std::chrono::microseconds(env.rng.Below(500)));
  }
  co_return Result<void>();
}

Task<void> ReadOften(Env& env, Origin& origin, Seen* seen, Result<void>* result) {
  while (!seen->done) {
    const auto read = co_await ReadOnce(env, origin, seen);
    if (read) ++seen->whole;
    if (read) continue;
    if (read.error().code() == Code::kInternal) *result = read;
    ++seen->changed;
  }
}

Task<void> ReplaceThenStop(Env& env, uint64_t times, bool in_place, Seen* seen) {
  co_await ReplaceOften(env, times, in_place);
  seen->done = true;
}

Task<Result<void>> ReadWhileChanging(Env& env, bool in_place) {
  const auto origin = MakeOrigin();
  co_await ReplaceOften(env, 1, false);
  Seen seen;
  Result<void> result;
  TaskGroup group(env.executor);
  group.Spawn(ReplaceThenStop(env, 200, in_place, &seen));
  for (int i = 0; i < 6; ++i) group.Spawn(ReadOften(env, *origin, &seen, &result));
  co_await group.Join();
  FB_CO_TRY(result);
  // However it raged, a new open sees the last one.
  FB_CO_TRY(co_await ReadOnce(env, *origin, &seen));
  if (!in_place && seen.whole == 0) co_return Fail(Broken("nobody ever read anything"));
  co_return Result<void>();
}

Result<void> ReplaceScenario(sim::World& world) {
  sim::Node& node = world.AddNode("n");
  FB_TRY(world.Run(node.env().disk.MakeDirectory(kDirectory)));
  return world.Run(ReadWhileChanging(node.env(), world.seed() % 2 == 0));
}

TEST(FileOriginChange, NoReaderSeesTwoVersionsAndNoEtagNamesTwo) {
  const auto report = sim::RunSeeds("file origin change", {.quick = 30, .ci = 300, .full = 5'000},
                                    {.run = ReplaceScenario});
  EXPECT_TRUE(report.ok());
}

}  // namespace
}  // namespace forebay
