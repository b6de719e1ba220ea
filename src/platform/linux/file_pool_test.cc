#include "src/platform/linux/file_pool.h"

#include <gtest/gtest.h>

#include <coroutine>
#include <semaphore>

#include "src/platform/linux/loop.h"
#include "src/runtime/task_group.h"

namespace forebay::platform {
namespace {

struct OnPool {
  FilePool& pool;
  void (*call)(void*);
  void* data;
  Op op = {};
  bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> self) {
    op.code = OpCode::kCall;
    op.call = call;
    op.data = data;
    op.waiter = self;
    pool.Start(op);
  }
  void await_resume() {}
};

using Gate = std::counting_semaphore<8>;
constexpr int kHanging = 5;

Task<void> HangAt(FilePool* pool, Gate* gate, int* ended) {
  co_await OnPool{*pool, [](void* at) { static_cast<Gate*>(at)->acquire(); }, gate};
  ++*ended;
}

/// The last one lets the others go, and gets its turn only where hanging ones keep no thread from
/// it.
Task<void> HangAll(Env* env, FilePool* pool, int* ended) {
  Gate gate(0);
  TaskGroup group(env->executor);
  for (int i = 0; i < kHanging; ++i) group.Spawn(HangAt(pool, &gate, ended));
  co_await Yield(env->executor);  // they have begun
  co_await OnPool{*pool, [](void* at) { static_cast<Gate*>(at)->release(kHanging); }, &gate};
  co_await group.Join();
}

TEST(FilePool, WhatHangsKeepsNoThreadFromOthers) {
  auto loop = Loop::Create({.io = IoBackend::kEpoll});
  ASSERT_TRUE(loop) << loop.error().ToString();
  FilePool pool((*loop)->env().executor, 2);
  int ended = 0;
  (*loop)->Run(HangAll(&(*loop)->env(), &pool, &ended));
  EXPECT_EQ(ended, kHanging);
}

}  // namespace
}  // namespace forebay::platform
