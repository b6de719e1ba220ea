// The controller's turn: whoever holds its key under a lease writes the map.
#include <fmt/format.h>

#include "src/cell/cell.h"

namespace forebay {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(100);
constexpr Duration kAfterFailure = std::chrono::seconds(1);
/// Before one stands for election, by chance up to this: not all 5,000 at once.
constexpr Duration kElectionSpread = std::chrono::milliseconds(500);

/// What is no record of a node is nobody.
void TakeMember(const RegistryEntry& entry, bool removed, Controller::Present* present) {
  const std::string name = entry.key.substr(kMembersPrefix.size());
  auto member = removed ? Result<Member>(Fail(Code::kNotFound, "")) : ParseMember(entry.value);
  if (member && CheckNodeName(name)) {
    (*present)[name] = std::move(*member);
  } else {
    present->erase(name);
  }
}

}  // namespace

Task<void> Cell::RunControl() {
  while (co_await env_.clock.Sleep(kLook, stop_.token())) {
    if (known_ == 0 || lease_ == 0) continue;  // has not seen the map, or may not write
    if (controller_.empty()) {
      const auto wait =
          static_cast<int64_t>(env_.rng.Next() % static_cast<uint64_t>(kElectionSpread.count()));
      if (!co_await env_.clock.Sleep(Duration(wait), stop_.token())) co_return;
      if (controller_.empty()) std::ignore = co_await Elect();
    }
    if (controller_ != options_.name) continue;
    controlling_ = true;
    const auto controlled = co_await Control();
    controlling_ = false;
    frozen_ = 0;
    if (controlled || stop_.cancelled()) continue;
    env_.log.Warning("cell", "control: " + controlled.error().ToString());
    if (!co_await env_.clock.Sleep(kAfterFailure, stop_.token())) co_return;
  }
}

Task<Result<void>> Cell::Elect() {
  FB_CO_ASSIGN(const Revision put,
               co_await registry_.Put(std::string(kControllerKey), options_.name, Expect::Absent(),
                                      lease_, Patient()));
  controller_ = options_.name;
  env_.log.Info("cell", fmt::format("this node controls the map from revision {} on", put));
  co_return Result<void>();
}

Task<void> Cell::WatchMembers(std::shared_ptr<Controller::Present> present, Revision since,
                              CancelToken stop) {
  auto watch = co_await registry_.Watch(std::string(kMembersPrefix), since, {.cancel = stop});
  while (watch) {
    auto changes = co_await (*watch)->Next({.cancel = stop});
    if (!changes) break;
    for (const RegistryChange& change : *changes) {
      TakeMember(change.entry, change.removed, present.get());
    }
    members_changed_ = true;
  }
  controlling_ = false;  // who does not hear of members controls nothing
}

/// Until this node is not the controller any more, or cannot tell.
Task<Result<void>> Cell::Control() {
  FB_CO_ASSIGN(const RegistrySnapshot snapshot,
               co_await registry_.List(std::string(kMembersPrefix), Patient()));
  auto present = std::make_shared<Controller::Present>();
  for (const RegistryEntry& entry : snapshot.entries) {
    TakeMember(entry, false, present.get());
  }
  CancelSource stop_watching;
  TaskGroup watching(env_.executor);
  watching.Spawn(WatchMembers(present, snapshot.revision, stop_watching.token()));

  Controller controller;
  members_changed_ = true;
  int64_t again_at = 0;
  Result<void> result;
  while (controlling_ && controller_ == options_.name && lease_ != 0) {
    const int64_t now = env_.clock.Now().ns;
    // The dead are looked at again while they are there: those that froze the map may be believed
    // a minute later.
    if (members_changed_ || frozen_ > 0 || (again_at > 0 && now >= again_at)) {
      members_changed_ = false;
      auto step = controller.Decide(now, map_, *present, accept_until_);
      again_at = step.again_at.value_or(0);
      if (step.frozen != frozen_ && step.frozen > 0) {
        env_.log.Error("cell",
                       fmt::format("{} nodes vanished at once: the map is frozen until they "
                                   "return, or `forebay map accept` says that they are dead",
                                   step.frozen));
      }
      frozen_ = step.frozen;
      if (step.epoch) {
        const bool nodes = !step.nodes.empty();
        result = co_await Write(std::move(step));
        if (!result) break;
        controller.Wrote(now);
        if (nodes) members_changed_ = true;  // or somebody came while it was written
      }
    }
    if (!co_await env_.clock.Sleep(kLook, stop_.token())) break;
  }
  stop_watching.Cancel();
  co_await watching.Join();
  co_return result;
}

/// Each write depends on what was last seen there. The epoch comes last: it names nobody whose
/// record is not there.
Task<Result<void>> Cell::Write(Controller::Step step) {
  const auto seen = [this](const std::string& key) {
    const auto known = revisions_.find(key);
    const bool there = known != revisions_.end() && known->second > 0;
    return there ? Expect::ModifiedAt(known->second) : Expect::Absent();
  };
  for (auto& [name, node] : step.nodes) {
    const std::string key = std::string(kMapNodesPrefix) + name;
    FB_CO_ASSIGN(const Revision put,
                 co_await registry_.Put(key, Serialize(node), seen(key), 0, Patient()));
    revisions_[key] = put;
    map_.nodes[name] = std::move(node);
  }
  const std::string key(kMapEpochKey);
  FB_CO_ASSIGN(const Revision put,
               co_await registry_.Put(key, Serialize(*step.epoch), seen(key), 0, Patient()));
  // Another controller's next one may have come by the watch before our answer.
  if (put <= revisions_[key]) co_return Result<void>();
  revisions_[key] = put;
  map_.epoch = std::move(*step.epoch);
  Publish();
  co_return Result<void>();
}

}  // namespace forebay
