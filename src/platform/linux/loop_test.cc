#include "src/platform/linux/loop.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include "src/platform/linux/test_loop.h"
#include "src/runtime/sync.h"
#include "src/runtime/task_group.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;

class LoopOnBoth : public LoopTest {};
INSTANTIATE_TEST_SUITE_P(Io, LoopOnBoth, testing::ValuesIn(kBothBackends), BackendTestName);

Task<int> Answer() {
  co_return 42;
}

TEST_P(LoopOnBoth, RunGivesTheValueAndMayBeRepeated) {
  EXPECT_EQ(loop_->Run(Answer()), 42);
  EXPECT_EQ(loop_->Run(Answer()), 42);
  EXPECT_EQ(loop_->io(), GetParam());
}

Task<std::unique_ptr<int>> Movable() {
  co_return std::make_unique<int>(7);
}

TEST_P(LoopOnBoth, RunMovesItsValueOut) {
  EXPECT_EQ(*loop_->Run(Movable()), 7);
}

Task<void> SleepThenNote(Env& env, Instant until, int name, std::vector<int>* order) {
  EXPECT_TRUE((co_await env.clock.SleepUntil(until, {})).has_value());
  EXPECT_GE(env.clock.Now(), until);
  order->push_back(name);
}

Task<void> SleepInAnyOrder(Env& env, std::vector<int>* order) {
  TaskGroup group(env.executor);
  const Instant now = env.clock.Now();
  group.Spawn(SleepThenNote(env, now + 3ms, 3, order));
  group.Spawn(SleepThenNote(env, now + 1ms, 1, order));
  group.Spawn(SleepThenNote(env, now + 2ms, 2, order));
  group.Spawn(SleepThenNote(env, now + (-1ms), 0, order));
  co_await group.Join();
}

TEST_P(LoopOnBoth, SleepersWakeInOrderAndNeverEarly) {
  std::vector<int> order;
  loop_->Run(SleepInAnyOrder(env(), &order));
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3}));
}

Task<void> SleepForEver(Env& env, CancelToken cancel, Code* code) {
  const Result<void> slept = co_await env.clock.SleepUntil(Instant::Never(), cancel);
  *code = slept ? Code::kInternal : slept.error().code();
}

Task<Code> CancelASleeper(Env& env) {
  TaskGroup group(env.executor);
  CancelSource source;
  Code code{};
  group.Spawn(SleepForEver(env, source.token(), &code));
  EXPECT_TRUE((co_await env.clock.Sleep(1ms)).has_value());
  source.Cancel();
  co_await group.Join();
  co_return code;
}

TEST_P(LoopOnBoth, CancelWakesASleeper) {
  EXPECT_EQ(loop_->Run(CancelASleeper(env())), Code::kCancelled);
}

/// Goes on through the executor from whatever thread the test chooses.
struct HandOver {
  std::atomic<void*> waiting = nullptr;
  bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<> self) { waiting.store(self.address()); }
  void await_resume() {}
};

Task<void> WaitToBePosted(Env& env, HandOver& hand_over, int* resumed) {
  co_await hand_over;
  EXPECT_TRUE(env.executor.IsCurrent());
  ++*resumed;
}

Task<void> WaitForAll(Env& env, std::vector<HandOver>* all, int* resumed) {
  TaskGroup group(env.executor);
  for (HandOver& one : *all) group.Spawn(WaitToBePosted(env, one, resumed));
  co_await group.Join();
}

/// Posts every `stride`-th coroutine as soon as it waits.
void PostSome(Executor& executor, std::vector<HandOver>* all, size_t first, size_t stride) {
  EXPECT_FALSE(executor.IsCurrent());
  for (size_t i = first; i < all->size(); i += stride) {
    void* address = nullptr;
    while ((address = (*all)[i].waiting.load()) == nullptr) std::this_thread::yield();
    executor.Post(std::coroutine_handle<>::from_address(address));
  }
}

