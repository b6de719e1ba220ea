// A cell under everything that can befall it, by seeds: nodes that are killed or lose their power,
// partitions, an absent registry, an origin that fails. Whatever a reader gets is right and no
// older than what a writer was told; where only nodes and the registry fail, no read does.
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/seeds.h"
#include "src/front/native/testing/cell_world.h"

namespace forebay::node_testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kNodes = 4;
constexpr int kUsersOfANode = 2;
constexpr uint64_t kKeys = 5;
constexpr int kBlows = 6;
constexpr Duration kCalm = seconds(60);
constexpr Duration kLease = seconds(11);  // of names, and what news of a heal take

Error Broken(std::string what) {
  return Error(Code::kInternal, "promise broken: " + std::move(what));
}

constexpr const char* kNames[kKeys] = {"k0", "a/k1", "a/k2", "a/b/k3", "k4"};

std::string PathOf(uint64_t key) {
  return fmt::format("/data/{}", kNames[key]);
}

class Story {
 public:
  explicit Story(sim::World& world)
      : world_(world), cell_(world), prng_(Mix64(world.seed() ^ 0xce11)), faults_(prng_.Next()) {
    fault_rate_ = prng_.OneIn(2) ? 0 : 0.01;
    cell_.options.origin_timeout = seconds(5);
    cell_.options.store.dram.capacity_bytes = (prng_.OneIn(3) ? 12 : 64) * kMiB;
    cell_.freshness = prng_.OneIn(4) ? Freshness{Freshness::Mode::kAlways, {}} : Freshness{};
    cell_.origin.behaviour.capabilities.cheap_head = prng_.OneIn(2);
    cell_.origin.now = [this] { return world_.Now(); };
    cell_.origin.strikes = [this](std::string_view kind) {
      return world_.faults().Of(kind).Chance(faults_, striking_ ? fault_rate_ : 0);
    };
  }

  Result<void> Run();

 private:
  struct Life {
    explicit Life(Executor& executor) : users(executor) {}
    TaskGroup users;
    bool over = false;
  };

  void Settle(size_t node);
  void End(size_t node, bool crash);
  void Strike();
  void Heal(std::vector<size_t> cut, Duration after);
  Task<void> User(CellNode* node, Life* life, uint64_t seed);
  Task<Result<void>> Step(CellNode* node, Prng* prng);
  Task<Result<void>> ReadSome(CellNode* node, Prng* prng);
  Task<Result<void>> WriteOne(CellNode* node, Prng* prng);
  Task<Result<void>> List(CellNode* node, Prng* prng);
  uint64_t Promised(CellNode* node, uint64_t key) const;
  Result<void> CheckBytes(const MemoryOrigin::State& state, uint64_t offset,
                          const ReadResult& read);
  bool MayFail(const Error& error) const;

  sim::World& world_;
  CellWorld cell_;
  Prng prng_;
  Prng faults_;
  double fault_rate_ = 0;
  bool striking_ = false;
  std::map<size_t, std::unique_ptr<Life>> lives_;
  uint64_t acknowledged_[kKeys] = {};
  Instant cut_until_[kNodes] = {};  // from the others; Never: now
  uint32_t first_id_ = 0;
  uint64_t reads_ = 0;
  uint64_t listings_ = 0;
  Result<void> result_;
};

/// Without an origin that fails a read may only be told that its object has changed.
bool Story::MayFail(const Error& error) const {
  if (error.code() == Code::kVersionChanged || error.code() == Code::kCancelled) return true;
  return fault_rate_ > 0 && (error.retryable() || error.code() == Code::kDeadlineExceeded);
}

Result<void> Story::CheckBytes(const MemoryOrigin::State& state, uint64_t offset,
                               const ReadResult& read) {
  for (const ReadResult::Piece& piece : read.all()) {
    if (!IsContent(state.seed, offset, piece.view.bytes())) return Fail(Broken("wrong bytes"));
    offset += piece.view.bytes().size();
  }
  return {};
}

/// The version that a node must give at least.
uint64_t Story::Promised(CellNode* node, uint64_t key) const {
  // Who was cut off may believe for the length of a lease what he knew (docs/CELL.md).
  const Instant cut = cut_until_[node->machine.id() - first_id_];
  const bool told = cut != Instant::Never() && cut + kLease < world_.Now();
  return told ? acknowledged_[key] : 0;
}

