#include "src/runtime/waiters.h"

#include <utility>

#include "src/base/assert.h"

namespace forebay {
namespace {

void CancelIt(void* source) {
  static_cast<CancelSource*>(source)->Cancel();
}

}  // namespace

LinkedCall::LinkedCall(const Call& call, CancelToken also)
    : deadline_(call.deadline), trace_(call.trace) {
  if (!call.cancel.Listen(first_, CancelIt, &source_)) source_.Cancel();
  if (!also.Listen(second_, CancelIt, &source_)) source_.Cancel();
}

Task<Result<void>> Parking::Wait(Env& env, Call call) {
  CancelListener listener;
  if (!call.cancel.Listen(listener, CancelIt, &ended_)) {
    co_return Fail(Code::kCancelled, "given up");
  }
  if (woken_) co_return Result<void>();
  const auto slept = co_await env.clock.SleepUntil(call.deadline, ended_.token());
  if (woken_) co_return Result<void>();
  if (slept) co_return Fail(Code::kDeadlineExceeded, "the deadline passed");
  co_return slept;
}

void Parking::Wake() {
  woken_ = true;
  ended_.Cancel();
}

Task<Result<void>> Waiters::Wait(Env& env, uint64_t need, Call call) {
  std::list<One> mine;  // linked into the others while it waits, without another allocation
  mine.emplace_back().need = need;
  One& one = mine.front();
  const auto at = mine.begin();
  waiting_.splice(waiting_.end(), mine);
  auto result = co_await one.parking.Wait(env, call);
  mine.splice(mine.end(), waiting_, at);
  co_return result;
}

/// Those woken leave the list themselves when they run.
void Waiters::Wake(uint64_t reached) {
  for (One& one : waiting_) {
    if (one.need <= reached) one.parking.Wake();
  }
}

bool Budget::TryTake(uint64_t units) {
  if (!queue_.empty() || units > free_) return false;
  free_ -= units;
  return true;
}

Task<Result<void>> Budget::Take(Env& env, uint64_t units, Call call) {
  FB_ASSERT(units <= all_);
  if (TryTake(units)) co_return Result<void>();
  One one{.units = units, .granted = false, .parking = {}};
  queue_.push_back(&one);
  auto result = co_await one.parking.Wait(env, call);
  if (!one.granted) {
    queue_.remove(&one);
    Serve();  // a smaller one behind may fit
  } else if (!result) {
    Give(units);
  }
  co_return result;
}

void Budget::Give(uint64_t units) {
  free_ += units;
  FB_ASSERT(free_ <= all_);
  Serve();
}

void Budget::Serve() {
  while (!queue_.empty() && queue_.front()->units <= free_) {
    One* one = queue_.front();
    queue_.pop_front();
    free_ -= one->units;
    one->granted = true;
    one->parking.Wake();
  }
}

}  // namespace forebay
