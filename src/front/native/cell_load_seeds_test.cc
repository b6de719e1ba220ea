// Loads while their owners die, are cut off and come back, by seeds: a load ends, whatever became
// of the owners, and what it says is there is there.
#include <gtest/gtest.h>

#include "sim/seeds.h"
#include "src/front/native/testing/cell_world.h"

namespace forebay::node_testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kNodes = 4;
constexpr int kBlows = 4;
/// Longer than any load here takes while somebody is silent.
constexpr Duration kPatience = seconds(30);

class LoadStory {
 public:
  explicit LoadStory(sim::World& world)
      : world_(world), cell_(world), prng_(Mix64(world.seed() ^ 0x10ad)) {
    cell_.options.max_origin_requests = static_cast<uint32_t>(1 + prng_.Below(40));
    cell_.origin.behaviour.bytes_per_second = (8 + prng_.Below(256)) * kMiB;
  }
  Result<void> Run();

 private:
  Task<void> LoadAgainAndAgain();
  Result<void> Check(const Result<LoadReport>& report);
  void Strike();
  Result<void> LoadInCalm();

  sim::World& world_;
  CellWorld cell_;
  Prng prng_;
  std::vector<LoadItem> items_;
  uint64_t bytes_ = 0;
  bool over_ = false;
  int loads_ = 0;
  Result<void> result_;
};

/// The origin is well, so all of it must be there.
Result<void> LoadStory::Check(const Result<LoadReport>& report) {
  if (!report) return Fail(report.error());
  if (!report->failures.empty()) {
    const auto& failure = report->failures.front();
    return Fail(failure.error.Within(failure.node + " failed"));
  }
  if (report->bytes == bytes_) return {};
  return Fail(Code::kInternal, fmt::format("{} of {} bytes", report->bytes, bytes_));
}

/// By a node that stays.
Task<void> LoadStory::LoadAgainAndAgain() {
  CellNode& loader = *cell_.nodes.front();
  while (!over_ && result_) {
    const Call call{.deadline = loader.env().clock.Now() + kPatience};
    result_ = Check(co_await loader.node->Load(loader.self(), "data", items_, call));
    ++loads_;
    static_cast<void>(co_await loader.node->Evict(loader.self(), "/data/", {}));
    if (!co_await loader.env().clock.Sleep(milliseconds(500))) co_return;
  }
}

void LoadStory::Strike() {
  const size_t victim = 1 + prng_.Below(kNodes - 1);
  CellNode& node = *cell_.nodes[victim];
  const auto lasting = milliseconds(100 + prng_.Below(15'000));
  if (prng_.OneIn(2)) {
    world_.faults().Of("cell.death").Fire();
    node.Crash(prng_.OneIn(2) ? sim::CrashKind::kPower : sim::CrashKind::kProcess);
    world_.RunFor(lasting);
    const auto started = node.Start();
    if (!started && result_) result_ = started;
  } else {
    world_.faults().Of("cell.isolation").Fire();
    world_.net().Isolate(node.machine);
    world_.RunFor(lasting);
    world_.net().HealAll();
  }
}

/// Each owner has its part, at last.
Result<void> LoadStory::LoadInCalm() {
  FB_TRY(cell_.AwaitAgreement(seconds(60)));
  world_.RunFor(seconds(20));  // nobody rests any more
  CellNode& loader = *cell_.nodes.front();
  FB_TRY(Check(world_.Run(loader.node->Load(loader.self(), "data", items_, {}))));
  for (const LoadItem& item : items_) {
    FB_ASSIGN(const ResolvedObject object,
              world_.Run(loader.node->Stat(loader.self(), "/data/" + item.key, {}, nullptr)));
    FB_ASSIGN(const Owners owners, world_.Run(loader.node->OwnersOf(loader.self(), object, 0, {})));
    uint64_t held = 0;
    for (const auto& chunk : owners.chunks) held += chunk.at_owner.memory;
    if (held != item.size) {
      return Fail(Code::kInternal,
                  fmt::format("{}: {} of {} bytes at its owners", item.key, held, item.size));
    }
  }
  return {};
}

Task<void> Join(TaskGroup* group) {
  co_await group->Join();
}

Result<void> LoadStory::Run() {
  constexpr uint64_t kSizes[] = {1, 5000, 200'000, 3 * kMiB + 17, 34 * kMiB + 1};
  for (int i = 0; i < 15; ++i) {
    const uint64_t size = kSizes[i < 5 ? i : i % 3];
    items_.push_back({fmt::format("k{}", i), 0, size});
    cell_.origin.Set(items_.back().key, prng_.Next(), size);
    bytes_ += size;
  }
  FB_TRY(cell_.Start(kNodes));
  TaskGroup group(cell_.nodes.front()->env().executor);
  group.Spawn(LoadAgainAndAgain());
  for (int blow = 0; blow < kBlows && result_; ++blow) {
    world_.RunFor(milliseconds(prng_.Below(3000)));
    Strike();
  }
  over_ = true;
  world_.Run(Join(&group));
  FB_TRY(result_);
  if (loads_ < 2) return Fail(Code::kInternal, "loads hang");
  return LoadInCalm();
}

TEST(CellLoadSeeds, EndsWithAllOfItWhateverBecomesOfOwners) {
  const auto report =
      sim::RunSeeds("cell_load", {.quick = 5, .ci = 20, .full = 2000},
                    {.options = [](uint64_t) { return sim::WorldOptions(); },
                     .run = [](sim::World& world) { return LoadStory(world).Run(); },
                     .expected_faults = {"cell.death", "cell.isolation"}});
  EXPECT_TRUE(report.ok());
}

}  // namespace
}  // namespace forebay::node_testing
