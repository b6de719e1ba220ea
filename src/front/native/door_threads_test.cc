// The door on several loops before the real node, on real sockets: what clients do at the same time
// on all of them. The thread sanitizer is the judge of most of it.
#include <gtest/gtest.h>

#include <numeric>

#include "src/base/prng.h"
#include "src/base/test_tier.h"
#include "src/base/units.h"
#include "src/front/native/door.h"
#include "src/node/testing/node_fixture.h"
#include "src/platform/linux/loop_threads.h"
#include "src/platform/linux/test_loop.h"
#include "src/runtime/run_on.h"
#include "src/wire/admin_messages.h"
#include "src/wire/connection.h"
#include "src/wire/write_messages.h"

namespace forebay::node_testing {
namespace {

using namespace std::chrono_literals;
using wire::Connection;

constexpr size_t kFurtherLoops = 3;
constexpr size_t kClientLoops = 2;
constexpr uint64_t kLargeBytes = 3 * kMiB + 17;
constexpr uint64_t kSmallBytes = 6'000;
constexpr int kLarge = 8;
constexpr int kSmall = 100;
const std::string kTokens = "all " + std::string(64, 'a') + " *:rwla\n";

class DoorOnLoops : public LoopTest {
 protected:
  void SetUp() override {
    LoopTest::SetUp();
    if (loop_ == nullptr) return;
    further_ = std::move(LoopThreads::Start(kFurtherLoops, {.io = GetParam()}).value());
    clients_ = std::move(LoopThreads::Start(kClientLoops, {.io = GetParam()}).value());
    options_.addresses = {"127.0.0.1:0", "unix:" + PathOf("node.sock")};
    options_.nonce_secret = std::string(32, 's');
    for (int i = 0; i < kLarge; ++i)
      origin_.Set("l" + std::to_string(i), LargeSeed(i), kLargeBytes);
    for (int i = 0; i < kSmall; ++i)
      origin_.Set("s" + std::to_string(i), SmallSeed(i), kSmallBytes);
    origin_.behaviour.latency = 200us;
  }
  void Open() {
    gate_ = std::move(*Gate::Create({.token_file_text = kTokens}));
    registry_ = std::make_unique<MemoryRegistry>(env(), registry_state_);
    NodeOptions options;
    options.store.dram.capacity_bytes = 20 * kMiB;  // less than there is, so that some is missed
    options.metadata_bytes = 4 * kMiB;
    const auto origins = [this](const AttachmentConfig&) -> Result<std::unique_ptr<Origin>> {
      return std::make_unique<SharedOrigin>(origin_);
    };
    node_ = std::move(loop_->Run(Node::Open(env(), options, *gate_, *registry_, origins)).value());
    const AttachmentConfig config{.name = "data", .origin = "memory://test"};
    ASSERT_TRUE(loop_->Run(node_->Attach(gate_->AdmitSelf(), config, {})));
    door_ = std::make_unique<NativeDoor>(env(), *node_, options_, further_->envs());
    ASSERT_TRUE(door_->Start());
  }
  void TearDown() override {
    if (door_ != nullptr) loop_->Run(door_->Stop(1s));
    door_.reset();
    if (node_ != nullptr) loop_->Run(node_->Close(1s));
    node_.reset();
    registry_.reset();
    clients_.reset();
    further_.reset();
    LoopTest::TearDown();
  }
  std::string tcp() const { return door_->addresses().front(); }

  static uint64_t LargeSeed(uint64_t i) { return 1000 + i; }
  static uint64_t SmallSeed(uint64_t i) { return 5000 + i; }