TEST_P(LoopOnBoth, APostStormFromOtherThreadsLosesNone) {
  constexpr size_t kThreads = 4;
  std::vector<HandOver> all(20'000);
  int resumed = 0;
  std::vector<std::thread> posters;
  for (size_t i = 0; i < kThreads; ++i) {
    posters.emplace_back(PostSome, std::ref(env().executor), &all, i, kThreads);
  }
  loop_->Run(WaitForAll(env(), &all, &resumed));
  for (std::thread& poster : posters) poster.join();
  EXPECT_EQ(resumed, 20'000);
}

/// One at a time, so that nearly every Post finds the loop asleep.
Task<void> PingPong(Env& env, std::vector<HandOver>* all, int* resumed) {
  for (HandOver& one : *all) co_await WaitToBePosted(env, one, resumed);
}

TEST_P(LoopOnBoth, EveryPostWakesASleepingLoop) {
  std::vector<HandOver> all(5'000);
  int resumed = 0;
  std::thread poster(PostSome, std::ref(env().executor), &all, 0, 1);
  loop_->Run(PingPong(env(), &all, &resumed));
  poster.join();
  EXPECT_EQ(resumed, 5'000);
}

Task<void> YieldUntil(Env& env, const bool* stop, int* turns) {
  while (!*stop) {
    co_await Yield(env.executor);
    ++*turns;
  }
}

Task<void> SleepWhileBusy(Env& env, bool* stop) {
  EXPECT_TRUE((co_await env.clock.Sleep(1ms)).has_value());
  *stop = true;
}

Task<void> BusyAndSleeping(Env& env, int* turns) {
  bool stop = false;
  TaskGroup group(env.executor);
  group.Spawn(YieldUntil(env, &stop, turns));
  group.Spawn(SleepWhileBusy(env, &stop));
  co_await group.Join();
}

TEST_P(LoopOnBoth, ABusyCoroutineDoesNotStarveAlarms) {
  int turns = 0;
  loop_->Run(BusyAndSleeping(env(), &turns));
  EXPECT_GT(turns, 0);
}

TEST_P(LoopOnBoth, MayBeMadeOnOneThreadAndRunOnAnother) {
  int answer = 0;
  std::thread runner([&] { answer = loop_->Run(Answer()); });
  runner.join();
  EXPECT_EQ(answer, 42);
}

/// From here on this thread is refused io_uring, as many containers refuse it.
void ForbidUring() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = std::size(filter), .filter = filter};
  ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

TEST(Loop, DoesWithoutUringWhereItIsRefused) {
  std::thread confined([] {
    ForbidUring();
    const auto forced = Loop::Create({.io = IoBackend::kUring});
    ASSERT_FALSE(forced.has_value());
    EXPECT_EQ(forced.error().code(), Code::kUnsupported);
    EXPECT_NE(forced.error().message().find("--io=epoll"), std::string::npos);
    const auto chosen = Loop::Create({});
    ASSERT_TRUE(chosen.has_value()) << chosen.error().ToString();
    EXPECT_EQ((*chosen)->io(), IoBackend::kEpoll);
    EXPECT_EQ((*chosen)->Run(Answer()), 42);
  });
  confined.join();
}

TEST(Loop, ChoosesABackendByItself) {
  const auto loop = Loop::Create({});
  ASSERT_TRUE(loop.has_value()) << loop.error().ToString();
  EXPECT_EQ((*loop)->Run(Answer()), 42);
}

TEST(Loop, SeedsEachRngAnew) {
  const auto one = Loop::Create({});
  const auto two = Loop::Create({});
  EXPECT_NE((*one)->env().rng.Next(), (*two)->env().rng.Next());
}

#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t all = 0, resident = 0;
  EXPECT_TRUE(file >> all >> resident);
  return resident * 4096;
}

std::unique_ptr<char[]> Used(size_t bytes) {
  auto memory = std::make_unique_for_overwrite<char[]>(bytes);
  for (size_t at = 0; at < bytes; at += 4096) static_cast<volatile char*>(memory.get())[at] = 1;
  return memory;
}

TEST(FreedMemory, GoesBackToTheMachine) {
  KeepLittleFreedMemory();
  const uint64_t before = ResidentBytes();
  Used(24 << 20).reset();  // the C library would learn from this one
  std::vector<std::unique_ptr<char[]>> large, small;
  for (int i = 0; i < 64; ++i) {
    large.push_back(Used(512 << 10));
    small.push_back(Used(1));
  }
  EXPECT_GT(ResidentBytes(), before + (24 << 20));
  large.clear();
  EXPECT_LT(ResidentBytes(), before + (8 << 20));
}
#endif

}  // namespace
}  // namespace forebay
