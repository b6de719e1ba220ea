// The door on real sockets, on both backends.
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/resource.h>

#include "src/base/test_tier.h"
#include "src/base/testing/counting_new.h"
#include "src/front/native/testing/door_world.h"
#include "src/platform/linux/test_loop.h"
#include "src/wire/read_messages.h"

namespace forebay {
namespace {

using wire::Connection;

class DoorOnBoth : public LoopTest {
 protected:
  std::string UnixAddress() const { return "unix:" + PathOf("node.sock"); }
};
INSTANTIATE_TEST_SUITE_P(Io, DoorOnBoth, testing::ValuesIn(kBothBackends), BackendTestName);

/// Reads random ranges of random objects and compares every byte.
Task<void> ReadRandomly(DoorWorld* world, uint64_t seed, int reads, int* good) {
  auto connection = (co_await world->Connect(world->env)).value();
  Prng prng(seed);
  const char* paths[] = {"/data/small", "/data/odd", "/data/big", "/data/empty"};
  std::vector<std::byte> into(2u << 20);
  for (int i = 0; i < reads; ++i) {
    const char* path = paths[prng.Below(4)];
    const std::string& bytes = world->script.objects[path].bytes;
    const uint64_t offset = prng.Below(bytes.size() + 1);
    const size_t size = 1 + prng.Below(into.size());
    const auto got = co_await connection->Get(path, offset, MutableBytes(into).first(size), {});
    const std::string_view expected = std::string_view(bytes).substr(offset, size);
    if (got && AsText(Bytes(into).first(got->size)) == expected) ++*good;
  }
  co_await connection->Close();
}

Task<void> SixtyFour(DoorWorld* world, int reads, int* good) {
  co_await world->Open();
  TaskGroup group(world->env.executor);
  for (uint64_t i = 0; i < 64; ++i) group.Spawn(ReadRandomly(world, i, reads, good));
  co_await group.Join();
  co_await world->Close();
}

TEST_P(DoorOnBoth, SixtyFourConnectionsGetExactBytes) {
  const int reads = ByTier(20, 100, 2000);
  for (const std::string& address : {std::string("127.0.0.1:0"), UnixAddress()}) {
    DoorWorld world(env());
    world.options.addresses = {address};
    int good = 0;
    loop_->Run(SixtyFour(&world, reads, &good));
    EXPECT_EQ(good, 64 * reads) << address;
  }
}

/// The same request again and again: from some moment on neither side allocates anything.
Task<void> WarmReads(DoorWorld* world, uint64_t* per_1000) {
  co_await world->Open();
  auto connection = (co_await world->Connect(world->env)).value();
  auto file = (co_await connection->Ask<wire::OpenAnswer>(
                   wire::OpenRequest{.path = "/data/big", .if_match = {}}, {}))
                  .value();
  std::vector<std::byte> into(1u << 20);
  uint64_t before = 0;
  for (int i = 0; i < 1100; ++i) {
    if (i == 100) before = allocations_of_all;
    const auto got = co_await connection->Read(file.value.handle, file.value.info.version,
                                               file.value.info.block_bytes, i % 2 * 4096, into, {});
    EXPECT_EQ(got.value_or(0), into.size());
  }
  *per_1000 = allocations_of_all - before;
  co_await connection->Close();
  co_await world->Close();
}

TEST_P(DoorOnBoth, AWarmReadOf1MiBAllocatesNothingOnEitherSide) {
  if (!kCountsAllocations) GTEST_SKIP() << "sanitizers allocate frames one by one";
  DoorWorld world(env());
  world.options.addresses = {"127.0.0.1:0"};
  uint64_t per_1000 = 0;
  loop_->Run(WarmReads(&world, &per_1000));
  EXPECT_EQ(per_1000, 0u);
}

Task<void> Tokens(DoorWorld* world) {
  co_await world->Open(kTokens);
  const auto without = co_await world->Connect(world->env);
  EXPECT_TRUE(!without && without.error().code() == Code::kUnauthenticated);
  auto good = co_await world->Connect(
      world->env, {.token = wire::Token{.name = "reader", .secret = std::string(32, '\xaa')}});
  EXPECT_TRUE(good.has_value()) << good.error().ToString();
  if (good) co_await (*good)->Close();
  co_await world->Close();
}

TEST_P(DoorOnBoth, TokensOverTcp) {
  DoorWorld world(env());
  world.options.addresses = {"127.0.0.1:0"};
  loop_->Run(Tokens(&world));
}

/// Connects and says nothing.
Task<void> Crowd(DoorWorld* world, size_t size, size_t* served) {
  co_await world->Open();
  std::vector<std::unique_ptr<Stream>> silent;
  for (size_t i = 0; i < size; ++i) {
    auto stream = co_await world->env.net.Connect(world->door->addresses().front(), {});
    if (!stream) break;
    silent.push_back(std::move(*stream));
    // One thread plays both sides: a full backlog would never be emptied.
    while (world->door->connections() < silent.size()) co_await Yield(world->env.executor);
  }
  auto connection = (co_await world->Connect(world->env)).value();
  std::vector<std::byte> into(4096);
  const auto got = co_await connection->Get("/data/small", 0, into, {});
  EXPECT_TRUE(got.has_value());
  *served = silent.size();
  EXPECT_EQ(world->door->connections(), silent.size() + 1);
  co_await connection->Close();
  silent.clear();
  co_await world->Close();
}

TEST_P(DoorOnBoth, ServesBesideACrowdThatSaysNothing) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const size_t wanted = 10'000;
  const size_t size = std::min<size_t>(wanted, limit.rlim_cur / 2 - 100);
  DoorWorld world(env());
  world.options.addresses = {UnixAddress()};
  world.options.handshake_timeout = std::chrono::hours(1);
  size_t served = 0;
  loop_->Run(Crowd(&world, size, &served));
  EXPECT_EQ(served, size);
  std::printf("note: a client was served beside %zu silent ones\n", served);
}

}  // namespace
}  // namespace forebay
