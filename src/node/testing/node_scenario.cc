#include "src/node/testing/node_scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sim/sim_device.h"
#include "src/base/units.h"
#include "src/node/testing/node_fixture.h"

namespace forebay::node_testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kLives = 3;
constexpr int kUsers = 8;
constexpr int kStepsOfALife = 14;
constexpr uint64_t kKeys = 6;
constexpr Duration kNegativeTtl = milliseconds(700);

Error Broken(std::string what) {
  return Error(Code::kInternal, "promise broken: " + std::move(what));
}

Task<void> JoinAll(TaskGroup* group) {
  co_await group->Join();
}

class Scenario {
 public:
  Scenario(sim::World& world, bool faulty)
      : world_(world),
        machine_(world.AddNode("n")),
        faulty_(faulty),
        prng_(Mix64(world.seed() ^ 0xf00d)),
        fault_prng_(Mix64(world.seed() ^ 0xfa117)) {}

  Result<void> Run();

 private:
  NodeOptions Options();
  void SetUpOrigin();
  Result<void> StartNode();
  void StopNode();
  Result<void> Live(int life);
  Result<void> CheckCalm();
  Task<Result<void>> CheckAll();
  Task<void> User(uint64_t seed);
  Task<Result<void>> Step(Prng* prng);
  Task<Result<void>> ReadSome(std::string key, Prng* prng);
  Task<Result<void>> ReadOne(std::shared_ptr<Handle> handle, uint64_t offset, uint32_t size);
  Task<Result<void>> WriteOne(std::string key, Prng* prng);
  Task<Result<void>> Other(std::string key, Prng* prng);
  Result<void> CheckState(const std::string& key, Instant began, uint64_t acknowledged,
                          const std::string* etag) const;
  const MemoryOrigin::State& StateOf(const std::string& key, std::string_view etag) const;
  Duration Staleness(bool exists) const;
  bool Strikes(std::string_view kind);

  Env& env() { return machine_.env(); }
  Authenticated self() { return gate_->AdmitSelf(); }
  static std::string Key(uint64_t n) { return fmt::format("dir/{}", n); }

  sim::World& world_;
  sim::Node& machine_;
  const bool faulty_;
  bool calm_now_ = false;  // the faults have stopped
  Prng prng_;
  Prng fault_prng_;
  double fault_rate_ = 0;
  Freshness freshness_;
  MemoryOrigin origin_;
  RegistryState registry_state_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<MemoryRegistry> registry_;
  std::unique_ptr<Node> node_;
  std::map<std::string, uint64_t> acknowledged_;  // the newest version that a writer was told of
  Result<void> result_;
};

bool Scenario::Strikes(std::string_view kind) {
  const bool often = kind == "origin.hang" || kind == "origin.stalled_body";
  const double rate = calm_now_ ? 0 : often ? fault_rate_ / 8 : fault_rate_;
  return world_.faults().Of(kind).Chance(fault_prng_, rate);
}

NodeOptions Scenario::Options() {
  Prng prng(Mix64(world_.seed() ^ 0x0b7));
  NodeOptions options;
  options.store.dram.capacity_bytes = (faulty_ ? 10 + prng.Below(3) * 8 : 128) * kMiB;
  if (faulty_ && prng.Below(3) != 0) {
    options.store.disks.push_back(
        {.directory = "/cache", .size_bytes = (12 + prng.Below(20)) * kMiB});
  }
  options.metadata_bytes = 256 * kKiB;
  options.negative_ttl = kNegativeTtl;
  options.origin_timeout = seconds(5);
  options.max_origin_requests = static_cast<uint32_t>(1 + prng.Below(8));
  return options;
}

