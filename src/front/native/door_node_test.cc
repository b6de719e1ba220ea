// The door before the real node, from the origin to the reader and back, in the simulator.
#include <gtest/gtest.h>

#include "src/front/native/door.h"
#include "src/node/foresee.h"
#include "src/node/testing/node_fixture.h"
#include "src/wire/admin_messages.h"
#include "src/wire/connection.h"
#include "src/wire/write_messages.h"

namespace forebay::node_testing {
namespace {

using namespace std::chrono_literals;
using wire::Connection;

constexpr uint64_t kSeed = 5;

class ServedNode : public NodeTest {
 protected:
  void SetUp() override {
    Open();
    Attach();
    NativeDoorOptions options;
    options.addresses = {"unix:/run/node.sock"};
    options.nonce_secret = std::string(32, 's');
    door_ = std::make_unique<NativeDoor>(env(), *node_, options);
    ASSERT_TRUE(door_->Start());
  }
  void TearDown() override {
    world_.Run(door_->Stop(1s));
    door_.reset();
    NodeTest::TearDown();
  }
  std::unique_ptr<NativeDoor> door_;
};

Task<std::unique_ptr<Connection>> MustConnect(Env& env) {
  auto connection = co_await Connection::Connect(env, "unix:/run/node.sock", {}, {});
  EXPECT_TRUE(connection.has_value()) << connection.error().ToString();
  co_return std::move(connection.value());
}

Task<void> ExpectGet(Connection* connection, std::string path, uint64_t seed, uint64_t offset,
                     size_t size) {
  std::vector<std::byte> into(size);
  const auto got = co_await connection->Get(path, offset, into, {});
  EXPECT_TRUE(got.has_value()) << path << ": " << got.error().ToString();
  if (!got) co_return;
  EXPECT_EQ(got->size, size);
  EXPECT_TRUE(IsContent(seed, offset, into)) << path << " at " << offset;
}

Task<void> ReadThrough(Env& env, MemoryOrigin& origin) {
  auto connection = co_await MustConnect(env);
  for (int round = 0; round < 2; ++round) {
    co_await ExpectGet(connection.get(), "/data/a", kSeed, 0, 4096);
    co_await ExpectGet(connection.get(), "/data/a", kSeed, 5 * kMiB, 17);
    co_await ExpectGet(connection.get(), "/data/a", kSeed, kMiB - 3, kMiB + 7);
    co_await ExpectGet(connection.get(), "/data/a", kSeed, 17, kMaxReadBytes);
  }
  std::byte one[1];
  const auto missing = co_await connection->Get("/data/none", 0, one, {});
  EXPECT_TRUE(!missing && missing.error().code() == Code::kNotFound);
  const auto bad = co_await connection->Get("/data/../x", 0, one, {});
  EXPECT_TRUE(!bad && bad.error().code() == Code::kInvalidArgument);

  // A new version: the old handle says so, a new name is asked for when it is no longer fresh.
  const auto file = co_await connection->Ask<wire::OpenAnswer>(
      wire::OpenRequest{.path = "/data/a", .if_match = {}}, {});
  EXPECT_TRUE(file.has_value());
  if (!file) co_return;
  origin.Set("a", kSeed + 1, 6 * kMiB);
  std::ignore = co_await env.clock.Sleep(61s);
  co_await ExpectGet(connection.get(), "/data/a", kSeed + 1, 0, 3 * kMiB);
  std::vector<std::byte> into(kMiB);
  const auto old = co_await connection->Read(file->value.handle, file->value.info.version,
                                             file->value.info.block_bytes, 0, into, {});
  EXPECT_TRUE(old ? IsContent(kSeed, 0, into) : old.error().code() == Code::kVersionChanged);
  co_await connection->Close();
}

TEST_F(ServedNode, GivesTheBytesOfTheOrigin) {
  origin_.Set("a", kSeed, 5 * kMiB + 17);
  world_.Run(ReadThrough(env(), origin_));
}

/// What the node knows of a name is fresh enough and old, and none of the bytes are in memory.
Task<void> Overtaken(Env& env, MemoryOrigin& origin) {
  auto connection = co_await MustConnect(env);
  co_await ExpectGet(connection.get(), "/data/a", kSeed, 0, 1000);
  origin.Set("a", kSeed + 1, 5 * kMiB);
  co_await ExpectGet(connection.get(), "/data/a", kSeed + 1, 4 * kMiB, 1000);
  origin.Set("a", kSeed + 2, 5 * kMiB);
  std::vector<std::byte> into(1000);
  std::vector<wire::GetSlot> slots = {{.path = "/data/a", .offset = 2 * kMiB, .into = into}};
  EXPECT_TRUE(co_await connection->GetMany(slots, {}));
  EXPECT_TRUE(slots[0].size) << slots[0].size.error().ToString();
  EXPECT_TRUE(IsContent(kSeed + 2, 2 * kMiB, into));
  co_await connection->Close();
}

TEST_F(ServedNode, AGetOfANameThatTurnsOutToBeOldGivesWhatIsThereNow) {
  origin_.Set("a", kSeed, 5 * kMiB);
  world_.Run(Overtaken(env(), origin_));
}

Task<void> SixtyFour(Env& env) {
  std::vector<std::unique_ptr<Connection>> connections;
  for (int i = 0; i < 64; ++i) connections.push_back(co_await MustConnect(env));
  TaskGroup group(env.executor);
  for (auto& connection : connections) {
    group.Spawn(ExpectGet(connection.get(), "/data/cold", kSeed, 0, 3 * kMiB));
  }
  co_await group.Join();
  co_await ExpectGet(connections[0].get(), "/data/cold", kSeed, 5, 1000);
  for (auto& connection : connections) co_await connection->Close();
}

TEST_F(ServedNode, SixtyFourReadersOfAColdObjectCostTheOriginEachByteOnce) {
  origin_.Set("cold", kSeed, 3 * kMiB);
  world_.Run(SixtyFour(env()));
  EXPECT_EQ(origin_.bytes_given, 3 * kMiB);
  // The origin takes 5 ms, memory no time.
  const LatencyHistogram& latency = node_->counters().read.latency;
  uint64_t slow = 0;
  for (size_t i = 1; i < LatencyHistogram::kBuckets; ++i) {
    if (LatencyHistogram::kBoundsNs[i - 1] >= 3'000'000) slow += latency.count(i);
  }
  EXPECT_EQ(slow, 64u);
  EXPECT_EQ(latency.count(0), 1u);
  EXPECT_GT(latency.sum_ns(), 64u * 5'000'000);
}

constexpr uint64_t kSmallObjects = 40;

std::string SmallPath(uint64_t n) {
  return "/data/small" + std::to_string(n % kSmallObjects);
}

/// Asks for one object and goes away, before its answer or behind it.
Task<void> AsksAndLeaves(Env* env, Duration after) {
  const auto connection = co_await MustConnect(*env);
  TaskGroup group(env->executor);
  std::byte one[1];
  const auto ask = [](Connection* of, std::span<std::byte> into) -> Task<void> {
    std::ignore = co_await of->Get("/data/small0", 0, into, {});
  };
  group.Spawn(ask(connection.get(), one));
  std::ignore = co_await env->clock.Sleep(after);
  co_await connection->Close();
  co_await group.Join();
}

/// More connections than are foreseen at a time, one get each, several times over.
Task<void> ManyAskForOne(Env& env) {
  std::vector<std::unique_ptr<Connection>> connections;
  for (size_t i = 0; i < 2 * kMaxComingGets + 7; ++i) {
    connections.push_back(co_await MustConnect(env));
  }
  for (int round = 0; round < 4; ++round) {
    TaskGroup group(env.executor);
    for (size_t i = 0; i < connections.size(); ++i) {
      const uint64_t n = (i * 7 + static_cast<uint64_t>(round)) % kSmallObjects;
      group.Spawn(ExpectGet(connections[i].get(), SmallPath(n), n, 0, 4096));
      if (i % 16 == 0) group.Spawn(AsksAndLeaves(&env, std::chrono::microseconds(i)));
    }
    co_await group.Join();
  }
  // One that comes alone, again and again, and then not alone any more.
  for (uint64_t n = 0; n < 50; ++n) {
    co_await ExpectGet(connections[0].get(), SmallPath(n), n % kSmallObjects, 0, 4096);
  }
  TaskGroup group(env.executor);
  for (size_t i = 0; i < 3; ++i) {
    group.Spawn(ExpectGet(connections[i].get(), SmallPath(i), i, 0, 4096));
  }
  co_await group.Join();
  for (auto& connection : connections) co_await connection->Close();
}

TEST_F(ServedNode, GetsOfManyConnectionsAreAnsweredEachByItsOwn) {
  for (uint64_t n = 0; n < kSmallObjects; ++n) {
    origin_.Set(SmallPath(n).substr(6), n, 4096);
  }
  world_.Run(ManyAskForOne(env()));
}

Task<void> WriteThrough(Env& env) {
  auto connection = co_await MustConnect(env);
  std::vector<std::byte> bytes(2 * kMiB);
  FillContent(9, 0, bytes);
  const auto begun = co_await connection->Ask<wire::UploadAnswer>(
      wire::PutBeginRequest{.condition = {.if_match = {}}, .path = "/data/new"}, {});
  EXPECT_TRUE(begun.has_value());
  for (size_t at = 0; at < bytes.size(); at += kMiB) {
    const Bytes data = Bytes(bytes).subspan(at, kMiB);
    EXPECT_TRUE(co_await connection->Ask<wire::Empty>(
        wire::PutDataRequest{
            .upload = begun->value.upload, .crc = wire::FrameCrc(data), .offset = at},
        {}, data));
  }
  const auto put = co_await connection->Ask<wire::PutAnswer>(
      wire::PutCommitRequest{.upload = begun->value.upload, .size = bytes.size()}, {});
  EXPECT_TRUE(put && put->value.size == bytes.size());
  // Seen at once. The origin's double keeps the first word only, and makes the bytes of it.
  const auto seed = LoadFrom<uint64_t>(bytes.data());
  co_await ExpectGet(connection.get(), "/data/new", seed, 0, bytes.size());
  EXPECT_TRUE(co_await connection->Ask<wire::Empty>(
      wire::DeleteRequest{.condition = {.if_match = {}}, .path = "/data/new"}, {}));
  const auto gone =
      co_await connection->Ask<wire::StatAnswer>(wire::StatRequest{.path = "/data/new"}, {});
  EXPECT_TRUE(!gone && gone.error().code() == Code::kNotFound);
  co_await connection->Close();
}

TEST_F(ServedNode, WritesThroughAndSeesItAtOnce) {
  world_.Run(WriteThrough(env()));
}

Task<void> Cancels(Env& env, MemoryOrigin& origin) {
  auto connection = co_await MustConnect(env);
  origin.hang = true;
  std::byte one[1];
  const auto late = co_await connection->Get("/data/a", 0, one, {.deadline = env.clock.Now() + 1s});
  EXPECT_TRUE(!late && late.error().code() == Code::kDeadlineExceeded);
  origin.hang = false;
  co_await ExpectGet(connection.get(), "/data/a", kSeed, 0, 100);
  co_await connection->Close();
}

TEST_F(ServedNode, AHangingOriginHoldsNobodyPastHisDeadline) {
  origin_.Set("a", kSeed, kMiB);
  world_.Run(Cancels(env(), origin_));
}

}  // namespace
}  // namespace forebay::node_testing
