// Thousands of nodes in one world: what they cost.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "sim/sim_network.h"
#include "sim/world.h"
#include "src/runtime/task_group.h"

namespace forebay::sim {
namespace {

constexpr int kNodes = 5000;
constexpr int kRounds = 10;

uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

Task<void> Echo(std::unique_ptr<Listener> listener) {
  auto stream = co_await listener->Accept({});
  std::byte buffer[64];
  while (stream) {
    const auto size = co_await (*stream)->Recv(buffer, {});
    if (!size || *size == 0) co_return;
    const Bytes parts[] = {Bytes(buffer, *size)};
    if (!co_await (*stream)->Send(parts, {})) co_return;
  }
}

Task<void> Ask(Env& env, int peer, uint64_t* answers) {
  auto stream = co_await env.net.Connect(fmt::format("n{}:7400", peer), {});
  EXPECT_TRUE(stream);
  for (int round = 0; round < kRounds && stream; ++round) {
    std::byte message[1] = {std::byte(round)};
    const Bytes parts[] = {message};
    EXPECT_TRUE(co_await (*stream)->Send(parts, {}));
    std::byte answer[1] = {};
    EXPECT_TRUE(co_await (*stream)->Recv(answer, {}));
    *answers += answer[0] == message[0] ? 1 : 0;
  }
}

Task<void> Everybody(World& world, uint64_t* answers, uint64_t* peak_connections) {
  TaskGroup group(world.env().executor);
  for (int i = 0; i < kNodes; ++i) {
    Env& env = world.FindNode(fmt::format("n{}", i))->env();
    group.Spawn(Echo(env.net.Listen("0.0.0.0:7400").value()));
    group.Spawn(Ask(env, (i + 1) % kNodes, answers));
  }
  EXPECT_TRUE(co_await world.env().clock.Sleep(microseconds(300)));
  *peak_connections = world.net().connections();
  co_await group.Join();
}

TEST(Scale, FiveThousandNodesExchangeMessages) {
  const uint64_t before = ResidentBytes();
  // tidy: allow wall-clock: the figure printed below is of the simulator itself
  const auto start = std::chrono::steady_clock::now();
  World world(1);
  for (int i = 0; i < kNodes; ++i) world.AddNode(fmt::format("n{}", i));
  const uint64_t idle = ResidentBytes() - before;
  uint64_t answers = 0, peak_connections = 0;
  world.Run(Everybody(world, &answers, &peak_connections));
  const uint64_t busy = ResidentBytes() - before;
  // tidy: allow wall-clock: as above
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  fmt::print("{} nodes: {} bytes of RSS a node idle, {} after {} messages; {:.0f} events/s\n",
             kNodes, idle / kNodes, busy / kNodes, 2 * answers,
             static_cast<double>(world.events()) / took.count());
  EXPECT_EQ(answers, static_cast<uint64_t>(kNodes) * kRounds);
  EXPECT_LE(peak_connections, static_cast<uint64_t>(kNodes));
  EXPECT_EQ(world.net().connections(), 0u);
  EXPECT_LT(busy / kNodes, 64u * 1024);  // far above what it takes, far below anything quadratic
}

}  // namespace
}  // namespace forebay::sim