Task<Result<void>> Story::List(CellNode* node, Prng* prng) {
  constexpr const char* kPrefixes[] = {"", "a/", "a/b/", "k", "a/k"};
  const std::string prefix = kPrefixes[prng->Below(std::size(kPrefixes))];
  uint64_t promised[kKeys];
  for (uint64_t key = 0; key < kKeys; ++key) promised[key] = Promised(node, key);
  const auto page = co_await node->node->List(node->self(), "/data/",
                                              {.prefix = prefix, .limit = 100}, {}, nullptr);
  if (!page) co_return Fail(page.error());
  for (uint64_t key = 0; key < kKeys; ++key) {
    if (!std::string_view(kNames[key]).starts_with(prefix)) continue;
    const auto entry = std::ranges::find(page->entries, kNames[key], &ListEntry::key);
    if (entry == page->entries.end()) {
      co_return Fail(Broken(fmt::format("a listing of '{}' without {}", prefix, kNames[key])));
    }
    const uint64_t version = MemoryOrigin::VersionOf(entry->info.etag);
    if (version >= promised[key]) continue;
    co_return Fail(Broken(fmt::format("{} listed version {} of {} after {} was acknowledged",
                                      node->name, version, kNames[key], promised[key])));
  }
  ++listings_;
  co_return Result<void>();
}

Task<Result<void>> Story::ReadSome(CellNode* node, Prng* prng) {
  const uint64_t key = prng->Below(kKeys);
  const uint64_t acknowledged = Promised(node, key);
  const auto handle = co_await node->node->Open(node->self(), PathOf(key), {}, {}, nullptr);
  if (!handle) co_return Fail(handle.error());
  const ResolvedObject& object = ObjectOf(**handle);
  const uint64_t version = MemoryOrigin::VersionOf(object.info.etag);
  if (version < acknowledged) {
    co_return Fail(Broken(fmt::format("{} gave version {} of {} after {} was acknowledged",
                                      node->name, version, PathOf(key), acknowledged)));
  }
  const auto& history = cell_.origin.history[object.key];
  const auto found = std::ranges::find(history, version, &MemoryOrigin::State::version);
  if (found == history.end()) co_return Fail(Broken("a version that never was"));
  const MemoryOrigin::State state = *found;  // history moves while it is read
  for (int i = 0; i < 3; ++i) {
    const uint64_t offset = prng->Below(std::max<uint64_t>(object.info.size, 1));
    const auto size = static_cast<uint32_t>(1 + prng->Below(kMiB));
    const auto read = co_await node->node->Read(node->self(), *handle, offset, size, {}, nullptr);
    if (!read) co_return Fail(read.error());
    FB_CO_TRY(CheckBytes(state, offset, *read));
    ++reads_;
  }
  co_return Result<void>();
}

