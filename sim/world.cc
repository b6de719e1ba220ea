#include "sim/world.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "sim/sim_device.h"
#include "sim/sim_http.h"
#include "sim/sim_network.h"
#include "src/base/hash.h"

namespace forebay::sim {
namespace {

/// Lines of the log that a failure prints.
constexpr size_t kLinesInReport = 60;

}  // namespace

World::World(uint64_t seed, WorldOptions options)
    : seed_(seed),
      options_(std::move(options)),
      digest_(Mix64(seed)),
      chance_(SeedFor("world", 0)),
      memory_refused_(faults_.Of("memory.refused")),
      disk_counts_(std::make_unique<DiskCounts>(faults_)),
      log_(*this),
      network_(std::make_unique<Network>(*this)),
      http_(std::make_unique<HttpWorld>(*this)) {
  nodes_.push_back(std::make_unique<Node>(*this, 0, "test", NodeOptions{}));
}

World::~World() {
  for (const auto& node : nodes_) node->Stop();
  RunReady();
  network_->Close();
}

Node& World::AddNode(std::string name, NodeOptions options) {
  FB_ASSERT(by_name_.find(name) == by_name_.end());
  const auto id = static_cast<uint32_t>(nodes_.size());
  nodes_.push_back(std::make_unique<Node>(*this, id, name, std::move(options)));
  by_name_.emplace(std::move(name), nodes_.back().get());
  return *nodes_.back();
}

Node* World::FindNode(std::string_view name) {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

HttpServer& World::AddHttpServer(std::string base, HttpHandler handler) {
  return http_->Add(std::move(base), std::move(handler));
}

EventId World::At(Instant when, EventQueue::Callback callback) {
  return queue_.Add(std::max(when.ns, now_ns_), std::move(callback));
}

void World::Post(uint32_t node, std::coroutine_handle<> handle) {
  Note(Happening::kPost, node, ready_.size());
  ready_.push_back(handle);
}

void World::Note(Happening kind, uint32_t node, uint64_t value) {
  const uint64_t what = (static_cast<uint64_t>(kind) << 56) ^ (static_cast<uint64_t>(node) << 24);
  digest_ = Mix64(digest_ ^ Mix64(value ^ what) ^ static_cast<uint64_t>(now_ns_));
}

uint64_t World::Digest() const {
  Prng copy = chance_;  // asking changes nothing
  return Mix64(digest_ ^ copy.Next());
}

uint64_t World::SeedFor(std::string_view part, uint64_t a, uint64_t b) const {
  return Mix64(HashBytes(AsBytes(part), seed_).hi ^ Mix64(a ^ Mix64(b)));
}

void World::RunReady() {
  while (!ready_.empty()) {
    if (++resumed_at_now_ > options_.livelock_after) Fail("livelock: something never waits");
    const auto next = ready_.front();
    ready_.pop_front();
    next.resume();
  }
}

void World::FireNext() {
  if (queue_.next_time() > now_ns_) resumed_at_now_ = 0;
  now_ns_ = queue_.next_time();
  ++events_;
  queue_.Pop()();
}

void World::DriveUntilDone(const TaskGroup& group) {
  const Instant limit = Now() + options_.time_limit;
  for (;;) {
    RunReady();
    if (group.running() == 0) return;
    if (queue_.empty()) Fail("deadlock: nothing will ever happen again; " + DescribeWaits());
    if (queue_.next_time() > limit.ns) Fail("no end within the time limit; " + DescribeWaits());
    FireNext();
  }
}

void World::RunFor(Duration time) {
  const int64_t end = (Now() + time).ns;
  RunReady();
  while (!queue_.empty() && queue_.next_time() <= end) {
    FireNext();
    RunReady();
  }
  now_ns_ = end;
}

void World::SetNamedFault(std::string point, double rate) {
  FaultCount* count = &faults_.Of(point);
  named_faults_.insert_or_assign(std::move(point), NamedFault{rate, count});
}

bool World::NamedFaultFires(std::string_view point) {
  auto found = named_faults_.find(point);
  if (found == named_faults_.end()) {
    static constexpr double kRates[] = {0.01, 0.1, 0.5};
    Prng own(SeedFor(point, 1));
    const bool on = options_.named_faults && own.OneIn(4);
    SetNamedFault(std::string(point), on ? kRates[own.Below(3)] : 0);
    found = named_faults_.find(point);
  }
  const bool fires = found->second.count->Chance(chance_, found->second.rate);
  if (fires) Note(Happening::kFault, 0, 0);
  return fires;
}

std::string World::DescribeWaits() const {
  std::string text = "waiting:";
  for (const auto& node : nodes_) {
    const std::string waits = node->DescribeWaits();
    if (!waits.empty()) text += fmt::format(" {} ({})", node->name(), waits);
  }
  return text == "waiting:" ? "no coroutine waits for a seam" : text;
}

void World::Fail(std::string_view why) {
  const auto& lines = log_.lines();
  for (size_t i = lines.size() - std::min(lines.size(), kLinesInReport); i < lines.size(); ++i) {
    fmt::print(stderr, "{}\n", lines[i]);
  }
  fmt::print(stderr, "simulation, seed {}, at {:.6f} s: {}\n", seed_,
             static_cast<double>(now_ns_) * 1e-9, why);
  if (!options_.rerun.empty()) fmt::print(stderr, "run again: {}\n", options_.rerun);
  std::fflush(stderr);
  std::abort();
}

}  // namespace forebay::sim
