// One store, many threads, each with a loop of its own: every call at once, with memory so short
// that everything is always on its way out. What ThreadSanitizer has to say about the store it says
// here.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "src/base/test_tier.h"
#include "src/store/testing/io_testing.h"

namespace forebay {
namespace {

using store_testing::Check;
using store_testing::FillPattern;
using store_testing::kBothBackends;
using store_testing::Key;
using store_testing::Pattern;
using store_testing::Seen;
using store_testing::StoreOnLoop;
using store_testing::TempDirectory;
using store_testing::TierOptions;

constexpr int kThreads = 4;
constexpr int kTasks = 4;  // that take turns on one loop
constexpr uint64_t kBlocks = 120;
constexpr uint64_t kDirtyFrom = 1'000'000;

uint32_t LengthOf(uint64_t n) {
  return 1 + static_cast<uint32_t>(Mix64(n) % (48 * kKiB));
}

struct Tally {
  std::atomic<uint64_t> hits = 0, misses = 0, fills = 0, durable = 0, wrong = 0;
};

/// One who does everything that may be done, to blocks that all share.
class Guest {
 public:
  Guest(Env& env, Store& store, Tally& tally, uint64_t seed)
      : env_(env), store_(store), tally_(tally), prng_(seed), dirty_(kDirtyFrom * seed) {}

  Task<void> Run(Instant until) {
    while (env_.clock.Now() < until && tally_.wrong == 0) {
      const uint64_t n = prng_.Below(kBlocks);
      switch (prng_.Below(12)) {
        case 0:
          if (prng_.OneIn(3)) store_.Erase(Key(n));
          break;
        case 1:
          co_await WriteBack();
          break;
        case 2:
          co_await FillPart(n);
          break;
        case 3:
        case 4:
          co_await FillAll(n);
          break;
        case 5:
          co_await Look(n);
          break;
        default:
          co_await Read(n);
      }
      co_await Yield(env_.executor);
    }
  }

 private:
  static bool Refused(const Error& error) {
    return error.code() == Code::kInUse || error.code() == Code::kOverloaded;
  }
  void Note(bool right) {
    if (!right) ++tally_.wrong;
  }

  Task<void> Read(uint64_t n) {
    const uint32_t length = LengthOf(n);
    const auto offset = static_cast<uint32_t>(prng_.Below(length) / 8 * 8);
    const auto size = static_cast<uint32_t>(1 + prng_.Below(length - offset));
    const ReadOptions options{.promote = prng_.OneIn(2), .verify = prng_.OneIn(4)};
    const auto seen = co_await Check(env_, store_, Key(n), offset, size, options);
    Note(seen && *seen != Seen::kWrong);
    if (!seen) ADD_FAILURE() << seen.error().ToString();
    if (seen) ++(*seen == Seen::kRight ? tally_.hits : tally_.misses);
  }

  /// Holds what it sees while the others go on.
  Task<void> Look(uint64_t n) {
    auto view = co_await store_.Acquire(env_, Key(n), 0, LengthOf(n));
    if (!view) {
      Note(Refused(view.error()));
      co_return;
    }
    if (!*view) co_return;
    co_await Yield(env_.executor);
    Note(std::ranges::equal(view->bytes(), Pattern(Key(n), 0, LengthOf(n))));
    Note(view->Verify(0));
  }

  /// Adds what is missing of a block.
  Task<void> FillAll(uint64_t n) {
    const uint32_t length = LengthOf(n);
    auto fill = co_await store_.BeginFill(env_, Key(n), {n % 3, length, BlockClass::kData});
    if (!fill) {
      Note(Refused(fill.error()));
      co_return;
    }
    for (uint32_t offset = 0; offset < length; offset += kPageBytes) {
      const uint32_t size = std::min(kPageBytes, length - offset);
      if (fill->Filled(offset, size)) continue;
      FillPattern(Key(n), offset, fill->buffer().subspan(offset, size));
      fill->Commit(offset, size);
    }
    ++tally_.fills;
  }

  Task<void> FillPart(uint64_t n) {
    const uint32_t length = LengthOf(n);
    auto fill = co_await store_.BeginFill(env_, Key(n), {n % 3, length, BlockClass::kData});
    if (!fill) {
      Note(Refused(fill.error()));
      co_return;
    }
    for (int i = 0; i < 3; ++i) {
      const auto offset = static_cast<uint32_t>(RoundDown(prng_.Below(length), kPageBytes));
      const uint32_t size = std::min(kPageBytes, length - offset);
      if (fill->Filled(offset, size)) continue;
      FillPattern(Key(n), offset, fill->buffer().subspan(offset, size));
      fill->Commit(offset, size);
      co_await Yield(env_.executor);
    }
  }