Task<Result<void>> Story::WriteOne(CellNode* node, Prng* prng) {
  const uint64_t key = prng->Below(kKeys);
  std::string bytes(8 + prng->Below(prng->OneIn(4) ? 3 * kMiB : 100'000), '\0');
  StoreTo(reinterpret_cast<std::byte*>(bytes.data()), prng->Next());
  const auto etag = co_await node->Put(PathOf(key), std::move(bytes));
  // What it could not do, or cannot tell, is no broken promise.
  if (etag) acknowledged_[key] = std::max(acknowledged_[key], MemoryOrigin::VersionOf(*etag));
  co_return Result<void>();
}

Task<Result<void>> Story::Step(CellNode* node, Prng* prng) {
  if (prng->OneIn(6)) return WriteOne(node, prng);
  if (prng->OneIn(4)) return List(node, prng);
  return ReadSome(node, prng);
}

Task<void> Story::User(CellNode* node, Life* life, uint64_t seed) {
  Prng prng(seed);
  while (!life->over && result_) {
    const auto done = co_await Step(node, &prng);
    if (!done && !life->over && !MayFail(done.error())) {
      result_ = Fail(done.error().Within(node->name));
    }
    const auto pause = milliseconds(1 + prng.Below(200));
    if (!co_await node->env().clock.Sleep(pause)) co_return;
  }
}

void Story::Settle(size_t node) {
  CellNode& one = *cell_.nodes[node];
  auto& life = lives_[node] = std::make_unique<Life>(one.env().executor);
  for (int i = 0; i < kUsersOfANode; ++i) {
    life->users.Spawn(User(&one, life.get(), prng_.Next()));
  }
}

Task<void> JoinAll(TaskGroup* group) {
  co_await group->Join();
}

void Story::End(size_t node, bool crash) {
  Life& life = *lives_[node];
  life.over = true;
  if (crash) {
    cell_.nodes[node]->machine.Crash(prng_.OneIn(2) ? sim::CrashKind::kPower
                                                    : sim::CrashKind::kProcess);
  }
  world_.Run(JoinAll(&life.users));
  cell_.nodes[node]->Stop();
  lives_.erase(node);
}

void Story::Heal(std::vector<size_t> cut, Duration after) {
  for (const size_t node : cut) cut_until_[node] = Instant::Never();
  world_.RunFor(after);
  world_.net().HealAll();
  for (const size_t node : cut) cut_until_[node] = world_.Now();
}

/// One blow, and the time that it lasts.
void Story::Strike() {
  const auto lasting = [&] { return milliseconds(200 + prng_.Below(15'000)); };
  const size_t victim = prng_.Below(kNodes);
  sim::Node& machine = cell_.nodes[victim]->machine;
  switch (prng_.Below(5)) {
    case 0:
    case 1: {
      world_.faults().Of("cell.death").Fire();
      End(victim, true);
      world_.RunFor(lasting());
      const auto started = cell_.nodes[victim]->Start();
      if (!started && result_) result_ = Fail(started.error().Within("it does not start again"));
      if (started) Settle(victim);
      return;
    }
    case 2:
      world_.faults().Of("cell.isolation").Fire();
      world_.net().Isolate(machine);
      return Heal({victim}, lasting());
    case 3:
      world_.faults().Of("cell.partition").Fire();
      world_.net().Partition(machine, cell_.nodes[(victim + 1) % kNodes]->machine);
      return Heal({victim, (victim + 1) % kNodes}, lasting());
    default:
      world_.faults().Of("cell.no_registry").Fire();
      cell_.registry.away = true;
      world_.RunFor(lasting());
      cell_.registry.away = false;
  }
}

Result<void> Story::Run() {
  for (uint64_t key = 0; key < kKeys; ++key) {
    constexpr uint64_t kSizes[] = {1, 5000, 200'000, 3 * kMiB + 17, 40 * kMiB + 1};
    cell_.origin.Set(kNames[key], prng_.Next(), kSizes[key]);
  }
  FB_TRY(cell_.Start(kNodes));
  first_id_ = cell_.nodes.front()->machine.id();
  for (size_t i = 0; i < kNodes; ++i) Settle(i);
  striking_ = true;
  for (int blow = 0; blow < kBlows && result_; ++blow) {
    world_.RunFor(milliseconds(prng_.Below(4000)));
    Strike();
  }
  striking_ = false;
  const uint64_t before = reads_;
  if (result_) world_.RunFor(seconds(20));  // longer than anything waits for the dead
  if (result_ && !cell_.AwaitAgreement(kCalm)) result_ = Fail(Broken("no agreement afterwards"));
  if (result_ && listings_ == 0) result_ = Fail(Broken("nothing was listed"));
  if (result_ && reads_ == before) result_ = Fail(Broken("readers hang"));
  while (!lives_.empty()) End(lives_.begin()->first, false);
  return result_;
}

TEST(CellSeeds, GivesRightBytesAndNothingOlderThanWasAcknowledged) {
  const auto report =
      sim::RunSeeds("cell", {.quick = 4, .ci = 40, .full = 5000},
                    {.options = [](uint64_t) { return sim::WorldOptions(); },
                     .run = [](sim::World& world) { return Story(world).Run(); },
                     .expected_faults = {"cell.death", "cell.isolation", "cell.partition",
                                         "cell.no_registry", "origin.unavailable"}});
  EXPECT_TRUE(report.ok());
}

}  // namespace
}  // namespace forebay::node_testing
