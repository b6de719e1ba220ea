#include "src/registry/embedded/embedded_registry.h"

#include <fmt/format.h>

#include "sim/seeds.h"
#include "sim/sim_device.h"
#include "src/registry/testing/registry_contract.h"

namespace forebay {
namespace {

constexpr const char* kDirectory = "/data/registry";

class SimHarness final : public RegistryHarness {
 public:
  SimHarness() { Reopen(); }
  Env& env() override { return node_.env(); }
  Registry& registry() override { return *registry_; }
  void Run(Task<void> main) override { world_.Run(std::move(main)); }
  void Reopen() override {
    registry_.reset();
    auto opened = world_.Run(EmbeddedRegistry::Open(env(), kDirectory));
    ASSERT_TRUE(opened) << opened.error().ToString();
    registry_ = std::move(*opened);
  }

 private:
  sim::World world_{1};
  sim::Node& node_ = world_.AddNode("n");
  std::unique_ptr<EmbeddedRegistry> registry_;
};

INSTANTIATE_TEST_SUITE_P(Embedded, RegistryContract,
                         testing::Values([]() -> std::unique_ptr<RegistryHarness> {
                           return std::make_unique<SimHarness>();
                         }));

class EmbeddedRegistryTest : public testing::Test {
 protected:
  std::unique_ptr<EmbeddedRegistry> Open() {
    auto opened = world_.Run(EmbeddedRegistry::Open(node_.env(), kDirectory));
    EXPECT_TRUE(opened) << opened.error().ToString();
    return opened ? std::move(*opened) : nullptr;
  }
  Error OpenFails() {
    auto opened = world_.Run(EmbeddedRegistry::Open(node_.env(), kDirectory));
    EXPECT_FALSE(opened.has_value());
    return opened ? Error(Code::kInternal, "") : opened.error();
  }
  Result<Revision> Put(Registry& registry, std::string key, std::string value) {
    return world_.Run(registry.Put(std::move(key), std::move(value), {}, 0, {}));
  }
  sim::World world_{1};
  sim::Node& node_ = world_.AddNode("n");
};

TEST_F(EmbeddedRegistryTest, ADirectoryInUseIsRefusedByName) {
  const auto first = Open();
  const Error error = OpenFails();
  EXPECT_EQ(error.code(), Code::kInUse);
  EXPECT_NE(error.message().find(kDirectory), std::string::npos) << error.message();
}

TEST_F(EmbeddedRegistryTest, ARottenFileIsRefusedAndLeftAlone) {
  ASSERT_TRUE(Put(*Open(), "key", "value"));
  const std::string path = std::string(kDirectory) + "/registry";
  const uint64_t size = world_.Run(node_.env().disk.Stat(path))->size_bytes;
  for (uint64_t offset = 0; offset < size; ++offset) {
    node_.disk().FlipBit(path, offset, 3);
    const Error error = OpenFails();
    EXPECT_TRUE(error.code() == Code::kCorrupt || error.code() == Code::kUnsupported) << offset;
    EXPECT_NE(error.message().find(path), std::string::npos) << error.message();
    node_.disk().FlipBit(path, offset, 3);
  }
  EXPECT_TRUE(Open() != nullptr);
}

TEST_F(EmbeddedRegistryTest, SizesAreBounded) {
  const auto registry = Open();
  const auto code = [&](size_t key, size_t value) {
    const auto put = Put(*registry, std::string(key, 'k'), std::string(value, 'v'));
    return put ? Code::kInternal : put.error().code();
  };
  EXPECT_EQ(code(kMaxRegistryKeyBytes + 1, 1), Code::kInvalidArgument);
  EXPECT_EQ(code(1, kMaxRegistryValueBytes + 1), Code::kInvalidArgument);
  Result<Revision> put = 0;
  size_t values = 0;
  for (; put && values < 100; ++values) {
    put = Put(*registry, fmt::format("{}", values), std::string(kMaxRegistryValueBytes, 'v'));
  }
  ASSERT_FALSE(put.has_value());
  EXPECT_EQ(put.error().code(), Code::kNoSpace);
  EXPECT_EQ(values, kMaxRegistryBytes / kMaxRegistryValueBytes);
  // What did not fit left no trace.
  EXPECT_EQ(world_.Run(registry->List("", {}))->entries.size(), values - 1);
}

TEST_F(EmbeddedRegistryTest, AWatchThatFallsBehindIsTold) {
  const auto registry = Open();
  const auto watch = *world_.Run(registry->Watch("", 0, {}));
  const auto fresh = *world_.Run(registry->Watch("none", 0, {}));
  for (size_t i = 0; i <= kMaxRegistryHistory; ++i) {
    ASSERT_TRUE(Put(*registry, "key", std::to_string(i)));
  }
  const auto missed = world_.Run(watch->Next({}));
  ASSERT_FALSE(missed.has_value());
  EXPECT_EQ(missed.error().code(), Code::kCorrupt);
  // So is one of a former life, and one that was never right.
  for (const Revision since : {Revision{0}, Revision{1} << 40}) {
    const auto old = *world_.Run(registry->Watch("", since, {}));
    EXPECT_EQ(world_.Run(old->Next({})).error().code(), Code::kCorrupt);
  }
}

TEST_F(EmbeddedRegistryTest, AChangeThatCouldNotBeWrittenDidNotHappen) {
  const auto registry = Open();
  ASSERT_TRUE(Put(*registry, "key", "old"));
  node_.disk().FailNextWrite();
  EXPECT_FALSE(Put(*registry, "key", "new"));
  EXPECT_EQ(world_.Run(registry->Get("key", {})).value()->value, "old");
  node_.disk().FailNextSync();
  EXPECT_FALSE(Put(*registry, "key", "new"));
  ASSERT_TRUE(Put(*registry, "key", "newer"));
  EXPECT_EQ(world_.Run(registry->Get("key", {})).value()->value, "newer");
}

// -- Power cuts at random moments.

struct Written {
  int64_t acknowledged = 0;  // the last number that a writer was promised
  int64_t tried = 0;         // the last that it asked for
};

Task<void> WriteUntilDead(Env& env, Registry& registry, std::string key, Written* written) {
  for (;;) {
    ++written->tried;
    const auto put = co_await registry.Put(key, std::to_string(written->tried), {}, 0, {});
    if (put) written->acknowledged = written->tried;
    if (!put && put.error().code() == Code::kCancelled) co_return;
    const auto pause = std::chrono::microseconds(env.rng.Below(3000));
    if (!co_await env.clock.Sleep(pause)) co_return;
  }
}

Task<void> CrashSoon(sim::World& world, sim::Node& node, uint64_t within_us) {
  (void)co_await world.env().clock.Sleep(
      std::chrono::microseconds(world.chance().Below(within_us)));
  node.Crash();
}

constexpr int kWriters = 3;
constexpr int kLives = 6;

Task<Result<std::unique_ptr<EmbeddedRegistry>>> OneLife(sim::World& world, sim::Node& node,
                                                        Written* written) {
  TaskGroup group(world.env().executor);
  group.Spawn(CrashSoon(world, node, world.chance().OneIn(4) ? 4000 : 60'000));
  auto opened = co_await EmbeddedRegistry::Open(node.env(), kDirectory);
  if (opened) {
    for (int i = 0; i < kWriters; ++i) {
      group.Spawn(WriteUntilDead(node.env(), **opened, fmt::format("k{}", i), &written[i]));
    }
  }
  co_await group.Join();
  co_return opened;
}

Result<void> CheckLeft(const RegistrySnapshot& left, const Written* written) {
  Revision sum = 0;
  for (int i = 0; i < kWriters; ++i) {
    int64_t found = 0;
    for (const RegistryEntry& entry : left.entries) {
      if (entry.key == fmt::format("k{}", i)) found = std::stoll(entry.value);
      sum = std::max(sum, entry.modified);
    }
    if (found < written[i].acknowledged || found > written[i].tried) {
      return Fail(Code::kInternal, fmt::format("k{} is {}, acknowledged {}, tried {}", i, found,
                                               written[i].acknowledged, written[i].tried));
    }
  }
  if (sum != left.revision) return Fail(Code::kInternal, "the revision is no entry's");
  return {};
}

Result<void> CrashScenario(sim::World& world) {
  sim::Node& node = world.AddNode("n");
  Written written[kWriters];
  for (int life = 0; life < kLives; ++life) {
    (void)world.Run(OneLife(world, node, written));
    node.Restart();
    auto opened = world.Run(EmbeddedRegistry::Open(node.env(), kDirectory));
    if (!opened) return Fail(opened.error());
    const auto left = world.Run((*opened)->List("", {}));
    if (!left) return Fail(left.error());
    FB_TRY(CheckLeft(*left, written));
    // The numbers go on from what is there, so that a later life's are never lower.
    for (Written& w : written) w.acknowledged = 0;
    for (const RegistryEntry& entry : left->entries) {
      written[entry.key[1] - '0'].acknowledged = std::stoll(entry.value);
    }
  }
  return {};
}

TEST(RegistryCrash, APowerCutLeavesTheStateBeforeOrAfter) {
  const auto report =
      sim::RunSeeds("registry crash", {.quick = 50, .ci = 1000, .full = 20'000},
                    {.run = CrashScenario,
                     .expected_faults = {"node.power_loss", "disk.lost_name", "disk.lost_write"}});
  EXPECT_TRUE(report.ok());
}

}  // namespace
}  // namespace forebay
