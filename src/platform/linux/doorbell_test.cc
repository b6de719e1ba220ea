// The one thing of runtime that threads share, tried by threads: a ring must never be lost.
#include "src/runtime/doorbell.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "src/base/test_tier.h"
#include "src/platform/linux/test_loop.h"

namespace forebay {
namespace {

class DoorbellTest : public LoopTest {};

Task<void> AwaitWork(Doorbell& bell, std::atomic<uint64_t>& waiting, uint64_t all) {
  for (uint64_t done = 0; done < all;) {
    co_await bell.Wait();
    done += waiting.exchange(0, std::memory_order_relaxed);
  }
}

// A lost ring shows as a hang, which the runner's time limit ends.
TEST_P(DoorbellTest, NoRingIsLost) {
  constexpr int kThreads = 3;
  const uint64_t rings = ByTier<uint64_t>(20'000, 100'000, 5'000'000);
  Doorbell bell(env().executor);
  std::atomic<uint64_t> waiting{0};
  std::vector<std::jthread> ringers;
  for (int i = 0; i < kThreads; ++i) {
    ringers.emplace_back([&] {
      for (uint64_t n = 0; n < rings; ++n) {
        waiting.fetch_add(1, std::memory_order_relaxed);
        bell.Ring();
      }
    });
  }
  loop_->Run(AwaitWork(bell, waiting, kThreads * rings));
  ringers.clear();
  EXPECT_EQ(waiting.load(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Backends, DoorbellTest, testing::ValuesIn(kBothBackends), BackendTestName);

}  // namespace
}  // namespace forebay
