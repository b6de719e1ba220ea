#include "sim/process.h"

#include <map>
#include <utility>

#include <fmt/format.h>

#include "sim/node.h"
#include "sim/sim_disk.h"
#include "sim/sim_http.h"
#include "sim/sim_local.h"
#include "sim/sim_memory.h"
#include "sim/sim_net.h"
#include "sim/world.h"

namespace forebay::sim {
namespace {

/// More questions than this from a dead process are a loop that ignores kCancelled.
constexpr uint64_t kMaxZombieQuestions = 1'000'000;

}  // namespace

Wait::Wait(Process& process, const char* what, const Call& call, Instant timer)
    : process_(process), what_(what) {
  if (process.dead()) {
    end_ = WaitEnd::kCancelled;
    return;
  }
  const auto cancelled = [](void* self) { static_cast<Wait*>(self)->End(WaitEnd::kCancelled); };
  if (!call.cancel.Listen(listener_, cancelled, this)) {
    end_ = WaitEnd::kCancelled;
    return;
  }
  next_ = std::exchange(process_.first_wait_, this);
  if (next_ != nullptr) next_->previous_ = this;
  if (call.deadline < timer) {
    StartTimer(call.deadline, WaitEnd::kDeadline);
  } else {
    StartTimer(timer, WaitEnd::kTimer);
  }
}

void Wait::StartTimer(Instant at, WaitEnd end) {
  if (at == Instant::Never()) return;
  World& world = process_.world();
  timer_ = world.At(at, [this, end] {
    timer_ = 0;
    process_.Note(Happening::kTimer, 0);
    End(end);
  });
}

void Wait::End(WaitEnd end) {
  if (end_ != WaitEnd::kPending) return;
  end_ = end;
  Leave();
  if (handle_) process_.world().Post(process_.node().id(), handle_);
}

void Wait::Leave() {
  listener_.Unlink();
  if (timer_ != 0) process_.world().Unschedule(std::exchange(timer_, 0));
  const bool linked = previous_ != nullptr || next_ != nullptr || process_.first_wait_ == this;
  if (!linked) return;
  (previous_ != nullptr ? previous_->next_ : process_.first_wait_) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
  previous_ = next_ = nullptr;
}

Error WaitError(WaitEnd end, std::string_view what) {
  if (end == WaitEnd::kDeadline) {
    return Error(Code::kDeadlineExceeded, fmt::format("{}: the deadline passed", what));
  }
  return Error(Code::kCancelled, fmt::format("{}: given up", what));
}

struct Process::Seams {
  explicit Seams(Process& process)
      : executor(process),
        clock(process),
        net(process),
        disk(process),
        http(process),
        memory(process),
        rng(process),
        faults(process),
        log(process),
        env{executor, clock, net, disk, http, memory, rng, faults, log} {}

  SimExecutor executor;
  SimClock clock;
  SimNet net;
  SimDisk disk;
  SimHttp http;
  SimMemory memory;
  SimRng rng;
  SimFaults faults;
  SimLog log;
  Env env;
};

Process::Process(World& world, Node& node, uint32_t incarnation)
    : world_(world), node_(node), incarnation_(incarnation) {
  seams_ = std::make_unique<Seams>(*this);
}

Process::~Process() = default;

Env& Process::env() {
  return seams_->env;
}

void Process::Die() {
  dead_ = true;
  while (first_wait_ != nullptr) first_wait_->End(WaitEnd::kCancelled);
}

void Process::Note(Happening kind, uint64_t value) {
  world_.Note(kind, node_.id(), value);
}

Result<void> Process::CheckAlive() {
  if (!dead_) return {};
  if (++asked_when_dead_ > kMaxZombieQuestions) {
    world_.Fail(
        fmt::format("the crashed process of node '{}' keeps asking: a loop in it ignores "
                    "kCancelled",
                    node_.name()));
  }
  return forebay::Fail(Code::kCancelled, "node '" + node_.name() + "' has crashed");
}

Task<Result<void>> Process::Until(Instant until, const char* what, Call call) {
  FB_CO_TRY(CheckAlive());
  Wait wait(*this, what, call, until);
  const WaitEnd end = co_await wait;
  if (end == WaitEnd::kTimer || end == WaitEnd::kWoken) co_return Result<void>();
  co_return forebay::Fail(WaitError(end, what));
}

std::string Process::DescribeWaits() const {
  std::map<std::string, int> counts;
  for (const Wait* wait = first_wait_; wait != nullptr; wait = wait->next_) ++counts[wait->what_];
  std::string text;
  for (const auto& [what, count] : counts) {
    text += fmt::format("{}{} x{}", text.empty() ? "" : ", ", what, count);
  }
  return text;
}

}  // namespace forebay::sim
