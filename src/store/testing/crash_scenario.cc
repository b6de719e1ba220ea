#include "src/store/testing/crash_scenario.h"

#include <fmt/format.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "sim/sim_device.h"
#include "src/base/units.h"
#include "src/store/store.h"
#include "src/store/testing/patterns.h"

namespace forebay::store_testing {
namespace {

constexpr int kLives = 4;
constexpr int kUsers = 4;
constexpr int kStepsOfALife = 40;
constexpr uint64_t kKeys = 160;
constexpr uint64_t kHotKeys = 16;  // half of all steps are about one of these
constexpr uint32_t kLargestBlock = 128 * 1024;

Error Broken(std::string what) {
  return Error(Code::kInternal, "promise broken: " + std::move(what));
}

/// Errors that the store may give under fire. kInternal is a broken promise.
bool Allowed(const Error& error) {
  return error.code() != Code::kInternal;
}

Task<void> JoinAll(TaskGroup& group) {
  co_await group.Join();
}

class Scenario {
 public:
  explicit Scenario(sim::World& world)
      : world_(world), node_(world.AddNode("n")), prng_(Mix64(world.seed())) {}

  Result<void> Run();

 private:
  struct Block {
    uint32_t length = 0;
    bool dirty = false;         // as the store was told
    bool acknowledged = false;  // as dirty and durable
    bool busy = false;          // one user changes it now
  };

  StoreOptions Options();
  Result<void> Live();
  void Work();
  Result<void> CheckSurvivors();
  Task<Result<void>> Settle();
  Task<void> User(uint64_t seed);
  Task<Result<void>> Step(Prng& prng);
  Task<Result<void>> PutSome(uint64_t n, Prng& prng);
  Task<Result<void>> PutDirty(uint64_t n);
  Task<Result<void>> Clean(uint64_t n);
  Task<Result<void>> ReadSome(uint64_t n, Prng& prng);
  Task<Result<void>> HoldView(uint64_t n, Prng& prng);
  bool MediaFailed() const;

  Env& env() { return node_.env(); }
  Block& block(uint64_t n);

