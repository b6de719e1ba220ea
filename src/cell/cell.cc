#include "src/cell/cell.h"

#include <fmt/format.h>

#include <algorithm>

namespace forebay {
namespace {

constexpr int kRenewals = 3;  // tries within a lease
/// Of one request to the registry.
constexpr Duration kPatience = std::chrono::seconds(5);
constexpr Duration kPause = std::chrono::milliseconds(500);
/// A lease is taken for over so much of it earlier: clocks do not run alike.
constexpr int kDrift = 20;

}  // namespace

Cell::Cell(Env& env, CellOptions options, Registry& registry)
    : env_(env),
      options_(std::move(options)),
      member_(options_.member),
      registry_(registry),
      group_(env.executor) {}

Cell::~Cell() {
  FB_ASSERT(group_.running() == 0);
}

Call Cell::Patient() {
  return {.deadline = env_.clock.Now() + kPatience, .cancel = stop_.token()};
}

Task<Result<std::unique_ptr<Cell>>> Cell::Join(Env& env, CellOptions options, Registry& registry,
                                               Call call) {
  FB_CO_TRY(CheckNodeName(options.name));
  FB_CO_TRY(options.member.Validate());
  std::unique_ptr<Cell> cell(new Cell(env, std::move(options), registry));
  Result<void> taken;
  do {
    taken = co_await cell->TakeLease(call);
    // A former life of ours, without its data, is still believed to be there: that passes.
    const bool passes =
        !taken && (taken.error().retryable() || taken.error().code() == Code::kAlreadyExists);
    if (!passes || !co_await env.clock.Sleep(kPause, call.cancel)) break;
  } while (env.clock.Now() < call.deadline);
  if (!taken) co_return Fail(taken.error().Within("cell"));

  cell->group_.Spawn(cell->RunLease());
  cell->group_.Spawn(cell->RunFollowing());
  cell->group_.Spawn(cell->RunControl());
  const auto stands = [&] {
    return cell->view_ != nullptr && cell->view_->self != Placement::kNobody &&
           cell->view_->map.Lives(cell->view_->self);
  };
  while (!stands() && env.clock.Now() < call.deadline) {
    if (!co_await env.clock.Sleep(kPause / 10, call.cancel)) break;
  }
  if (stands()) co_return std::move(cell);
  co_await cell->Leave();
  co_return Fail(Code::kUnavailable, "cell: the map did not take this node up in time");
}

Task<void> Cell::Leave() {
  stop_.Cancel();
  co_await group_.Join();
  if (options_.on_lease) options_.on_lease({});
  if (lease_ != 0) {
    std::ignore =
        co_await registry_.RevokeLease(lease_, {.deadline = env_.clock.Now() + kPatience});
    lease_ = 0;
  }
}

// -- The lease

/// Whether the name is free, or our own of a former life.
Task<Result<void>> Cell::CheckName(Call call) {
  FB_CO_ASSIGN(const auto known,
               co_await registry_.Get(std::string(kMembersPrefix) + options_.name, call));
  if (!known || known->lease == lease_) co_return Result<void>();
  const auto other = ParseMember(known->value);
  if (!other || other->incarnation == member_.incarnation) co_return Result<void>();
  co_return Fail(Code::kAlreadyExists,
                 fmt::format("a node named {} lives at {}, with other data; give this one another "
                             "name (--name), or wait until that one is gone",
                             options_.name, other->address));
}

Task<Result<void>> Cell::TakeLease(Call call) {
  FB_CO_TRY(co_await CheckName(call));
  const Instant asked = env_.clock.Now();
  FB_CO_ASSIGN(const LeaseId lease, co_await registry_.GrantLease(options_.lease, call));
  const auto put = co_await registry_.Put(std::string(kMembersPrefix) + options_.name,
                                          Serialize(member_), {}, lease, call);
  if (!put) co_return Fail(put.error());
  FB_CO_ASSIGN(const auto epoch, co_await registry_.Get(std::string(kMapEpochKey), call));
  epoch_then_ = epoch ? epoch->modified : 0;
  lease_ = lease;  // not before: it would be kept alive with nothing under it
  Hold(asked);
  co_return Result<void>();
}

/// Until the lease that was asked for then ends, unless this node may have been left out before it
/// and does not know yet.
void Cell::Hold(Instant asked) {
  if (view_ != nullptr && known_ < epoch_then_) return;
  if (options_.on_lease) options_.on_lease(asked + (options_.lease - options_.lease / kDrift));
}

Task<Result<void>> Cell::Renew() {
  if (lease_ != 0) {
    const Instant asked = env_.clock.Now();
    auto kept = co_await registry_.KeepAlive(lease_, Patient());
    if (kept) Hold(asked);
    if (kept || kept.error().code() != Code::kNotFound) co_return kept;
    lease_ = 0;
    if (options_.on_lease) options_.on_lease({});
    env_.log.Warning("cell", "the lease has run out; joining again");
  }
  co_return co_await TakeLease(Patient());
}

Task<void> Cell::RunLease() {
  bool good = true;
  while (co_await env_.clock.Sleep(options_.lease / kRenewals, stop_.token())) {
    const auto renewed = co_await Renew();
    if (renewed.has_value() == good) continue;
    good = renewed.has_value();
    if (good) {
      env_.log.Info("cell", "the registry is back");
    } else if (!stop_.cancelled()) {
      env_.log.Warning("cell", "lease: " + renewed.error().ToString());
    }
  }
}

Task<Result<void>> Cell::SetLeaving(bool leaving, Call call) {
  if (lease_ == 0) co_return Fail(Code::kUnavailable, "this node is not in its cell just now");
  Member member = member_;
  member.leaving = leaving;
  const auto put = co_await registry_.Put(std::string(kMembersPrefix) + options_.name,
                                          Serialize(member), {}, lease_, call);
  if (!put) co_return Fail(put.error());
  member_ = std::move(member);
  const auto known = [&] {
    const auto self = view_->map.nodes.find(options_.name);
    return self != view_->map.nodes.end() && self->second.member.leaving == leaving;
  };
  while (!known()) {
    if (env_.clock.Now() >= call.deadline) {
      co_return Fail(Code::kDeadlineExceeded, "the map does not say so yet; ask again");
    }
    FB_CO_TRY(co_await env_.clock.Sleep(kPause / 10, call.cancel));
  }
  co_return Result<void>();
}

Task<Result<void>> Cell::AcceptLosses(Call call) {
  const auto put = co_await registry_.Put(std::string(kAcceptKey),
                                          std::to_string(map_.epoch.number), {}, 0, call);
  if (!put) co_return Fail(put.error());
  co_return Result<void>();
}

// -- The map

void Cell::Publish() {
  view_ = std::make_shared<const CellView>(map_, options_.name);
  if (options_.on_view) options_.on_view(view_);
}

/// What cannot be read is said and left out: it may be of a later version, or nobody's.
void Cell::Take(const RegistryEntry& entry, bool removed) {
  const std::string_view key = entry.key;
  Revision& revision = revisions_[entry.key];
  if (entry.modified <= std::abs(revision)) return;  // what this node wrote itself is newer
  revision = removed ? -entry.modified : entry.modified;
  Result<void> good;
  if (key == kControllerKey) {
    controller_ = removed ? "" : entry.value;
  } else if (key == kAcceptKey) {
    accept_until_ = removed ? 0 : std::strtoull(entry.value.c_str(), nullptr, 10);
    members_changed_ = true;
  } else if (key == kMapEpochKey && !removed) {
    auto epoch = ParseEpoch(entry.value);
    if (epoch) map_.epoch = std::move(*epoch);
    if (!epoch) good = Fail(epoch.error());
  } else if (key.starts_with(kMapNodesPrefix)) {
    const std::string name(key.substr(kMapNodesPrefix.size()));
    auto node = removed ? Result<MapNode>(Fail(Code::kNotFound, "")) : ParseMapNode(entry.value);
    if (node && CheckNodeName(name)) {
      map_.nodes[name] = std::move(*node);
    } else {
      map_.nodes.erase(name);
      if (!removed) good = Fail(node ? CheckNodeName(name).error() : node.error());
    }
  }
  if (!good) env_.log.Error("cell", fmt::format("{}: {}", entry.key, good.error().ToString()));
}

Task<Result<void>> Cell::FollowOnce() {
  const std::string prefix(kMapPrefix);
  FB_CO_ASSIGN(const RegistrySnapshot snapshot, co_await registry_.List(prefix, Patient()));
  map_ = {};
  revisions_.clear();
  controller_.clear();
  for (const RegistryEntry& entry : snapshot.entries) Take(entry, false);
  known_ = snapshot.revision;
  if (map_.epoch.number > 0) Publish();
  FB_CO_ASSIGN(const auto watch, co_await registry_.Watch(prefix, known_, Patient()));
  for (;;) {
    auto changes = co_await watch->Next({.cancel = stop_.token()});
    if (!changes) co_return Fail(changes.error());
    // One after the other: who skips an epoch does not know who owned what by it.
    for (const RegistryChange& change : *changes) {
      const uint64_t before = map_.epoch.number;
      Take(change.entry, change.removed);
      known_ = std::max(known_, change.entry.modified);
      if (map_.epoch.number != before) Publish();
    }
  }
}

/// While the registry is away the last map stands.
Task<void> Cell::RunFollowing() {
  do {
    const auto followed = co_await FollowOnce();
    const Code code = followed ? Code::kCorrupt : followed.error().code();
    if (code != Code::kCorrupt && code != Code::kCancelled) {
      env_.log.Warning("cell", "map: " + followed.error().ToString());
    }
  } while (co_await env_.clock.Sleep(kPause, stop_.token()));
}

}  // namespace forebay
