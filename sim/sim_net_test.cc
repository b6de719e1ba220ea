#include "sim/sim_net.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "sim/seeds.h"
#include "sim/sim_http.h"
#include "sim/sim_network.h"
#include "sim/world.h"
#include "src/runtime/task_group.h"

namespace forebay::sim {
namespace {

Code CodeOf(const auto& result) {
  return result ? Code::kInternal : result.error().code();
}

struct Pair {
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> server;
};

Task<void> AcceptInto(Listener& listener, std::unique_ptr<Stream>* into) {
  *into = (co_await listener.Accept({})).value();
}

Task<Pair> MakePair(Env& from, Env& at, std::string address) {
  Pair pair;
  pair.listener = at.net.Listen(address).value();
  TaskGroup group(at.executor);
  group.Spawn(AcceptInto(*pair.listener, &pair.server));
  pair.client = (co_await from.net.Connect(pair.listener->address(), {})).value();
  co_await group.Join();
  co_return pair;
}

Task<Result<void>> SendText(Stream& stream, std::string text, Call call = {}) {
  const Bytes parts[] = {AsBytes(text)};
  co_return co_await stream.Send(parts, call);
}

/// Everything until the end, and how many pieces it came in.
Task<Result<std::string>> RecvAll(Stream& stream, int* pieces = nullptr) {
  std::string all;
  std::vector<std::byte> buffer(100'000);
  for (;;) {
    FB_CO_ASSIGN(const size_t size, co_await stream.Recv(buffer, {}));
    if (size == 0) co_return all;
    all += AsText(Bytes(buffer).first(size));
    if (pieces != nullptr) ++*pieces;
  }
}

Task<Result<std::string>> RecvSome(Stream& stream, Call call = {}) {
  std::vector<std::byte> buffer(1000);
  FB_CO_ASSIGN(const size_t size, co_await stream.Recv(buffer, call));
  co_return std::string(AsText(Bytes(buffer).first(size)));
}

class SimNetTest : public testing::Test {
 protected:
  World world{1};
  Node& a = world.AddNode("a");
  Node& b = world.AddNode("b");
};

Task<void> SendAndShut(Stream& stream, std::string text) {
  EXPECT_TRUE(co_await SendText(stream, text));
  stream.Shutdown();
}

Task<void> BigTransfer(Env& a, Env& b) {
  Pair pair = co_await MakePair(a, b, "b:0");
  EXPECT_EQ(pair.client->peer(), "b:0");
  std::string text;
  for (int i = 0; i < 300'000; ++i) text += std::to_string(i);
  TaskGroup group(a.executor);
  group.Spawn(SendAndShut(*pair.client, text));
  int pieces = 0;
  const auto got = co_await RecvAll(*pair.server, &pieces);
  EXPECT_TRUE(got && *got == text);
  EXPECT_GT(pieces, 20);  // no message borders
  co_await group.Join();
}

TEST_F(SimNetTest, AStreamKeepsEveryByteInOrderThroughABoundedBuffer) {
  world.Run(BigTransfer(a.env(), b.env()));
  EXPECT_GT(world.faults().fired("net.backpressure"), 0u);
  EXPECT_EQ(world.net().connections(), 0u);
}

Task<void> AddressChecks(Env& a, Env& b) {
  auto first = b.net.Listen("0.0.0.0:7400");
  EXPECT_EQ((*first)->address(), "b:7400");
  EXPECT_EQ(CodeOf(b.net.Listen("b:7400")), Code::kInUse);
  EXPECT_EQ(CodeOf(b.net.Listen("a:7400")), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(b.net.Listen("b:port")), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(co_await a.net.Connect("b", {})), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(co_await a.net.Connect("nowhere:1", {})), Code::kUnavailable);
  EXPECT_EQ(CodeOf(co_await a.net.Connect("b:7401", {})), Code::kUnavailable);
  EXPECT_TRUE(co_await a.net.Connect("b:7400", {}));
  EXPECT_TRUE(co_await b.net.Connect("localhost:7400", {}));
  first->reset();
  EXPECT_EQ(CodeOf(co_await a.net.Connect("b:7400", {})), Code::kUnavailable);
  auto local = b.net.Listen("unix:/run/x").value();
  EXPECT_TRUE(co_await b.net.Connect("unix:/run/x", {}));
  EXPECT_EQ(CodeOf(co_await a.net.Connect("unix:/run/x", {})), Code::kUnavailable);
}

TEST_F(SimNetTest, AddressesMeanWhatTheySay) {
  world.Run(AddressChecks(a.env(), b.env()));
}

Task<Duration> RoundTrip(Env& from, Env& to, std::string address) {
  Pair pair = co_await MakePair(from, to, address);
  const Instant start = from.clock.Now();
  EXPECT_TRUE(co_await SendText(*pair.client, "ping"));
  EXPECT_TRUE(co_await RecvSome(*pair.server));
  EXPECT_TRUE(co_await SendText(*pair.server, "pong"));
  EXPECT_TRUE(co_await RecvSome(*pair.client));
  co_return from.clock.Now() - start;
}

TEST_F(SimNetTest, DistanceIsLatency) {
  Node& zone = world.AddNode("zone", {.zone = "z2"});
  Node& far = world.AddNode("far", {.region = "r2"});
  const Duration near = world.Run(RoundTrip(a.env(), b.env(), "b:1"));
  const Duration mid = world.Run(RoundTrip(a.env(), zone.env(), "zone:1"));
  const Duration distant = world.Run(RoundTrip(a.env(), far.env(), "far:1"));
  EXPECT_LT(near, mid);
  EXPECT_GE(distant, 2 * world.options().net.between_regions);
  world.net().Delay(a, b, seconds(1));
  EXPECT_GE(world.Run(RoundTrip(a.env(), b.env(), "b:2")), seconds(1));
}

Task<Duration> Transfer(Env& from, Env& to, size_t size) {
  Pair pair = co_await MakePair(from, to, "0.0.0.0:0");
  const Instant start = from.clock.Now();
  TaskGroup group(from.executor);
  group.Spawn(SendAndShut(*pair.client, std::string(size, 'x')));
  EXPECT_EQ((co_await RecvAll(*pair.server)).value().size(), size);
  co_await group.Join();
  co_return from.clock.Now() - start;
}

TEST(SimNet, TheCardsBandwidthBoundsATransfer) {
  WorldOptions options;
  options.net.nic_bytes_per_second = 100'000'000;
  World world(1, options);
  Env &a = world.AddNode("a").env(), &b = world.AddNode("b").env();
  const Duration took = world.Run(Transfer(a, b, 10'000'000));
  EXPECT_GE(took, milliseconds(100));
  EXPECT_LT(took, milliseconds(140));
}

Task<void> DeadlineChecks(Env& a, Env& b) {
  Pair pair = co_await MakePair(a, b, "b:1");
  const Call soon{.deadline = a.clock.Now() + milliseconds(5)};
  EXPECT_EQ(CodeOf(co_await RecvSome(*pair.client, soon)), Code::kDeadlineExceeded);
  EXPECT_EQ(a.clock.Now(), soon.deadline);
  EXPECT_TRUE(co_await SendText(*pair.server, "late"));  // a stream outlives a Recv's deadline
  EXPECT_EQ((co_await RecvSome(*pair.client)).value(), "late");
  const Call later{.deadline = a.clock.Now() + milliseconds(5)};
  EXPECT_EQ(CodeOf(co_await pair.listener->Accept(later)), Code::kDeadlineExceeded);
  CancelSource source;
  source.Cancel();
  EXPECT_EQ(CodeOf(co_await RecvSome(*pair.client, {.cancel = source.token()})), Code::kCancelled);
  // Nobody reads: the buffer fills, the deadline ends it, and the stream is of no more use.
  const Call full{.deadline = a.clock.Now() + milliseconds(50)};
  EXPECT_EQ(CodeOf(co_await SendText(*pair.client, std::string(10'000'000, 'x'), full)),
            Code::kDeadlineExceeded);
  EXPECT_EQ(CodeOf(co_await SendText(*pair.client, "more")), Code::kUnavailable);
}

TEST_F(SimNetTest, DeadlinesAndCancellationEndEveryWait) {
  world.Run(DeadlineChecks(a.env(), b.env()));
}

Task<void> ShutdownLater(Env& env, Stream& stream) {
  EXPECT_TRUE(co_await env.clock.Sleep(milliseconds(1)));
  stream.Shutdown();
}

Task<void> ShutdownChecks(Env& a, Env& b) {
  Pair pair = co_await MakePair(a, b, "b:1");
  EXPECT_TRUE(co_await SendText(*pair.client, "last words"));
  TaskGroup group(a.executor);
  group.Spawn(ShutdownLater(a, *pair.client));
  EXPECT_EQ(CodeOf(co_await RecvSome(*pair.client)), Code::kCancelled);
  EXPECT_EQ((co_await RecvAll(*pair.server)).value(), "last words");
  EXPECT_EQ((co_await RecvSome(*pair.server)).value(), "");
  EXPECT_TRUE(co_await SendText(*pair.server, "into the void"));
  EXPECT_TRUE(co_await b.clock.Sleep(milliseconds(10)));
  EXPECT_EQ(CodeOf(co_await SendText(*pair.server, "x")), Code::kUnavailable);
  co_await group.Join();
}

TEST_F(SimNetTest, ShutdownEndsBothDirections) {
  world.Run(ShutdownChecks(a.env(), b.env()));
}

Task<void> PartitionChecks(World& world, Node& a, Node& b) {
  Pair pair = co_await MakePair(a.env(), b.env(), "b:1");
  world.net().Partition(a, b, /*both=*/false);
  EXPECT_TRUE(co_await SendText(*pair.client, "held up"));  // the kernel took it
  EXPECT_TRUE(co_await SendText(*pair.server, "the other way is open"));
  EXPECT_TRUE(co_await RecvSome(*pair.client));
  const Call soon{.deadline = world.Now() + seconds(3)};
  EXPECT_EQ(CodeOf(co_await RecvSome(*pair.server, soon)), Code::kDeadlineExceeded);
  const Call connect{.deadline = world.Now() + seconds(1)};
  EXPECT_EQ(CodeOf(co_await a.env().net.Connect("b:1", connect)), Code::kDeadlineExceeded);
  world.net().Heal(a, b);
  EXPECT_EQ((co_await RecvSome(*pair.server)).value().substr(0, 1), "h");
  world.net().Isolate(b);
  EXPECT_TRUE(co_await SendText(*pair.client, "lost for good"));
  EXPECT_TRUE(co_await world.env().clock.Sleep(seconds(60)));
  EXPECT_EQ(CodeOf(co_await SendText(*pair.client, "x")), Code::kUnavailable);
  EXPECT_EQ(CodeOf(co_await a.env().net.Connect("b:1", {})), Code::kUnavailable);
  world.net().HealAll();
  EXPECT_TRUE(co_await a.env().net.Connect("b:1", {}));
}

TEST_F(SimNetTest, PartitionsHoldUpBreakAndHeal) {
  world.Run(PartitionChecks(world, a, b));
  EXPECT_GT(world.faults().fired("net.partition"), 0u);
}

Task<void> CrashChecks(World& world, Node& a, Node& b, Duration* found_out) {
  Pair pair = co_await MakePair(a.env(), b.env(), "b:1");
  b.Crash();
  const Instant crashed = world.Now();
  const Call call{.deadline = crashed + seconds(5)};
  const auto got = co_await RecvSome(*pair.client, call);
  *found_out = world.Now() - crashed;
  b.Restart();
  if (CodeOf(got) == Code::kDeadlineExceeded) {
    // Half open: only what is sent shows that nobody is there.
    EXPECT_TRUE(co_await SendText(*pair.client, "anybody?"));
    EXPECT_EQ(CodeOf(co_await RecvSome(*pair.client)), Code::kUnavailable);
  } else {
    EXPECT_EQ(CodeOf(got), Code::kUnavailable);
  }
  EXPECT_EQ(CodeOf(co_await a.env().net.Connect("b:1", {})), Code::kUnavailable);
}

TEST(SimNet, APeersPowerLossIsToldOrLeavesAHalfOpenConnection) {
  int told = 0, half_open = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    World world(seed);
    Node &a = world.AddNode("a"), &b = world.AddNode("b");
    Duration found_out{};
    world.Run(CrashChecks(world, a, b, &found_out));
    ++(found_out < seconds(1) ? told : half_open);
    EXPECT_EQ(world.faults().fired("net.half_open"), found_out < seconds(1) ? 0u : 1u);
  }
  EXPECT_GT(told, 2);
  EXPECT_GT(half_open, 2);
}

Task<void> KilledChecks(World& world, Node& a, Node& b) {
  Pair pair = co_await MakePair(a.env(), b.env(), "b:1");
  b.Crash(CrashKind::kProcess);
  EXPECT_EQ(CodeOf(co_await RecvSome(*pair.client)), Code::kUnavailable);
  pair.server.reset();
  Env& old = b.env();
  b.Restart();
  auto again = b.env().net.Listen("b:1");
  EXPECT_TRUE(again);
  pair.listener.reset();  // the zombie's must not close the new one
  EXPECT_EQ(CodeOf(old.net.Listen("b:2")), Code::kCancelled);
  EXPECT_TRUE(co_await a.env().net.Connect("b:1", {}));
  EXPECT_LT(world.Now().ns, 1'000'000'000);
}

TEST_F(SimNetTest, APeersDeathByKillIsToldAtOnce) {
  world.Run(KilledChecks(world, a, b));
}

Task<void> Chat(Env& a, Env& b, int* broken) {
  for (int i = 0; i < 100; ++i) {
    auto listener = b.net.Listen("b:1").value();
    std::unique_ptr<Stream> server;
    auto client = co_await a.net.Connect("b:1", {});
    if (!client) {
      ++*broken;
      continue;
    }
    auto accepted = co_await listener->Accept({});
    for (int j = 0; j < 20 && accepted; ++j) {
      const auto sent = co_await SendText(**client, "ping");
      const auto got = co_await RecvSome(**accepted);
      if (sent && got) continue;
      ++*broken;
      break;
    }
  }
}

/// The first segment is reset, and the buffers are full of what will never leave.
Task<void> SendIntoAReset(Env& a, Env& b) {
  Pair pair = co_await MakePair(a, b, "b:1");
  const Call call{.deadline = a.clock.Now() + seconds(60), .cancel = {}};
  const Instant began = a.clock.Now();
  const auto sent = co_await SendText(*pair.client, std::string(1 << 20, 'x'), call);
  EXPECT_EQ(CodeOf(sent), Code::kUnavailable);
  EXPECT_LT(a.clock.Now() - began, seconds(1));
}

TEST(SimNet, WhoSendsMoreThanFitsHearsOfAResetAtOnce) {
  WorldOptions options;
  options.net.faults.reset = 1;
  options.net.segment_bytes = 8192;
  options.net.buffer_bytes = 4096;
  World world(3, options);
  Env &a = world.AddNode("a").env(), &b = world.AddNode("b").env();
  world.Run(SendIntoAReset(a, b));
}

TEST(SimNet, EveryRateFires) {
  WorldOptions options;
  options.net.faults = {.loss = 0.02, .reset = 0.01, .refuse = 0.05, .blackhole = 0.05};
  World world(2, options);
  Env &a = world.AddNode("a").env(), &b = world.AddNode("b").env();
  int broken = 0;
  world.Run(Chat(a, b, &broken));
  for (const char* kind : {"net.loss", "net.reset", "net.refuse", "net.blackhole"}) {
    EXPECT_GT(world.faults().fired(kind), 0u) << kind;
  }
  EXPECT_EQ(static_cast<uint64_t>(broken), world.faults().fired("net.reset") +
                                               world.faults().fired("net.refuse") +
                                               world.faults().fired("net.blackhole"));
}

Task<void> IdentityChecks(Node& a, Node& b) {
  const PeerProcess reader{.uid = 7, .gid = 8, .pid = 9}, node = a.local_identity();
  Pair local = co_await MakePair(a.env(), a.env(), "unix:/run/s");
  EXPECT_EQ(local.server->peer_process(), node);
  a.set_local_identity(reader);
  EXPECT_EQ(local.server->peer_process(), node);  // who it was when it connected
  EXPECT_EQ((co_await MakePair(a.env(), a.env(), "unix:/run/t")).server->peer_process(), reader);
  EXPECT_EQ((co_await MakePair(b.env(), a.env(), "a:1")).server->peer_process(), std::nullopt);
  const int descriptors[] = {0};
  const Bytes parts[] = {AsBytes("x")};
  EXPECT_EQ(CodeOf(co_await local.client->SendDescriptors(parts, descriptors, {})),
            Code::kUnsupported);
}

TEST_F(SimNetTest, APeerByUnixSocketHasTheIdentityThatTheTestGave) {
  world.Run(IdentityChecks(a, b));
}

Task<void> ResetChecks(World& world, Node& a, Node& b) {
  Pair pair = co_await MakePair(a.env(), b.env(), "b:1");
  world.net().ResetAll(a, b);
  EXPECT_EQ(CodeOf(co_await RecvSome(*pair.client)), Code::kUnavailable);
  EXPECT_EQ(CodeOf(co_await SendText(*pair.server, "x")), Code::kUnavailable);
}

TEST_F(SimNetTest, AResetBreaksBothSides) {
  world.Run(ResetChecks(world, a, b));
}

constexpr uint64_t kTransfer = 500'000;

std::byte ByteAt(uint64_t offset) {
  return static_cast<std::byte>(Mix64(offset / 8) >> (offset % 8 * 8));
}

/// Sends `size` bytes that say where they are.
Task<void> SendCounted(Env& env, std::string to, uint64_t size) {
  auto stream = co_await env.net.Connect(to, {.deadline = env.clock.Now() + seconds(30)});
  if (!stream) co_return;
  std::vector<std::byte> bytes(size);
  for (uint64_t i = 0; i < size; ++i) bytes[i] = ByteAt(i);
  const Bytes parts[] = {bytes};
  static_cast<void>(co_await (*stream)->Send(parts, {.deadline = env.clock.Now() + seconds(60)}));
}

/// Counts the bytes that came and those that were wrong.
Task<void> RecvCounted(Env& env, Listener& listener, uint64_t* right, uint64_t* wrong) {
  const Call call{.deadline = env.clock.Now() + seconds(120)};
  auto stream = co_await listener.Accept(call);
  std::vector<std::byte> buffer(50'000);
  for (uint64_t at = 0; stream;) {
    const auto size = co_await (*stream)->Recv(buffer, call);
    if (!size || *size == 0) co_return;
    for (uint64_t i = 0; i < *size; ++i) ++*(buffer[i] == ByteAt(at++) ? right : wrong);
  }
}

/// Cuts, heals and crashes at random.
Task<void> Meddle(World& world, Node& a, Node& b) {
  Env& env = world.env();
  for (int i = 0; i < 6; ++i) {
    static_cast<void>(co_await env.clock.Sleep(microseconds(1 + env.rng.Below(3000))));
    switch (env.rng.Below(4)) {
      case 0:
        world.net().Partition(a, b, env.rng.Below(2) == 0);
        break;
      case 1:
        world.net().Delay(a, b, milliseconds(env.rng.Below(50)));
        break;
      default:
        world.net().HealAll();
    }
  }
  if (env.rng.Below(3) == 0) a.Crash();
}

Task<void> TransferUnderFire(World& world, Node& a, Node& b, uint64_t* right, uint64_t* wrong) {
  auto listener = b.env().net.Listen("b:1").value();
  TaskGroup group(world.env().executor);
  group.Spawn(RecvCounted(b.env(), *listener, right, wrong));
  group.Spawn(SendCounted(a.env(), "b:1", kTransfer));
  group.Spawn(Meddle(world, a, b));
  co_await group.Join();
}

/// Slow enough that a transfer takes as long as the meddling.
WorldOptions SlowChaos(uint64_t seed) {
  WorldOptions options = WorldOptions::Chaos(seed);
  options.net.nic_bytes_per_second = 50'000'000;
  options.net.segment_bytes = 8 * kKiB;
  options.net.buffer_bytes = 64 * kKiB;
  options.net.faults.refuse = options.net.faults.blackhole = 0.1;
  return options;
}

Result<void> WhatComesIsAPrefix(World& world) {
  uint64_t right = 0, wrong = 0;
  world.Run(TransferUnderFire(world, world.AddNode("a"), world.AddNode("b"), &right, &wrong));
  if (wrong > 0) return Fail(Code::kCorrupt, "wrong bytes");
  if (right == kTransfer) world.faults().Of("whole").Fire();  // no fault, but counted like one
  return {};
}

TEST(SimNet, UnderAnyFaultWhatComesIsAPrefixOfWhatWasSent) {
  const SeedReport report = RunSeeds(
      "transfer", {.quick = 60, .ci = 300, .full = 3000},
      {.options = SlowChaos,
       .run = WhatComesIsAPrefix,
       .expected_faults = {"net.loss", "net.reset", "net.refuse", "net.blackhole", "net.partition",
                           "net.half_open", "net.backpressure", "node.power_loss", "whole"}});
  EXPECT_TRUE(report.ok());
}

}  // namespace
}  // namespace forebay::sim