  std::unique_ptr<LoopThreads> further_;
  std::unique_ptr<LoopThreads> clients_;
  NativeDoorOptions options_;
  MemoryOrigin origin_;
  RegistryState registry_state_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<MemoryRegistry> registry_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<NativeDoor> door_;
};
INSTANTIATE_TEST_SUITE_P(Io, DoorOnLoops, testing::ValuesIn(kBothBackends), BackendTestName);

Task<Result<std::unique_ptr<Connection>>> Dial(Env* env, std::string address) {
  return Connection::Connect(
      *env, std::move(address),
      {.token = wire::Token{.name = "all", .secret = std::string(32, '\xaa')}}, {});
}

bool IsOneOf(const Error& error, std::initializer_list<Code> codes) {
  return std::ranges::find(codes, error.code()) != codes.end();
}

/// Somebody who does everything that one can do, at random, and compares every byte.
class Somebody {
 public:
  Somebody(Env& env, std::string address, uint64_t number)
      : env_(env), address_(std::move(address)), number_(number), prng_(number) {}

  Task<void> Do(int steps) {
    co_await Connect();
    for (int i = 0; i < steps && connection_ != nullptr; ++i) co_await Step();
    if (connection_ != nullptr) co_await connection_->Close();
    connection_.reset();  // on its own loop, which may hear of its socket until then
  }
  uint64_t connects() const { return connects_; }

 private:
  Task<void> Connect() {
    auto made = co_await Dial(&env_, address_);
    EXPECT_TRUE(made) << made.error().ToString();
    connection_ = made ? std::move(*made) : nullptr;
    ++connects_;
  }

  Task<void> Step() {
    switch (prng_.Below(20)) {
      case 0:
        return OpensAndReads();
      case 1:
        return GetsMany();
      case 2:
        return Puts();
      case 3:
        return Streams();
      case 4:
        return LeavesAnUpload();
      case 5:
        return ComesTooLate();
      case 6:
        return ChangesItsMind();
      case 7:
        return Breaks();
      case 8:
        return Asks();
      case 9:
        return number_ == 0 ? AttachesAndDetaches() : LooksAtOther();
      case 10:
      case 11:
      case 12:
        return GetsLarge({});
      default:
        return GetsSmall();
    }
  }

  Task<void> GetsSmall() {
    const uint64_t i = prng_.Below(kSmall), offset = prng_.Below(kSmallBytes);
    co_await Gets("/data/s" + std::to_string(i), 5000 + i, offset, 4096, kSmallBytes, {}, {});
  }
  Task<void> GetsLarge(Call call, std::initializer_list<Code> may_fail = {}) {
    const uint64_t i = prng_.Below(kLarge), offset = prng_.Below(kLargeBytes);
    return Gets("/data/l" + std::to_string(i), 1000 + i, offset, 1 + prng_.Below(2 * kMiB),
                kLargeBytes, call, may_fail);
  }
  Task<void> Gets(std::string path, uint64_t seed, uint64_t offset, size_t size, uint64_t all,
                  Call call, std::vector<Code> may_fail) {
    std::vector<std::byte> into(size);
    const auto got = co_await connection_->Get(path, offset, into, call);
    if (!got) {
      EXPECT_NE(std::ranges::find(may_fail, got.error().code()), may_fail.end())
          << path << ": " << got.error().ToString();
      co_return;
    }
    EXPECT_EQ(got->size, std::min<uint64_t>(size, all - offset));
    EXPECT_TRUE(IsContent(seed, offset, Bytes(into).first(got->size))) << path << " " << offset;
  }