  Task<void> WriteBack() {
    const uint64_t n = ++dirty_;
    auto put =
        co_await store_testing::Put(env_, store_, Key(n), {1, LengthOf(n), BlockClass::kDirty});
    if (put) {
      put = co_await store_.MakeDurable(env_, {Key(n)});
    }
    if (!put) {
      // A tier so small may have no run of pages that nobody reads at this moment, and says so.
      if (!Refused(put.error()) &&
          put.error().message().find("could not be written") == std::string::npos) {
        ADD_FAILURE() << put.error().ToString();
      }
      co_return;
    }
    const auto seen = co_await Check(env_, store_, Key(n), 0, LengthOf(n));
    Note(seen && *seen == Seen::kRight);
    Note((co_await store_.MarkClean(env_, Key(n))).has_value());
    ++tally_.durable;
    if (prng_.OneIn(2)) store_.Erase(Key(n));
  }

  Env& env_;
  Store& store_;
  Tally& tally_;
  Prng prng_;
  uint64_t dirty_;
};

Task<void> RunGuests(Env& env, Store& store, Tally& tally, uint64_t seed, Duration time) {
  std::vector<std::unique_ptr<Guest>> guests;
  TaskGroup group(env.executor);
  for (uint64_t i = 0; i < kTasks; ++i) {
    guests.push_back(std::make_unique<Guest>(env, store, tally, seed * kTasks + i + 1));
    group.Spawn(guests.back()->Run(env.clock.Now() + time));
  }
  co_await group.Join();
}

/// The store's own loop has to turn while the others work: it is the one that flushes.
Task<void> KeepTurning(Env& env, const std::atomic<int>& running) {
  while (running > 0) (void)co_await env.clock.Sleep(std::chrono::milliseconds(1));
}

class StoreThreadsTest : public testing::TestWithParam<IoBackend> {
 protected:
  store_testing::SilentLog silent_log_;
  TempDirectory directory_;
};

TEST_P(StoreThreadsTest, EveryByteIsRightWhateverTheOthersDo) {
  FB_LOOP_OR_SKIP(loop, GetParam());
  StoreOnLoop on(std::move(loop));
  StoreOptions options = TierOptions(directory_.path(), 4 * kMiB);
  options.dram.capacity_bytes = kMiB;
  options.max_block_bytes = 64 * kKiB;
  const auto opened = on.Open(options);
  ASSERT_TRUE(opened) << opened.error().ToString();
  const Duration time = std::chrono::seconds(ByTier(1, 3, 60));
  Tally tally;
  std::atomic<int> running = kThreads;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      auto own = Loop::Create({.io = GetParam(), .log = &silent_log_});
      if (own) {
        (*own)->Run(RunGuests((*own)->env(), on.store(), tally, t, time));
      } else {
        ADD_FAILURE() << own.error().ToString();
      }
      --running;
    });
  }
  on.loop().Run(KeepTurning(on.env(), running));
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(tally.wrong, 0u);
  EXPECT_GT(tally.hits, 0u);
  EXPECT_GT(tally.misses, 0u);
  EXPECT_GT(tally.durable, 0u);
  const StoreStats stats = on.store().stats();
  EXPECT_GT(stats.memory_evictions, 0u);
  EXPECT_EQ(stats.disks[0].rotten_blocks, 0u);
  EXPECT_EQ(stats.disks[0].io_errors, 0u);
  EXPECT_TRUE(on.store().DirtyBlocks().empty());
  printf(
      "%s: %lu reads hit, %lu missed, %lu fills, %lu durable writes, %lu evictions from memory, "
      "%lu from disk\n",
      std::string(IoBackendName(GetParam())).c_str(), tally.hits.load(), tally.misses.load(),
      tally.fills.load(), tally.durable.load(), stats.memory_evictions, stats.disks[0].evictions);
}

INSTANTIATE_TEST_SUITE_P(Real, StoreThreadsTest, testing::ValuesIn(kBothBackends),
                         [](const auto& info) { return std::string(IoBackendName(info.param)); });

}  // namespace
}  // namespace forebay