  sim::World& world_;
  sim::Node& node_;
  Prng prng_;
  std::map<uint64_t, Block> blocks_;
  std::unique_ptr<Store> store_;
  Result<void> result_;
};

StoreOptions Scenario::Options() {
  Prng prng(Mix64(world_.seed() ^ 0x0b7));
  StoreOptions options;
  options.dram.capacity_bytes = kMiB + prng.Below(4) * 256 * kKiB;
  options.max_block_bytes = kLargestBlock;
  options.flush_delay = std::chrono::milliseconds(1 + static_cast<int64_t>(prng.Below(300)));
  options.checksum_cache_bytes = 64 * kKiB;
  const uint64_t disks = 1 + prng.Below(2);
  for (uint64_t i = 0; i < disks; ++i) {
    options.disks.push_back({.directory = fmt::format("/disk{}/cache", i),
                             .size_bytes = 5 * kMiB / 4 + prng.Below(4) * 256 * kKiB,
                             .direct = prng.Below(2) == 0});
  }
  return options;
}

Scenario::Block& Scenario::block(uint64_t n) {
  Block& block = blocks_[n];
  if (block.length == 0) {
    // Few lengths, so that one block often comes to lie exactly where another was; the same for a
    // key, always.
    constexpr uint32_t kLengths[] = {1, 4095, 8192, 20000, 20000, 40000, 40000, kLargestBlock};
    block.length = kLengths[Mix64(n) % std::size(kLengths)];
  }
  return block;
}

bool Scenario::MediaFailed() const {
  for (const char* kind :
       {"disk.bit_flip", "disk.bad_range", "disk.flip_on_read", "disk.read_error"}) {
    if (world_.faults().fired(kind) > 0) return true;
  }
  return false;
}

Task<Result<void>> Scenario::PutSome(uint64_t n, Prng& prng) {
  const uint32_t length = block(n).length;
  auto fill = co_await store_->BeginFill(env(), Key(n), {n % 3, length, BlockClass::kData});
  if (!fill) co_return Fail(fill.error());
  const bool whole = prng.Below(3) != 0;
  const auto pages = static_cast<uint32_t>(DivideRoundUp(length, kPageBytes));
  const uint32_t first = whole ? 0 : static_cast<uint32_t>(prng.Below(pages));
  const uint32_t count = whole ? pages : static_cast<uint32_t>(1 + prng.Below(pages - first));
  for (uint32_t page = first; page < first + count; ++page) {
    const uint32_t at = page * kPageBytes, size = std::min(kPageBytes, length - at);
    if (fill->Filled(at, size)) continue;
    FillPattern(Key(n), at, fill->buffer().subspan(at, size));
    fill->Commit(at, size);
    if (prng.OneIn(8)) co_await Yield(env().executor);
  }
  co_return Result<void>();
}

Task<Result<void>> Scenario::PutDirty(uint64_t n) {
  Block& block = this->block(n);
  if (block.dirty || store_->Probe(Key(n))) co_return Result<void>();
  {
    auto fill =
        co_await store_->BeginFill(env(), Key(n), {n % 3, block.length, BlockClass::kDirty});
    if (!fill) co_return Fail(fill.error());
    FillPattern(Key(n), 0, fill->buffer());
    fill->Commit(0, block.length);
  }
  block.dirty = true;
  const auto durable = co_await store_->MakeDurable(env(), {Key(n)});
  block.acknowledged = durable.has_value();
  if (!durable) block.dirty = false;
  co_return durable;
}

Task<Result<void>> Scenario::Clean(uint64_t n) {
  Block& block = this->block(n);
  if (!block.acknowledged) co_return Result<void>();
  block.acknowledged = block.dirty = false;  // from here on it may go
  co_return co_await store_->MarkClean(env(), Key(n));
}

Task<Result<void>> Scenario::ReadSome(uint64_t n, Prng& prng) {
  const Block& block = this->block(n);
  const bool must_hit = block.acknowledged && !block.busy && !MediaFailed();
  const uint32_t offset = static_cast<uint32_t>(prng.Below(block.length)) / 8 * 8;
  const auto size = static_cast<uint32_t>(1 + prng.Below(block.length - offset));
  const auto seen = co_await Check(env(), *store_, Key(n), offset, size,
                                   {.promote = prng.Below(2) == 0, .verify = prng.Below(2) == 0});
  if (!seen) co_return Fail(seen.error());
  if (*seen == Seen::kWrong) co_return Fail(Broken(fmt::format("wrong bytes in block {}", n)));
  if (*seen == Seen::kMiss && must_hit && block.acknowledged && !MediaFailed()) {
    co_return Fail(Broken(fmt::format("the acknowledged dirty block {} is a miss", n)));
  }
  co_return Result<void>();
}

Task<Result<void>> Scenario::HoldView(uint64_t n, Prng& prng) {
  const uint32_t length = block(n).length;
  const auto acquired = co_await store_->Acquire(env(), Key(n), 0, length);
  if (!acquired) co_return Fail(acquired.error());
  const View& view = *acquired;
  if (!view) co_return Result<void>();
  const auto pause = std::chrono::milliseconds(prng.Below(400));
  const auto slept = co_await env().clock.Sleep(pause);
  if (!std::ranges::equal(view.bytes(), Pattern(Key(n), 0, length))) {
    co_return Fail(Broken(fmt::format("the bytes of block {} changed under a view", n)));
  }
  co_return slept;
}

Task<Result<void>> Scenario::Step(Prng& prng) {
  const uint64_t n = prng.Below(prng.OneIn(2) ? kHotKeys : kKeys);
  Block& block = this->block(n);
  const uint64_t what = prng.Below(20);
  if (what < 7) co_return co_await ReadSome(n, prng);
  if (what < 9) co_return co_await HoldView(n, prng);
  if (std::exchange(block.busy, true)) co_return Result<void>();
  Result<void> result;
  if (what < 14 && !block.dirty) {
    result = co_await PutSome(n, prng);
  } else if (what < 17) {
    result = co_await PutDirty(n);
  } else if (what < 18) {
    result = co_await Clean(n);
  } else if (!block.dirty) {
    store_->Erase(Key(n));
  }
  block.busy = false;
  co_return result;
}

Task<void> Scenario::User(uint64_t seed) {
  Prng prng(seed);
  for (int step = 0; step < kStepsOfALife && !node_.crashed(); ++step) {
    const auto done = co_await Step(prng);
    if (!done && !Allowed(done.error()) && result_) result_ = done;
    if (prng.OneIn(3)) {
      const auto pause = std::chrono::microseconds(prng.Below(50'000));
      static_cast<void>(co_await env().clock.Sleep(pause));
    }
  }
}

/// What a restarted node does first: the uploader's part, by a model of the registry.
Task<Result<void>> Scenario::Settle() {
  for (const BlockKey& key : store_->DirtyBlocks()) {
    bool known = false;
    for (auto& [n, block] : blocks_) known |= Key(n) == key && block.acknowledged;
    if (known) continue;
    // Never acknowledged, or clean already as far as anybody was told: nobody will miss it.
    const auto cleaned = co_await store_->MarkClean(env(), key);
    if (!cleaned && !Allowed(cleaned.error())) co_return cleaned;
  }
  for (auto& [n, block] : blocks_) {
    if (!block.acknowledged || MediaFailed()) continue;
    const auto presence = store_->Probe(Key(n));
    if (!presence || !presence->on_disk) {
      co_return Fail(Broken(fmt::format("the acknowledged dirty block {} is gone", n)));
    }
    const auto seen = co_await Check(env(), *store_, Key(n), 0, block.length);
    if (MediaFailed() && (!seen || *seen == Seen::kMiss)) continue;
    if (!seen) co_return Fail(Broken(fmt::format("block {}: {}", n, seen.error().ToString())));
    if (*seen != Seen::kRight) {
      co_return Fail(Broken(fmt::format("the acknowledged dirty block {} does not read back", n)));
    }
  }
  co_return Result<void>();
}

/// The dirty flag follows what survived: a write that was not acknowledged may be there or not.
Result<void> Scenario::CheckSurvivors() {
  for (auto& [n, block] : blocks_) {
    block.busy = false;
    block.dirty = block.acknowledged;
  }
  return world_.Run(Settle());
}

Result<void> Scenario::Live() {
  auto opened = world_.Run(Store::Open(env(), Options()));
  for (int tries = 0; !opened && tries < 20; ++tries) {
    // A medium that fails may refuse once; damaged superblocks may be beyond help.
    if (!MediaFailed() && world_.faults().fired("disk.write_error") == 0 &&
        world_.faults().fired("disk.sync_error") == 0) {
      return Fail(Broken("the store does not open: " + opened.error().ToString()));
    }
    opened = world_.Run(Store::Open(env(), Options()));
  }
  if (!opened) return {};
  store_ = std::move(*opened);
  result_ = CheckSurvivors();
  if (result_) Work();
  world_.Run(store_->Close());
  store_.reset();
  if (node_.crashed()) node_.Restart();
  return result_;
}

/// The users' time, ended at a moment of chance's choosing.
void Scenario::Work() {
  TaskGroup users(world_.env().executor);
  for (int i = 0; i < kUsers; ++i) users.Spawn(User(prng_.Next()));
  const uint64_t end = prng_.Below(6);
  if (end < 5) {
    // Mostly in the middle of their work.
    world_.RunFor(std::chrono::microseconds(prng_.Below(600'000)));
    node_.Crash(end < 4 ? sim::CrashKind::kPower : sim::CrashKind::kProcess);
  }
  world_.Run(JoinAll(users));
}

Result<void> Scenario::Run() {
  node_.AddDisk("/disk0", world_.options().disk);
  node_.AddDisk("/disk1", world_.options().disk);
  for (int life = 0; life < kLives; ++life) FB_TRY(Live());
  return {};
}

}  // namespace

Result<void> RunCrashScenario(sim::World& world) {
  return Scenario(world).Run();
}

sim::WorldOptions PowerFaults(uint64_t seed) {
  sim::WorldOptions options;
  if (seed % 3 == 0) options.disk.faults.sync_error = 0.05;
  if (seed % 2 == 1) options.disk.crash = {.keep = 0.3, .lose = 0.1};  // the rest is torn
  return options;
}

}  // namespace forebay::store_testing
