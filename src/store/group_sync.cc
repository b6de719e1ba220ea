#include "src/store/group_sync.h"

#include <fmt/format.h>

#include <coroutine>
#include <utility>

#include "src/store/tier_files.h"

namespace forebay {

/// Suspends until somebody's round is done or it is our turn to lead one. Ready at once where no
/// sync runs.
struct GroupSync::Join {
  GroupSync& group;
  Waiter& waiter;

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> self) {
    const std::scoped_lock lock(group.mutex_);
    if (!std::exchange(group.running_, true)) {
      waiter.leads = true;
      return false;
    }
    waiter.handle = self;
    group.waiting_.push_back(&waiter);
    return true;
  }
  void await_resume() const noexcept {}
};

uint64_t GroupSync::Mark() {
  const std::scoped_lock lock(mutex_);
  return failures_;
}

Task<Result<void>> GroupSync::Sync(Env& env, uint64_t mark) {
  Waiter waiter{.executor = &env.executor};
  co_await Join{*this, waiter};
  Result<void> result =
      waiter.leads ? co_await Lead(env, std::move(waiter.followers)) : waiter.result;
  if (result && Mark() != mark) {
    result = Fail(Code::kIoError,
                  fmt::format("{}: a sync failed since this was written: it counts as lost",
                              files_.directory()));
  }
  co_return result;
}

/// Syncs for ourselves and the followers, then hands the lead to the first of those who came
/// meanwhile.
Task<Result<void>> GroupSync::Lead(Env& env, std::vector<Waiter*> followers) {
  const Result<void> result = co_await files_.Sync(env);
  Waiter* next = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    if (!result) ++failures_;
    if (waiting_.empty()) {
      running_ = false;
    } else {
      next = waiting_.front();
      next->leads = true;
      next->followers.assign(waiting_.begin() + 1, waiting_.end());
      waiting_.clear();
    }
  }
  // A waiter lives in its coroutine's frame: it is not looked at once that may run.
  for (Waiter* follower : followers) {
    follower->result = result;
    follower->executor->Post(follower->handle);
  }
  if (next != nullptr) next->executor->Post(next->handle);
  co_return result;
}

}  // namespace forebay
