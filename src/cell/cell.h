// A node in its cell: its lease, the map that it follows, and its turn as the cell's controller.
// All who live stand for election; everything the controller writes depends on what it saw last, so
// one that was paused and wakes up too late finds its writes refused.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "src/cell/view.h"
#include "src/core/membership/controller.h"
#include "src/registry/registry.h"
#include "src/runtime/task_group.h"

namespace forebay {

struct CellOptions {
  std::string name;  // unique in the cell, and kept over restarts
  Member member;
  /// Of its lease: how long the cell waits for a node that is silent.
  Duration lease = std::chrono::seconds(10);
  /// Called with every epoch, from the one before this node joined on.
  std::function<void(std::shared_ptr<const CellView>)> on_view;
  /// Called with every renewal of the lease: until when no map leaves this node out. Not at once
  /// after it ran out: once the node goes by a map of the time of its new one.
  std::function<void(Instant)> on_lease;
};

/// Used from its own loop.
class Cell {
 public:
  /// Returns when the node has its lease and stands in the map. kAlreadyExists: another node of
  /// this name lives. What cannot be reached is tried until `call` ends.
  static Task<Result<std::unique_ptr<Cell>>> Join(Env& env, CellOptions options, Registry& registry,
                                                  Call call);
  /// Leave must have been awaited.
  ~Cell();
  /// Gives the lease back, so that nobody waits for it to run out.
  Task<void> Leave();

  const std::shared_ptr<const CellView>& view() const { return view_; }
  bool controls() const { return controlling_; }
  const std::string& controller() const { return controller_; }
  /// Dead who stay in the map because too many went at once; known to the controller alone.
  uint32_t frozen() const { return frozen_; }
  /// From now on the node owns nothing, or owns again. Returns when this node's map says so; after
  /// a restart it owns.
  Task<Result<void>> SetLeaving(bool leaving, Call call);
  /// Says that what seems dead is dead.
  Task<Result<void>> AcceptLosses(Call call);

 private:
  Cell(Env& env, CellOptions options, Registry& registry);

  // cell.cc
  Task<Result<void>> TakeLease(Call call);
  Task<Result<void>> CheckName(Call call);
  void Hold(Instant asked);
  Task<void> RunLease();
  Task<Result<void>> Renew();
  Task<void> RunFollowing();
  Task<Result<void>> FollowOnce();
  void Take(const RegistryEntry& entry, bool removed);
  void Publish();
  Call Patient();

  // control.cc
  Task<void> RunControl();
  Task<Result<void>> Elect();
  Task<Result<void>> Control();
  Task<Result<void>> Write(Controller::Step step);
  Task<void> WatchMembers(std::shared_ptr<Controller::Present> present, Revision since,
                          CancelToken stop);

  Env& env_;
  const CellOptions options_;
  Member member_;  // what stands in the registry of this node
  Registry& registry_;
  LeaseId lease_ = 0;        // 0: none, or nothing stands under it
  Revision epoch_then_ = 0;  // of the map's epoch, when the lease was taken

  // The map as the registry has it, and the revisions that changes of it depend on; below 0 where
  // the key was removed then.
  CellMap map_;
  std::map<std::string, Revision, std::less<>> revisions_;
  Revision known_ = 0;  // up to here the map is what the registry had
  std::string controller_;
  uint64_t accept_until_ = 0;
  std::shared_ptr<const CellView> view_;

  bool controlling_ = false;
  bool members_changed_ = false;
  uint32_t frozen_ = 0;

  CancelSource stop_;
  TaskGroup group_;
};

}  // namespace forebay
