// Processes that use one store after the other, each killed at a moment that it could not choose.
#include <gtest/gtest.h>

#include "src/base/test_tier.h"
#include "src/store/testing/crash/writer.h"

namespace forebay {
namespace {

using store_testing::kBothBackends;
using store_testing::Ledger;
using store_testing::WriterOptions;

TEST(StoreKill, NothingAcknowledgedIsLostAndNothingWrongIsServed) {
  store_testing::SilentLog silent_log_;
  const store_testing::TempDirectory directory;
  const uint64_t kills = ByTier(20, 200, 2000);
  Ledger ledger;
  Prng prng(7);
  uint64_t by_backend[2] = {};
  for (uint64_t i = 1; i <= kills; ++i) {
    const IoBackend backend = kBothBackends[i % 2];
    auto made = Loop::Create({.io = backend, .log = &silent_log_});
    if (!made && geteuid() != 0)
      made = Loop::Create({.io = IoBackend::kEpoll, .log = &silent_log_});
    ASSERT_TRUE(made) << made.error().ToString();
    Loop& loop = **made;
    const WriterOptions options{
        .directory = directory.path(), .backend = loop.io(), .direct = prng.OneIn(2), .seed = i};
    auto writer = store_testing::StartWriter(options);
    // One in eight while it opens.
    if (!prng.OneIn(8)) ASSERT_TRUE(ledger.Follow(writer, 1 + prng.Below(40)));
    const auto moment = std::chrono::microseconds(prng.Below(20'000));
    (void)loop.Run(loop.env().clock.Sleep(moment));
    writer.Kill();
    ASSERT_TRUE(ledger.Drain(writer));
    ledger.Check(loop, options);
    if (HasFatalFailure()) FAIL() << "after kill " << i << " of " << kills;
    ++by_backend[static_cast<int>(loop.io())];
  }
  EXPECT_GT(ledger.acknowledged(), kills);
  EXPECT_GT(ledger.blocks_seen(), 0u);
  printf(
      "%lu kills (%lu with io_uring, %lu with epoll), %lu of a store that was open; %lu dirty "
      "blocks acknowledged, "
      "0 lost; %lu pages read back; %lu torn blocks dropped\n",
      kills, by_backend[0], by_backend[1], ledger.opened(), ledger.acknowledged(),
      ledger.blocks_seen(), ledger.rotten());
}

}  // namespace
}  // namespace forebay
