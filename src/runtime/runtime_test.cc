#include <gtest/gtest.h>

#include <deque>
#include <vector>

#include "src/runtime/cancel.h"
#include "src/runtime/env.h"
#include "src/runtime/sync.h"
#include "src/runtime/task.h"
#include "src/runtime/task_group.h"

namespace forebay {
namespace {

/// The smallest executor there can be.
class Queue final : public Executor {
 public:
  void Post(std::coroutine_handle<> handle) override { ready_.push_back(handle); }
  bool IsCurrent() const override { return true; }
  void Drain() {
    while (!ready_.empty()) {
      const auto next = ready_.front();
      ready_.pop_front();
      next.resume();
    }
  }

 private:
  std::deque<std::coroutine_handle<>> ready_;
};

Task<int> Sum(int n) {
  if (n == 0) co_return 0;
  co_return n + co_await Sum(n - 1);
}

Task<void> Store(Task<int> from, int* to) {
  *to = co_await std::move(from);
}

TEST(Task, IsLazyAndGivesItsValue) {
  Queue queue;
  TaskGroup group(queue);
  int sum = 0;
  group.Spawn(Store(Sum(10), &sum));
  EXPECT_EQ(sum, 0);
  queue.Drain();
  EXPECT_EQ(sum, 55);
}

Task<int> One() {
  co_return 1;
}
Task<void> CountTo(int n, int* count) {
  for (int i = 0; i < n; ++i) *count += co_await One();
}

TEST(Task, AMillionAwaitsNeedNoStack) {
  Queue queue;
  TaskGroup group(queue);
  int count = 0;
  group.Spawn(CountTo(1'000'000, &count));
  queue.Drain();
  EXPECT_EQ(count, 1'000'000);
}

TEST(Task, UnawaitedTaskIsFreed) {
  static_cast<void>(Sum(3));
}

Task<void> Take(Executor& executor, Semaphore& semaphore, int name, std::vector<int>* order) {
  co_await semaphore.Acquire();
  order->push_back(name);
  co_await Yield(executor);
  semaphore.Release();
}

TEST(Semaphore, ServesInOrderAndNeverExceedsItsUnits) {
  Queue queue;
  TaskGroup group(queue);
  Semaphore semaphore(queue, 2);
  std::vector<int> order;
  for (int i = 0; i < 5; ++i) group.Spawn(Take(queue, semaphore, i, &order));
  queue.Drain();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_EQ(semaphore.available(), 2u);
}

Task<void> JoinThenMark(TaskGroup& group, bool* joined) {
  co_await group.Join();
  *joined = true;
}

Task<void> AwaitEvent(Event& event, int* seen) {
  co_await event.Wait();
  ++*seen;
}

TEST(TaskGroup, JoinWaitsForAll) {
  Queue queue;
  TaskGroup outer(queue), inner(queue);
  Event event(queue);
  int seen = 0;
  bool joined = false;
  for (int i = 0; i < 3; ++i) inner.Spawn(AwaitEvent(event, &seen));
  outer.Spawn(JoinThenMark(inner, &joined));
  queue.Drain();
  EXPECT_FALSE(joined);
  event.Set();
  queue.Drain();
  EXPECT_TRUE(joined);
  EXPECT_EQ(seen, 3);
}

TEST(Cancel, TellsListenersOnceAndForgetsThoseGone) {
  CancelSource source;
  int told = 0;
  const auto count = [](void* argument) { ++*static_cast<int*>(argument); };
  CancelListener stays;
  ASSERT_TRUE(source.token().Listen(stays, count, &told));
  {
    CancelListener goes;
    ASSERT_TRUE(source.token().Listen(goes, count, &told));
  }
  source.Cancel();
  source.Cancel();
  EXPECT_EQ(told, 1);
  CancelListener late;
  EXPECT_FALSE(source.token().Listen(late, count, &told));
  EXPECT_TRUE(source.token().cancelled());
  EXPECT_FALSE(CancelToken().cancelled());
}

TEST(Instant, AddingNeverOverflows) {
  EXPECT_EQ(Instant::Never() + Duration(5), Instant::Never());
  EXPECT_EQ(Instant{Instant::Never().ns - 1} + Duration(5), Instant::Never());
  EXPECT_EQ((Instant{5} + Duration(7)).ns, 12);
}

}  // namespace
}  // namespace forebay
