// Node and clients as threads of one process over one memory, which is so short that everything is
// always on its way out: what ThreadSanitizer has to say about pins it says here.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "src/base/test_tier.h"
#include "src/store/testing/io_testing.h"
#include "src/window/testing/window_testing.h"

namespace forebay::window {
namespace {

using store_testing::Key;
using store_testing::StoreOnLoop;
using window_testing::Borrowed;
using window_testing::Right;

constexpr uint64_t kBlocks = 150;  // of which memory holds a third
constexpr int kFillers = 2;
constexpr int kReaders = 3;

uint32_t LengthOf(uint64_t n) {
  return 1 + static_cast<uint32_t>(Mix64(n) % (48 * kKiB));
}
uint64_t AttachmentOf(uint64_t n) {
  return 1 + n % 2;
}

struct Tally {
  std::atomic<uint64_t> copies = 0, views = 0, misses = 0, no_pin = 0, names = 0, wrong = 0;
  std::atomic<bool> stop = false;
};

/// One attachment's window, with one client that all reading threads share.
struct SharedWindow {
  std::unique_ptr<WindowWriter> writer;
  std::shared_ptr<ClientPage> page;
  std::unique_ptr<WindowReader> reader;

  SharedWindow(Memory& memory, Store& store, uint64_t attachment) {
    TableOptions options{.block_bytes = 64 * kKiB, .max_block_bytes = 64 * kKiB};
    options.block_lines = 128;
    options.names = 16;
    writer = WindowWriter::Create(memory, store, attachment, options).value();
    page = writer->AddPage(8).value();
    reader = WindowReader::Create(std::make_unique<Borrowed>(writer->table_memory().bytes()),
                                  std::make_unique<Borrowed>(page->memory->bytes()))
                 .value();
  }
  ~SharedWindow() { writer->DropPage(page); }
};

/// Fills and erases blocks for ever.
Task<void> FillBlocks(Env& env, Store& store, uint64_t seed, Tally& tally) {
  Prng prng(seed);
  while (!tally.stop && tally.wrong == 0) {
    const uint64_t n = prng.Below(kBlocks);
    if (prng.OneIn(8)) {
      store.Erase(Key(n));
    } else {
      const auto put =
          co_await store_testing::Put(env, store, Key(n), {AttachmentOf(n), LengthOf(n)});
      if (!put && put.error().code() != Code::kInUse && put.error().code() != Code::kOverloaded) {
        ADD_FAILURE() << put.error().ToString();
      }
    }
    if (prng.OneIn(4)) co_await Yield(env.executor);
  }
}

/// Copies and looks at blocks for ever, on a thread that has no loop.
class ReaderThread {
 public:
  ReaderThread(std::vector<SharedWindow*> windows, uint64_t seed, Tally& tally)
      : windows_(std::move(windows)), prng_(seed), tally_(tally) {}

  void Run() {
    while (!tally_.stop && tally_.wrong == 0) {
      const uint64_t n = prng_.Below(kBlocks);
      SharedWindow& window = *windows_[n % 2];
      prng_.OneIn(3) ? View(window, n) : Copy(window, n);
      if (prng_.OneIn(16)) Name(window);
    }
    for (auto& [window, n, block] : held_) window->reader->Unpin(block);
  }

 private:
  void Note(bool right) {
    if (!right) ++tally_.wrong;
  }
  void Resolve(SharedWindow& window, uint32_t slot) {
    const auto grant = window.writer->Segment(slot);
    if (!grant) return;
    window.reader->AddSegment(grant->number,
                              std::make_unique<Borrowed>(grant->memory->bytes(), grant->memory));
  }

  void Copy(SharedWindow& window, uint64_t n) {
    std::vector<std::byte> bytes(LengthOf(n));
    uint32_t segment = 0;
    switch (window.reader->Read(Key(n), 0, bytes, &segment)) {
      case Found::kHere:
        ++tally_.copies;
        return Note(Right(Key(n), 0, bytes));
      case Found::kUnknownSegment:
        return Resolve(window, segment);
      case Found::kNotHere:
        ++tally_.misses;
        return;
      case Found::kNoPin:
        ++tally_.no_pin;
    }
  }

