// Clients that read, write, give up and come again while the network loses, breaks and stalls: what
// they get is right or an error, and the door is empty in the end.
#include <gtest/gtest.h>

#include "sim/seeds.h"
#include "sim/sim_network.h"
#include "src/front/native/testing/door_world.h"
#include "src/wire/write_messages.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;
using wire::Connection;

struct Tally {
  int good = 0;
  int failed = 0;
  std::string wrong;  // the first that must not be
};

struct Client {
  Env& env;
  DoorWorld& door;
  Prng prng;
  Tally tally;
  std::unique_ptr<Connection> connection;

  void Note(bool right, std::string_view what) {
    ++tally.good;
    if (!right && tally.wrong.empty()) tally.wrong = what;
  }
};

constexpr std::string_view kPaths[] = {"/data/small", "/data/odd", "/data/big", "/data/empty"};

Task<void> GetOne(Client& client, Call call) {
  const std::string path(kPaths[client.prng.Below(4)]);
  const std::string& bytes = client.door.script.objects[path].bytes;
  const uint64_t offset = client.prng.Below(bytes.size() + 1);
  std::string into(1 + client.prng.Below(100'000), '?');
  const auto got =
      co_await client.connection->Get(path, offset, std::as_writable_bytes(std::span(into)), call);
  if (!got) co_return;
  client.Note(into.substr(0, got->size) == bytes.substr(offset, into.size()), "get " + path);
}

Task<void> GetSome(Client& client, Call call) {
  std::string into[4];
  std::vector<wire::GetSlot> slots;
  for (size_t i = 0; i < 4; ++i) {
    into[i].resize(50'000);
    slots.push_back({.path = kPaths[i], .into = std::as_writable_bytes(std::span(into[i]))});
  }
  if (!co_await client.connection->GetMany(slots, call)) co_return;
  for (size_t i = 0; i < 4; ++i) {
    if (!slots[i].size) continue;
    const std::string& bytes = client.door.script.objects[std::string(kPaths[i])].bytes;
    client.Note(into[i].substr(0, *slots[i].size) == bytes.substr(0, 50'000), "get many");
  }
}

Task<void> PutOne(Client& client, Call call) {
  const std::string bytes = PatternBytes(client.prng.Below(20'000), client.prng.Next());
  const std::string path = "/data/new" + std::to_string(client.prng.Below(5));
  const auto put = co_await client.connection->Ask<wire::PutAnswer>(
      wire::PutRequest{
          .crc = wire::FrameCrc(AsBytes(bytes)), .condition = {.if_match = {}}, .path = path},
      call, AsBytes(bytes));
  if (put) client.Note(put->value.size == bytes.size(), "put");
}

Task<void> LeaveUpload(Client& client, Call call) {
  const auto begun = co_await client.connection->Ask<wire::UploadAnswer>(
      wire::PutBeginRequest{.condition = {.if_match = {}}, .path = "/data/left"}, call);
  if (!begun) co_return;
  const std::string bytes = PatternBytes(10'000, 5);
  const auto sent = co_await client.connection->Ask<wire::Empty>(
      wire::PutDataRequest{
          .upload = begun->value.upload, .crc = wire::FrameCrc(AsBytes(bytes)), .offset = 0},
      call, AsBytes(bytes));
  if (sent) client.Note(true, "");
}

Task<void> OneOf(Client& client, Call call) {
  switch (client.prng.Below(6)) {
    case 0:
      return GetSome(client, call);
    case 1:
      return PutOne(client, call);
    case 2:
      return LeaveUpload(client, call);
    default:
      return GetOne(client, call);
  }
}

/// Several at once, some with a deadline, some given up.
Task<void> Burst(Client& client) {
  CancelSource given_up;
  TaskGroup group(client.env.executor);
  const uint64_t requests = 1 + client.prng.Below(6);
  for (uint64_t i = 0; i < requests; ++i) {
    // The last resort: a network that swallows everything must not hold the test.
    Call call{.deadline = client.env.clock.Now() + 60s};
    if (client.prng.OneIn(4)) call.deadline = client.env.clock.Now() + 3ms;
    if (client.prng.OneIn(3)) call.cancel = given_up.token();
    group.Spawn(OneOf(client, call));
  }
  std::ignore = co_await client.env.clock.Sleep(Duration(client.prng.Below(4'000'000)));
  given_up.Cancel();
  co_await group.Join();
}

Task<void> Live(Client* client, int bursts) {
  for (int i = 0; i < bursts; ++i) {
    if (!client->connection || client->connection->broken()) {
      if (client->connection) co_await client->connection->Close();
      client->connection.reset();
      auto connected =
          co_await Connection::Connect(client->env, client->door.door->addresses().front(), {},
                                       {.deadline = client->env.clock.Now() + 20s});
      if (!connected) {
        ++client->tally.failed;
        continue;
      }
      client->connection = std::move(*connected);
    }
    co_await Burst(*client);
    if (client->prng.OneIn(10)) {
      co_await client->connection->Close();
      client->connection.reset();
    }
  }
  if (client->connection) co_await client->connection->Close();
}

Task<void> LiveAll(sim::World* world, DoorWorld* door, std::vector<std::unique_ptr<Client>>* all) {
  co_await door->Open();
  TaskGroup group(world->env().executor);
  for (auto& client : *all) group.Spawn(Live(client.get(), 15));
  co_await group.Join();
  co_await door->Close();
}

Result<void> Scenario(sim::World& world) {
  sim::Node& server = world.AddNode("server");
  DoorWorld door(server.env());
  Prng prng(world.seed());
  door.script.delay = Duration(prng.Below(2'000'000));
  door.script.always_slow = prng.OneIn(3);
  door.options.addresses = {"server:7400"};
  door.options.is_loopback = [](std::string_view) { return true; };
  door.options.max_queued_bytes = 200'000;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 4; ++i) {
    sim::Node& node = world.AddNode("client" + std::to_string(i));
    clients.push_back(std::make_unique<Client>(node.env(), door, Prng(prng.Next())));
  }
  world.Run(LiveAll(&world, &door, &clients));
  int good = 0;
  for (const auto& client : clients) {
    if (!client->tally.wrong.empty()) return Fail(Code::kCorrupt, client->tally.wrong);
    good += client->tally.good;
  }
  if (good == 0) return Fail(Code::kInternal, "nothing ever succeeded");
  return {};
}

sim::WorldOptions BadNetwork(uint64_t seed) {
  sim::WorldOptions options;
  options.net = sim::WorldOptions::Chaos(seed).net;
  // Frames are cut anywhere, and answers wait for room.
  options.net.segment_bytes = 200 + Prng(seed).Below(20'000);
  options.net.buffer_bytes = 48'000;
  // Enough of it to be met, and so little that something succeeds.
  options.net.faults.reset = std::min(options.net.faults.reset, 0.003);
  options.net.faults.loss = std::min(options.net.faults.loss, 0.02);
  return options;
}

TEST(DoorSeeds, BytesAreRightOrAnErrorOverABadNetwork) {
  EXPECT_TRUE(sim::RunSeeds("native_door", {.quick = 30, .ci = 300, .full = 3000},
                            {.options = BadNetwork,
                             .run = Scenario,
                             .expected_faults = {"net.reset", "net.loss", "net.backpressure"}})
                  .ok());
}

}  // namespace
}  // namespace forebay