  Task<void> OpensAndReads() {
    const uint64_t i = prng_.Below(kLarge);
    const std::string path = "/data/l" + std::to_string(i);
    const auto file = co_await connection_->Ask<wire::OpenAnswer>(
        wire::OpenRequest{.path = path, .if_match = {}}, {});
    EXPECT_TRUE(file) << file.error().ToString();
    if (!file) co_return;
    std::vector<std::byte> into(300'000);
    for (uint64_t at = 0; at < kLargeBytes; at += into.size()) {
      const auto got = co_await connection_->Read(file->value.handle, file->value.info.version,
                                                  file->value.info.block_bytes, at, into, {});
      EXPECT_TRUE(got) << got.error().ToString();
      if (!got) co_return;
      EXPECT_TRUE(IsContent(1000 + i, at, Bytes(into).first(*got)));
    }
    connection_->CloseHandle(file->value.handle);
  }

  Task<void> GetsMany() {
    std::vector<std::string> paths;
    std::vector<std::vector<std::byte>> into(16, std::vector<std::byte>(kSmallBytes));
    std::vector<uint64_t> numbers;
    for (size_t i = 0; i < into.size(); ++i) {
      numbers.push_back(prng_.Below(kSmall));
      paths.push_back("/data/s" + std::to_string(numbers.back()));
    }
    std::vector<wire::GetSlot> slots;
    for (size_t i = 0; i < into.size(); ++i) {
      slots.push_back({.path = paths[i], .into = into[i]});
    }
    const auto done = co_await connection_->GetMany(slots, {});
    EXPECT_TRUE(done) << done.error().ToString();
    for (size_t i = 0; done && i < slots.size(); ++i) {
      EXPECT_EQ(slots[i].size.value_or(0), kSmallBytes);
      EXPECT_TRUE(IsContent(5000 + numbers[i], 0, into[i]));
    }
  }

  std::string OwnPath() const { return "/data/w" + std::to_string(number_); }

  Task<void> Puts() {
    const uint64_t seed = prng_.Next();
    std::vector<std::byte> bytes(8 + prng_.Below(50'000));
    FillContent(seed, 0, bytes);
    const std::string path = OwnPath();
    const auto put = co_await connection_->Ask<wire::PutAnswer>(
        wire::PutRequest{.crc = wire::FrameCrc(bytes), .condition = {.if_match = {}}, .path = path},
        {}, bytes);
    EXPECT_TRUE(put) << put.error().ToString();
    // The origin's double keeps the first word only, and makes the bytes of it.
    co_await Gets(path, LoadFrom<uint64_t>(bytes.data()), 0, bytes.size(), bytes.size(), {}, {});
  }

  Task<uint32_t> Begins(std::string path) {
    const auto begun = co_await connection_->Ask<wire::UploadAnswer>(
        wire::PutBeginRequest{.condition = {.if_match = {}}, .path = path}, {});
    EXPECT_TRUE(begun) << begun.error().ToString();
    co_return begun ? begun->value.upload : 0;
  }
  Task<void> Sends(uint32_t upload, uint64_t offset, Bytes data) {
    const auto sent = co_await connection_->Ask<wire::Empty>(
        wire::PutDataRequest{.upload = upload, .crc = wire::FrameCrc(data), .offset = offset}, {},
        data);
    EXPECT_TRUE(sent) << sent.error().ToString();
  }
  Task<void> Streams() {
    const uint64_t seed = prng_.Next();
    std::vector<std::byte> bytes(300'000);
    FillContent(seed, 0, bytes);
    const std::string path = OwnPath();
    const uint32_t upload = co_await Begins(path);
    co_await Sends(upload, 0, Bytes(bytes).first(200'000));
    co_await Sends(upload, 200'000, Bytes(bytes).subspan(200'000));
    const auto put = co_await connection_->Ask<wire::PutAnswer>(
        wire::PutCommitRequest{.upload = upload, .size = bytes.size()}, {});
    EXPECT_TRUE(put) << put.error().ToString();
    co_await Gets(path, LoadFrom<uint64_t>(bytes.data()), 5, 1000, bytes.size(), {}, {});
    EXPECT_TRUE(co_await connection_->Ask<wire::Empty>(
        wire::DeleteRequest{.condition = {.if_match = {}}, .path = path}, {}));
  }
  /// The connection's end must end it.
  Task<void> LeavesAnUpload() {
    const uint32_t upload = co_await Begins("/data/left" + std::to_string(number_));
    std::vector<std::byte> bytes(1000);
    co_await Sends(upload, 0, bytes);
    if (prng_.Below(2) == 0) {
      EXPECT_TRUE(
          co_await connection_->Ask<wire::Empty>(wire::PutAbortRequest{.upload = upload}, {}));
    } else {
      co_await Breaks();
    }
  }

  Task<void> ComesTooLate() {
    const Call call{.deadline = env_.clock.Now() + Duration(prng_.Below(3'000'000))};
    return GetsLarge(call, {Code::kDeadlineExceeded});
  }
  Task<void> ChangesItsMind() {
    CancelSource source;
    TaskGroup group(env_.executor);
    const Call call{.cancel = source.token()};
    for (int i = 0; i < 3; ++i) group.Spawn(GetsLarge(call, {Code::kCancelled}));
    std::ignore = co_await env_.clock.Sleep(Duration(prng_.Below(2'000'000)));
    source.Cancel();
    co_await group.Join();
  }
  /// Goes away while answers are on their way.
  Task<void> Breaks() {
    TaskGroup group(env_.executor);
    for (int i = 0; i < 4; ++i) group.Spawn(GetsLarge({}, {Code::kCancelled, Code::kUnavailable}));
    std::ignore = co_await env_.clock.Sleep(Duration(prng_.Below(2'000'000)));
    co_await connection_->Close();
    co_await group.Join();
    co_await Connect();
  }

  Task<void> Asks() {
    const std::string path = "/data/s" + std::to_string(prng_.Below(kSmall));
    const auto stat = co_await connection_->Ask<wire::StatAnswer>(wire::StatRequest{path}, {});
    EXPECT_TRUE(stat && stat->value.size == kSmallBytes);
    const auto list = co_await connection_->Ask<wire::ListAnswer>(
        wire::ListRequest{.limit = 50, .path = "/data/", .delimiter = {}, .after = "l"}, {});
    EXPECT_TRUE(list && list->value.entries.size() == 50);
    EXPECT_TRUE(co_await connection_->Ask<wire::EvictAnswer>(wire::EvictRequest{path}, {}));
    const auto where = co_await connection_->Ask<wire::WhereAnswer>(wire::WhereRequest{path}, {});
    EXPECT_TRUE(where && where->value.info.size == kSmallBytes);
    EXPECT_TRUE(co_await connection_->Ask<wire::AttachmentsAnswer>(wire::AttachmentsRequest{}, {}));
    const auto status = co_await connection_->Ask<wire::StatusAnswer>(wire::StatusRequest{}, {});
    EXPECT_TRUE(status && status->value.json == "{}");
  }

  Task<void> AttachesAndDetaches() {
    const auto attached = co_await connection_->Ask<wire::Empty>(
        wire::AttachRequest{.attachment = {.name = "other",
                                           .origin = "memory://test",
                                           .freshness = {},
                                           .allow = {}}},
        {});
    EXPECT_TRUE(attached) << attached.error().ToString();
    for (int i = 0; i < 5; ++i) co_await LooksAtOther();
    EXPECT_TRUE(co_await connection_->Ask<wire::Empty>(wire::DetachRequest{"other"}, {}));
  }
  Task<void> LooksAtOther() {
    const uint64_t i = prng_.Below(5);
    return Gets("/other/s" + std::to_string(i), 5000 + i, 0, kSmallBytes, kSmallBytes, {},
                {Code::kNotFound});
  }

  Env& env_;
  const std::string address_;
  const uint64_t number_;
  Prng prng_;
  std::unique_ptr<Connection> connection_;
  uint64_t connects_ = 0;
};

/// What an operator does meanwhile.
Task<void> ReadTokensAgain(Env* env, Gate* gate, const bool* done) {
  while (!*done) {
    EXPECT_TRUE(gate->ReplaceTokens(kTokens));
    std::ignore = co_await env->clock.Sleep(1ms);
  }
}

Task<void> AllAtOnce(Env* home, std::vector<std::unique_ptr<Somebody>>* all, std::vector<Env*> at,
                     Gate* gate, int steps) {
  bool done = false;
  TaskGroup operators(home->executor);
  operators.Spawn(ReadTokensAgain(home, gate, &done));
  TaskGroup group(home->executor);
  for (size_t i = 0; i < all->size(); ++i) {
    group.Spawn(RunOn(at[i % at.size()]->executor, home->executor, (*all)[i]->Do(steps)));
  }
  co_await group.Join();
  done = true;
  co_await operators.Join();
}

TEST_P(DoorOnLoops, ManyDoEverythingAtOnce) {
  options_.status_json = [] { return std::string("{}"); };
  Open();
  std::vector<std::unique_ptr<Somebody>> all;
  for (size_t i = 0; i < 24; ++i) {
    const std::string address = door_->addresses()[i % 8 == 0 ? 1 : 0];
    all.push_back(std::make_unique<Somebody>(*clients_->envs()[i % kClientLoops], address, i));
  }
  loop_->Run(AllAtOnce(&env(), &all, clients_->envs(), gate_.get(), ByTier(40, 150, 5000)));
  loop_->Run(door_->Stop(5s));
  EXPECT_EQ(door_->connections(), 0u);
  const uint64_t connects = std::accumulate(
      all.begin(), all.end(), uint64_t{0},
      [](uint64_t sum, const auto& somebody) { return sum + somebody->connects(); });
  EXPECT_EQ(node_->counters().door.connections.value(), connects);
  EXPECT_EQ(node_->counters().door.protocol_errors.value(), 0u);
  EXPECT_GT(node_->counters().read.hits.value(), 0u);
  EXPECT_GT(node_->counters().read.misses.value(), 0u);
}

using Connections = std::vector<std::unique_ptr<Connection>>;

Task<void> DialMany(Env* env, std::string address, size_t count, Connections* all,
                    size_t* refused) {
  for (size_t i = 0; i < count; ++i) {
    auto made = co_await Dial(env, address);
    if (made) all->push_back(std::move(*made));
    if (!made) {
      EXPECT_EQ(made.error().code(), Code::kOverloaded) << made.error().ToString();
      ++*refused;
    }
  }
}
Task<void> CloseAll(Connections* all) {
  for (const auto& one : *all) co_await one->Close();
  all->clear();
}

/// For a while.
Task<void> UntilGone(Env* env, NativeDoor* door) {
  const Instant until = env->clock.Now() + 10s;
  while (door->connections() > 0 && env->clock.Now() < until) {
    std::ignore = co_await env->clock.Sleep(1ms);
  }
}

TEST_P(DoorOnLoops, ConnectionsAreSpreadAndCountedOverAllLoops) {
  options_.max_connections = 64;
  Open();
  Connections all;
  size_t refused = 0;
  loop_->Run(DialMany(&env(), tcp(), 70, &all, &refused));
  EXPECT_EQ(all.size(), 64u);
  EXPECT_EQ(refused, 6u);
  EXPECT_EQ(node_->counters().door.refused.value(), 6u);
  EXPECT_EQ(door_->connections(), 64u);
  EXPECT_EQ(door_->connections_by_loop(), std::vector<size_t>(1 + kFurtherLoops, 16));
  loop_->Run(CloseAll(&all));
  loop_->Run(UntilGone(&env(), door_.get()));
  EXPECT_EQ(door_->connections(), 0u);
  // By Unix socket everybody comes to the node's own loop, whose windows they share.
  loop_->Run(DialMany(&env(), door_->addresses()[1], 5, &all, &refused));
  EXPECT_EQ(door_->connections_by_loop(), (std::vector<size_t>{5, 0, 0, 0}));
  loop_->Run(CloseAll(&all));
}

/// Reads and writes on and on until the door ends it.
Task<void> ReadOn(Connection* connection, uint64_t seed) {
  Prng prng(seed);
  std::vector<std::byte> into(kSmallBytes);
  while (!connection->broken()) {
    const uint64_t i = prng.Below(kSmall);
    const std::string path = "/data/s" + std::to_string(i);
    const auto got = co_await connection->Get(path, 0, into, {});
    EXPECT_TRUE(got || IsOneOf(got.error(), {Code::kUnavailable, Code::kOverloaded}))
        << got.error().ToString();
    if (got) EXPECT_TRUE(IsContent(5000 + i, 0, into));
  }
}
Task<void> WriteOn(Connection* connection, uint64_t number) {
  std::vector<std::byte> bytes(20'000);
  const std::string path = "/data/w" + std::to_string(number);
  while (!connection->broken()) {
    const auto put = co_await connection->Ask<wire::PutAnswer>(
        wire::PutRequest{.crc = wire::FrameCrc(bytes), .condition = {.if_match = {}}, .path = path},
        {}, bytes);
    EXPECT_TRUE(put || IsOneOf(put.error(), {Code::kUnavailable, Code::kOverloaded}))
        << put.error().ToString();
  }
}
Task<void> Busy(Env* env, std::string address, size_t connections) {
  Connections all;
  size_t refused = 0;
  co_await DialMany(env, address, connections, &all, &refused);
  TaskGroup group(env->executor);
  for (size_t i = 0; i < all.size(); ++i) {
    for (uint64_t j = 0; j < 8; ++j) group.Spawn(ReadOn(all[i].get(), 10 * i + j));
    if (i % 4 == 0) group.Spawn(WriteOn(all[i].get(), i));
  }
  co_await group.Join();
  co_await CloseAll(&all);
}

Task<void> StopWhileBusy(Env* home, std::vector<Env*> at, NativeDoor* door, Counters* counters,
                         Duration* took) {
  TaskGroup group(home->executor);
  for (Env* one : at) {
    group.Spawn(RunOn(one->executor, home->executor, Busy(one, door->addresses().front(), 8)));
  }
  while (counters->read.hits.value() < 2000 || counters->write.requests.value() < 20) {
    std::ignore = co_await home->clock.Sleep(1ms);
  }
  const Instant begin = home->clock.Now();
  co_await door->Stop(30s);
  *took = home->clock.Now() - begin;
  co_await group.Join();
}

TEST_P(DoorOnLoops, StopsWhileAllAreBusy) {
  Open();
  Duration took{};
  loop_->Run(StopWhileBusy(&env(), clients_->envs(), door_.get(), &node_->counters(), &took));
  EXPECT_LT(took, 20s) << "it waited for readers that never rest";
  EXPECT_EQ(door_->connections(), 0u);
}

Task<void> Hang(Env* env, std::string address, Duration patience, Code* code) {
  auto connection = co_await Dial(env, address);
  EXPECT_TRUE(connection);
  if (!connection) co_return;
  std::vector<std::byte> into(100);
  const auto got =
      co_await (*connection)->Get("/data/l0", 0, into, {.deadline = env->clock.Now() + patience});
  *code = got ? Code::kInternal : got.error().code();
  co_await (*connection)->Close();
}

Task<void> StopWhileItHangs(Env* home, std::vector<Env*> at, NativeDoor* door,
                            std::vector<Code>* codes) {
  TaskGroup group(home->executor);
  for (size_t i = 0; i < codes->size(); ++i) {
    Env* one = at[i % at.size()];
    const Duration patience = i < codes->size() / 2 ? Duration(20ms) : Duration(1h);
    group.Spawn(RunOn(one->executor, home->executor,
                      Hang(one, door->addresses().front(), patience, &(*codes)[i])));
  }
  std::ignore = co_await home->clock.Sleep(300ms);
  co_await door->Stop(10ms);
  co_await group.Join();
}

TEST_P(DoorOnLoops, WhatHangsEndsByDeadlineOrWithTheDoor) {
  Open();
  origin_.hang = true;
  std::vector<Code> codes(16, Code::kCorrupt);
  loop_->Run(StopWhileItHangs(&env(), clients_->envs(), door_.get(), &codes));
  for (size_t i = 0; i < codes.size(); ++i) {
    EXPECT_EQ(codes[i], i < codes.size() / 2 ? Code::kDeadlineExceeded : Code::kUnavailable);
  }
}

}  // namespace
}  // namespace forebay::node_testing