  /// Holds a few blocks and looks at each twice.
  void View(SharedWindow& window, uint64_t n) {
    PinnedBlock block;
    uint32_t segment = 0;
    const Found found = window.reader->Pin(Key(n), &block, &segment);
    if (found == Found::kUnknownSegment) return Resolve(window, segment);
    if (found != Found::kHere) return;
    ++tally_.views;
    Note(Right(Key(n), 0, block.bytes));
    held_.push_back({&window, n, block});
    if (held_.size() < 2) return;
    const Held oldest = held_.front();
    held_.erase(held_.begin());
    Note(Right(Key(oldest.n), 0, oldest.block.bytes));
    oldest.window->reader->Unpin(oldest.block);
  }

  void Name(SharedWindow& window) {
    const uint64_t n = prng_.Below(40);
    const auto name = window.reader->FindName(std::to_string(n), 0);
    if (!name) return;
    ++tally_.names;
    Note(name->size_bytes % 100 == n && name->version.hash.hi == name->size_bytes &&
         name->etag() == std::to_string(name->size_bytes));
  }

  struct Held {
    SharedWindow* window;
    uint64_t n;
    PinnedBlock block;
  };
  const std::vector<SharedWindow*> windows_;
  Prng prng_;
  Tally& tally_;
  std::vector<Held> held_;
};

/// What a node does beside: names that change, and hits that are heard of.
Task<void> KeepHouse(Env& env, std::vector<SharedWindow*> windows, Duration time, Tally& tally) {
  const Instant until = env.clock.Now() + time;
  Prng prng(99);
  while (env.clock.Now() < until && tally.wrong == 0) {
    for (SharedWindow* window : windows) {
      window->writer->Drain();
      for (int i = 0; i < 20; ++i) {
        const uint64_t name = prng.Below(40), size = name + 100 * prng.Below(1000);
        const std::string etag = std::to_string(size);
        const Hash128 hash = NameHash(window->writer->attachment(), std::to_string(name));
        window->writer->PublishName(
            hash,
            {.version = {{.hi = size}}, .size_bytes = size, .fresh_until_ns = 1, .etag = etag});
        if (prng.OneIn(4)) window->writer->WithdrawName(hash);
      }
    }
    static_cast<void>(co_await env.clock.Sleep(std::chrono::milliseconds(1)));
  }
  tally.stop = true;
}

TEST(WindowThreads, NobodyEverSeesAWrongByte) {
  store_testing::SilentLog silent;
  auto loop = Loop::Create({.io = IoBackend::kEpoll, .log = &silent});
  ASSERT_TRUE(loop);
  StoreOnLoop on(std::move(*loop));
  StoreOptions options;
  options.dram.capacity_bytes = 3 * kMiB / 2;
  options.max_block_bytes = 64 * kKiB;
  ASSERT_TRUE(on.Open(options));
  Tally tally;
  {
    SharedWindow one(on.env().memory, on.store(), 1), two(on.env().memory, on.store(), 2);
    std::vector<std::thread> threads;
    threads.reserve(kFillers);
    for (uint64_t t = 0; t < kFillers; ++t) {
      threads.emplace_back([&, t] {
        auto own = Loop::Create({.io = IoBackend::kEpoll, .log = &silent});
        if (own) (*own)->Run(FillBlocks((*own)->env(), on.store(), t + 1, tally));
      });
    }
    for (uint64_t t = 0; t < kReaders; ++t) {
      threads.emplace_back([&, t] { ReaderThread({&one, &two}, t + 10, tally).Run(); });
    }
    const Duration time = std::chrono::seconds(ByTier(1, 4, 120));
    on.loop().Run(KeepHouse(on.env(), {&one, &two}, time, tally));
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(tally.wrong, 0u);
  EXPECT_GT(tally.copies, 100u);
  EXPECT_GT(tally.views, 100u);
  EXPECT_GT(tally.names, 0u);
  const StoreStats stats = on.store().stats();
  EXPECT_GT(stats.memory_evictions, 100u);
  EXPECT_LE(stats.memory_resident_bytes, stats.memory_capacity_bytes);
  printf(
      "note: window threads: %lu copies, %lu views, %lu misses, %lu without a pin, %lu names, "
      "%lu evictions\n",
      tally.copies.load(), tally.views.load(), tally.misses.load(), tally.no_pin.load(),
      tally.names.load(), stats.memory_evictions);
}

// -- The protocol of pins alone, as fast as it goes, so that its narrowest moments are met.

constexpr uint32_t kKeys = 4;  // that take turns in one place of memory
constexpr uint32_t kSmall = 8;

/// One place in memory that holds one block after the other.
class OnePlace {
 public:
  OnePlace(WindowWriter& writer, MutableBytes memory) : writer_(writer), memory_(memory) {
    segment_.number = 1;
    frame_.run = {.segment = &segment_, .extent = {.first = 0, .pages = 1}};
    frame_.length = kSmall;
    frame_.complete = true;
  }

  void TakeTurns(Tally& tally) {
    for (uint64_t turn = 0; !tally.stop; ++turn) {
      frame_.key = Key(turn % kKeys);
      std::memset(memory_.data(), static_cast<int>(turn % kKeys), kSmall);
      writer_.Readable(frame_);
      for (uint64_t i = turn % 64; i > 0; --i) writer_.IsRead(frame_);
      while (!writer_.LetGo(frame_)) ++refusals;
    }
  }
  uint64_t refusals = 0;

 private:
  WindowWriter& writer_;
  const MutableBytes memory_;
  Arena::Segment segment_;
  Frame frame_;
};

void LookForEver(WindowReader& reader, MutableBytes memory, Tally& tally) {
  while (!tally.stop && tally.wrong == 0) {
    for (uint32_t n = 0; n < kKeys; ++n) {
      PinnedBlock block;
      uint32_t segment = 0;
      const Found found = reader.Pin(Key(n), &block, &segment);
      if (found == Found::kUnknownSegment) {
        reader.AddSegment(1, std::make_unique<Borrowed>(memory));
      }
      if (found != Found::kHere) continue;
      ++tally.views;
      for (int look = 0; look < 2; ++look) {
        for (const std::byte byte : block.bytes) {
          if (byte != std::byte(n)) ++tally.wrong;
        }
      }
      reader.Unpin(block);
    }
  }
}

Task<void> StopAfter(Env& env, Duration time, Tally& tally) {
  static_cast<void>(co_await env.clock.Sleep(time));
  tally.stop = true;
}

TEST(WindowThreads, AReaderAndTheNodeNeverMissEachOther) {
  store_testing::SilentLog silent;
  auto loop = Loop::Create({.io = IoBackend::kEpoll, .log = &silent});
  ASSERT_TRUE(loop);
  StoreOnLoop on(std::move(*loop));
  StoreOptions options;
  options.dram.capacity_bytes = kMiB;
  options.max_block_bytes = 64 * kKiB;
  ASSERT_TRUE(on.Open(options));
  Tally tally;
  alignas(64) std::byte memory[kPageBytes] = {};
  SharedWindow window(on.env().memory, on.store(), 1);
  OnePlace place(*window.writer, memory);
  std::vector<std::thread> threads;
  threads.emplace_back([&] { place.TakeTurns(tally); });
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] { LookForEver(*window.reader, memory, tally); });
  }
  on.loop().Run(StopAfter(on.env(), std::chrono::seconds(ByTier(1, 4, 60)), tally));
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(tally.wrong, 0u);
  EXPECT_GT(tally.views, 1000u);
  EXPECT_GT(place.refusals, 0u);
  printf("note: window pins: %lu views, %lu refusals\n", tally.views.load(), place.refusals);
}

}  // namespace
}  // namespace forebay::window