void Scenario::SetUpOrigin() {
  origin_.now = [this] { return world_.Now(); };
  if (faulty_) {
    fault_rate_ = 0.002 * static_cast<double>(prng_.Below(20));
    origin_.strikes = [this](std::string_view kind) { return Strikes(kind); };
  }
  origin_.behaviour.capabilities.cheap_head = prng_.OneIn(2);
  origin_.behaviour.latency = milliseconds(1 + prng_.Below(20));
  origin_.behaviour.bytes_per_second = (20 + prng_.Below(400)) * kMiB;
  const uint64_t mode = prng_.Below(4);
  freshness_ = mode == 0   ? Freshness{Freshness::Mode::kAlways, {}}
               : mode == 1 ? Freshness{Freshness::Mode::kImmutable, {}}
                           : Freshness{Freshness::Mode::kTtl, seconds(1 + prng_.Below(4))};
  for (uint64_t n = 0; n < kKeys; ++n) {
    constexpr uint64_t kSizes[] = {0, 1, 5000, 200'000, kMiB, 3 * kMiB + 17};
    if (!faulty_ || prng_.Below(4) != 0) origin_.Set(Key(n), prng_.Next(), kSizes[n]);
  }
}

Result<void> Scenario::StartNode() {
  gate_ = std::move(*Gate::Create({}));
  registry_ = std::make_unique<MemoryRegistry>(env(), registry_state_);
  const auto origins = [this](const AttachmentConfig&) -> Result<std::unique_ptr<Origin>> {
    return std::make_unique<SharedOrigin>(origin_);
  };
  NodeOptions options = Options();
  auto opened = world_.Run(Node::Open(env(), options, *gate_, *registry_, origins));
  for (int tries = 0; !opened && tries < 20; ++tries) {
    // A medium that fails may refuse once, or be beyond help.
    const bool damaged =
        opened.error().code() == Code::kIoError || opened.error().code() == Code::kCorrupt;
    if (!damaged) return Fail(Broken("the node does not open: " + opened.error().ToString()));
    if (tries > 10) options.store.disks.clear();
    opened = world_.Run(Node::Open(env(), options, *gate_, *registry_, origins));
  }
  FB_ASSIGN(node_, std::move(opened));
  const AttachmentConfig config{.name = "data", .origin = "memory://test", .freshness = freshness_};
  const auto attached = world_.Run(node_->Attach(self(), config, {}));
  if (!attached && attached.error().code() != Code::kAlreadyExists) return attached;
  return {};
}

void Scenario::StopNode() {
  world_.Run(node_->Close(milliseconds(prng_.Below(3000))));
  node_.reset();
  registry_.reset();
}

// -- What is checked

Duration Scenario::Staleness(bool exists) const {
  const Duration ttl = freshness_.mode == Freshness::Mode::kTtl      ? freshness_.ttl
                       : freshness_.mode == Freshness::Mode::kAlways ? Duration(0)
                                                                     : std::chrono::hours(1000);
  return exists ? ttl : std::min(ttl, kNegativeTtl);
}

const MemoryOrigin::State& Scenario::StateOf(const std::string& key, std::string_view etag) const {
  const uint64_t version = MemoryOrigin::VersionOf(etag);
  return *std::ranges::find(origin_.history.at(key), version, &MemoryOrigin::State::version);
}

/// What an open that began then was told (no etag: that there is nothing) must have been so at some
/// moment since then, or so long before as the policy allows; and no acknowledged write is hidden.
Result<void> Scenario::CheckState(const std::string& key, Instant began, uint64_t acknowledged,
                                  const std::string* etag) const {
  const Instant oldest = began + -Staleness(etag != nullptr);
  std::vector<MemoryOrigin::State> states{{.from = {INT64_MIN}}};
  if (const auto known = origin_.history.find(key); known != origin_.history.end()) {
    states.insert(states.end(), known->second.begin(), known->second.end());
  }
  for (size_t i = 0; i < states.size(); ++i) {
    const Instant until = i + 1 < states.size() ? states[i + 1].from : Instant::Never();
    const bool same = etag == nullptr
                          ? !states[i].exists
                          : states[i].exists && states[i].version == MemoryOrigin::VersionOf(*etag);
    if (same && until >= oldest && states[i].version >= acknowledged) return {};
  }
  return Fail(Broken(fmt::format("{} was opened as {}, which is too old (acknowledged: v{})", key,
                                 etag == nullptr ? "nothing" : *etag, acknowledged)));
}

Task<Result<void>> Scenario::ReadOne(std::shared_ptr<Handle> handle, uint64_t offset,
                                     uint32_t size) {
  const ResolvedObject& object = ObjectOf(*handle);
  const MemoryOrigin::State state = StateOf(object.key, object.info.etag);
  if (object.info.size != state.size) co_return Fail(Broken("the size is not the version's"));
  Call call;
  if (faulty_ && fault_prng_.OneIn(6))
    call.deadline = env().clock.Now() + milliseconds(fault_prng_.Below(300));
  auto result = co_await node_->Read(self(), handle, offset, size, call, nullptr);
  if (!result) co_return Fail(result.error());
  const uint64_t begin = std::min(offset, state.size);
  if (result->size != std::min<uint64_t>(size, state.size - begin)) {
    co_return Fail(Broken(fmt::format("{} bytes of {} at {}", result->size, object.key, offset)));
  }
  uint64_t at = begin;
  for (const ReadResult::Piece& piece : result->all()) {
    if (!IsContent(state.seed, at, piece.view.bytes())) {
      co_return Fail(
          Broken(fmt::format("wrong bytes of {} {} at {}", object.key, object.info.etag, at)));
    }
    at += piece.view.bytes().size();
  }
  co_return Result<void>();
}

// -- What users do

Task<Result<void>> Scenario::ReadSome(std::string key, Prng* prng) {
  const Instant began = world_.Now();
  const uint64_t acknowledged = acknowledged_[key];
  auto opened = co_await node_->Open(self(), "/data/" + key, {}, {}, nullptr);
  const bool nothing = !opened && opened.error().code() == Code::kNotFound;
  if (!opened && !nothing) co_return Fail(opened.error());
  const std::string etag = nothing ? "" : ObjectOf(**opened).info.etag;
  FB_CO_TRY(CheckState(key, began, acknowledged, nothing ? nullptr : &etag));
  if (nothing) co_return Result<void>();
  const uint64_t size = ObjectOf(**opened).info.size;
  const auto step = static_cast<uint32_t>(1 + prng->Below(700'000));
  const bool in_order = prng->OneIn(2);
  uint64_t offset = 0;
  for (uint64_t reads = 1 + prng->Below(5); reads > 0; --reads) {
    if (!in_order) offset = prng->Below(size + 10);
    const auto read = co_await ReadOne(*opened, offset, step);
    if (!read) co_return read;
    offset += step;
    if (prng->OneIn(3)) FB_CO_TRY(co_await env().clock.Sleep(milliseconds(prng->Below(900))));
  }
  co_return Result<void>();
}

Task<Result<void>> Scenario::WriteOne(std::string key, Prng* prng) {
  if (prng->OneIn(4)) {
    const auto removed = co_await node_->Delete(self(), "/data/" + key, {}, {});
    // The version of the removal is the newest that there was when it was told.
    if (removed && !origin_.history[key].back().exists) {
      acknowledged_[key] = std::max(acknowledged_[key], origin_.history[key].back().version);
    }
    co_return removed;
  }
  std::vector<std::byte> bytes(8 + prng->Below(prng->OneIn(3) ? 2 * kMiB : 100'000));
  StoreTo(bytes.data(), prng->Next());
  FB_CO_ASSIGN(auto upload, co_await node_->Put(self(), "/data/" + key, {}, {}));
  const Bytes part(bytes);
  FB_CO_TRY(co_await upload->Write({&part, 1}, {}));
  FB_CO_ASSIGN(const ObjectInfo info, co_await upload->Commit({}));
  acknowledged_[key] = std::max(acknowledged_[key], MemoryOrigin::VersionOf(info.etag));
  co_return Result<void>();
}

Task<Result<void>> Scenario::Other(std::string key, Prng* prng) {
  switch (prng->Below(6)) {
    case 0: {
      FB_CO_ASSIGN(const uint64_t bytes, co_await node_->Evict(self(), "/data/" + key, {}));
      static_cast<void>(bytes);
      break;
    }
    case 1: {
      FB_CO_ASSIGN(const auto where, co_await node_->Locate(self(), "/data/" + key, {}));
      if (where.memory_bytes > where.object.info.size) co_return Fail(Broken("more than all"));
      break;
    }
    case 2: {
      const auto page = co_await node_->List(self(), "/data/dir/", {}, {}, nullptr);
      if (!page) co_return Fail(page.error());
      break;
    }
    case 3: {
      FB_CO_ASSIGN(auto handle, co_await node_->Open(self(), "/data/" + key, {}, {}, nullptr));
      FB_CO_ASSIGN(const uint64_t all,
                   co_await node_->Fetch(self(), handle, 0, UINT64_MAX, {}, nullptr));
      if (all != ObjectOf(*handle).info.size) co_return Fail(Broken("fetched something else"));
      break;
    }
    case 4:
      registry_state_.away = !calm_now_ && prng->OneIn(2);
      break;
    default:
      // Somebody else writes.
      if (freshness_.mode == Freshness::Mode::kImmutable) break;
      world_.faults().Of("origin.changed_elsewhere").Fire();
      if (prng->OneIn(4)) {
        origin_.Remove(key);
      } else {
        // Often of the same size: then only the version tells it from what it was.
        const bool same = origin_.Has(key) && !prng->OneIn(3);
        const uint64_t other = prng->Below(prng->OneIn(2) ? 3 * kMiB : 50'000);
        origin_.Set(key, prng->Next(), same ? origin_.history[key].back().size : other);
      }
  }
  co_return Result<void>();
}

Task<Result<void>> Scenario::Step(Prng* prng) {
  std::string key = Key(prng->Below(kKeys));
  const uint64_t what = prng->Below(10);
  if (what < 7 || !faulty_) co_return co_await ReadSome(std::move(key), prng);
  if (what < 8) co_return co_await WriteOne(std::move(key), prng);
  co_return co_await Other(std::move(key), prng);
}

Task<void> Scenario::User(uint64_t seed) {
  Prng prng(seed);
  for (int step = 0; step < kStepsOfALife && !machine_.crashed() && result_; ++step) {
    const auto done = co_await Step(&prng);
    if (!done) {
      const Code code = done.error().code();
      const bool never = code == Code::kInternal || code == Code::kCorrupt ||
                         code == Code::kInvalidArgument || !faulty_;
      if (never && result_) result_ = done;
    }
    if (prng.OneIn(3)) {
      static_cast<void>(co_await env().clock.Sleep(milliseconds(prng.Below(400))));
    }
  }
}

/// Once the faults have stopped, everything works.
Task<Result<void>> Scenario::CheckAll() {
  for (uint64_t n = 0; n < kKeys; ++n) {
    const bool exists = origin_.Has(Key(n));
    auto opened = co_await node_->Open(self(), "/data/" + Key(n), {}, {}, nullptr);
    if (!opened && opened.error().code() == Code::kNotFound && !exists) continue;
    if (!opened) co_return Fail(Broken("after the faults: " + opened.error().ToString()));
    for (uint64_t at = 0; at < ObjectOf(**opened).info.size; at += kMiB) {
      const auto read = co_await ReadOne(*opened, at, kMiB);
      const bool in_time = !read && read.error().code() == Code::kDeadlineExceeded;
      if (!read && !in_time) {
        co_return Fail(Broken(
            fmt::format("after the faults, {} at {}: {}", Key(n), at, read.error().ToString())));
      }
    }
  }
  co_return Result<void>();
}

Result<void> Scenario::Live(int life) {
  FB_TRY(StartNode());
  TaskGroup users(world_.env().executor);
  for (int i = 0; i < kUsers; ++i) users.Spawn(User(prng_.Next()));
  const bool crash = faulty_ && life + 1 < kLives && prng_.Below(4) != 0;
  if (crash) {
    world_.RunFor(milliseconds(prng_.Below(6000)));
    machine_.Crash(prng_.OneIn(2) ? sim::CrashKind::kPower : sim::CrashKind::kProcess);
  }
  world_.Run(JoinAll(&users));
  registry_state_.away = false;
  if (result_ && !crash && life + 1 == kLives) {
    calm_now_ = true;
    world_.RunFor(seconds(20));
    result_ = world_.Run(CheckAll());
  }
  StopNode();
  if (crash) machine_.Restart();
  return result_;
}

Result<void> Scenario::CheckCalm() {
  uint64_t all = 0;
  for (const auto& [key, states] : origin_.history) all += states.back().size;
  if (origin_.bytes_given <= all) return {};
  return Fail(
      Broken(fmt::format("{} bytes were fetched of objects of {}", origin_.bytes_given, all)));
}

Result<void> Scenario::Run() {
  SetUpOrigin();
  for (int life = 0; life < (faulty_ ? kLives : 1); ++life) FB_TRY(Live(life));
  return faulty_ ? Result<void>() : CheckCalm();
}

}  // namespace

Result<void> RunFaultyNode(sim::World& world) {
  return Scenario(world, true).Run();
}

Result<void> RunCalmNode(sim::World& world) {
  return Scenario(world, false).Run();
}

sim::WorldOptions NodeFaults(uint64_t seed) {
  sim::WorldOptions options;
  if (seed % 3 == 0) {
    options.disk.faults.flip_at_rest = 0.1;
    options.disk.faults.flip_on_read = 0.05;
    options.disk.faults.read_error = 0.01;
  }
  if (seed % 2 == 1) options.disk.crash = {.keep = 0.3, .lose = 0.1};
  return options;
}

}  // namespace forebay::node_testing
