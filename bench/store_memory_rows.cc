// The memory tier against memcpy, and against a hash map with memcpy.
#include <fmt/format.h>
#include <sched.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "bench/child.h"
#include "bench/rows.h"
#include "bench/store_fixture.h"
#include "src/base/units.h"
#include "src/store/testing/patterns.h"

namespace forebay::bench {
namespace {

using store_testing::Key;

/// Blocks in a store without disks, the same bytes in an ordinary buffer, and one order for both.
class CachedBlocks {
 public:
  static Result<CachedBlocks> Make(uint32_t blocks, uint32_t length) {
    const uint64_t image = ImageLayout(length).total_bytes();
    FB_ASSIGN(auto opened,
              OpenedStore::Open(IoBackend::kEpoll,
                                {.dram = {.capacity_bytes = blocks * image + 64 * kMiB},
                                 .max_block_bytes = static_cast<uint32_t>(kMiB)}));
    FB_TRY(FillBlocks(opened, blocks, length));
    return CachedBlocks(std::move(opened), blocks, length);
  }

  Store& store() const { return *opened_; }
  uint32_t length() const { return length_; }
  const std::vector<uint32_t>& order() const { return order_; }
  const BlockKey& key(uint32_t n) const { return keys_[n]; }
  const std::byte* plain(uint32_t n) const { return plain_.get() + uint64_t{n} * length_; }
  double TotalBytes() const { return static_cast<double>(keys_.size()) * length_; }

 private:
  CachedBlocks(OpenedStore opened, uint32_t blocks, uint32_t length)
      : opened_(std::move(opened)),
        length_(length),
        order_(RandomOrder(blocks, 1)),
        plain_(new std::byte[uint64_t{blocks} * length]) {
    for (uint32_t n = 0; n < blocks; ++n) {
      keys_.push_back(Key(n));
      store_testing::FillPattern(keys_[n], 0, {plain_.get() + uint64_t{n} * length, length});
    }
  }

  OpenedStore opened_;
  uint32_t length_;
  std::vector<uint32_t> order_;
  std::vector<BlockKey> keys_;
  std::unique_ptr<std::byte[]> plain_;
};

Error MissOf(uint32_t n) {
  return {Code::kInternal, fmt::format("block {} is a miss", n)};
}

// -- 1 MiB

constexpr uint32_t kLargeBlocks = 1280;  // 1.25 GiB

/// Bytes a second over all blocks.
Result<double> ReadRate(const CachedBlocks& blocks, bool verify) {
  std::vector<std::byte> into(blocks.length());
  const Stopwatch watch;
  for (const uint32_t n : blocks.order()) {
    if (!blocks.store().ReadCached(blocks.key(n), 0, into, verify)) return Fail(MissOf(n));
  }
  return blocks.TotalBytes() / watch.Seconds();
}

Result<double> CopyRate(const CachedBlocks& blocks) {
  std::vector<std::byte> into(blocks.length());
  const Stopwatch watch;
  for (const uint32_t n : blocks.order()) {
    std::memcpy(into.data(), blocks.plain(n), into.size());
    // The copy has a reader, as far as the compiler can tell.
    asm volatile("" : : "r"(into.data()) : "memory");
  }
  return blocks.TotalBytes() / watch.Seconds();
}

Result<double> ViewNanos(const CachedBlocks& blocks) {
  const Stopwatch watch;
  for (const uint32_t n : blocks.order()) {
    const View view = blocks.store().Lookup(blocks.key(n), 0, blocks.length());
    if (!view) return Fail(MissOf(n));
    asm volatile("" : : "r"(view.bytes().data()) : "memory");
  }
  return watch.Seconds() * 1e9 / static_cast<double>(blocks.order().size());
}

Result<double> CopyNanos(const CachedBlocks& blocks) {
  FB_ASSIGN(const double rate, CopyRate(blocks));
  return blocks.length() / rate * 1e9;
}

void LargeRows(Report& report) {
  const std::string read = "store.memory.read_1m", verified = "store.memory.read_1m_verified",
                    view = "store.memory.view_1m";
  if (!report.Wants(read) && !report.Wants(verified) && !report.Wants(view)) return;
  const auto blocks = CachedBlocks::Make(kLargeBlocks, kMiB);
  if (!blocks) return report.Missing(read, blocks.error().ToString());
  const auto copy = [&] { return CopyRate(*blocks); };
  report.Compare(read, "B/s", Goal::kAtLeast, 0.85, [&] { return ReadRate(*blocks, false); }, copy);
  report.Compare(
      verified, "B/s", Goal::kAtLeast, 0.6, [&] { return ReadRate(*blocks, true); }, copy);
  report.Compare(
      view, "ns", Goal::kAtMost, 0.1, [&] { return ViewNanos(*blocks); },
      [&] { return CopyNanos(*blocks); });
}

// -- 4 KiB

constexpr uint32_t kSmallBlocks = 65536;  // 256 MiB
constexpr int kPasses = 16;

/// The keys are well spread already: no hash is cheaper than taking eight of their bytes.
struct KeyBits {
  size_t operator()(const BlockKey& key) const { return key.hash.lo; }
};
using PlainMap = std::unordered_map<BlockKey, const std::byte*, KeyBits>;

constexpr double kGets = double{kSmallBlocks} * kPasses;

/// How many gets found nothing, beginning at a place of its own in the order.
uint64_t Get(const CachedBlocks& blocks, size_t begin) {
  alignas(64) std::byte into[4 * kKiB];
  const std::vector<uint32_t>& order = blocks.order();
  uint64_t misses = 0;
  for (size_t i = 0; i < size_t{kSmallBlocks} * kPasses; ++i) {
    const BlockKey& key = blocks.key(order[(begin + i) % kSmallBlocks]);
    if (!blocks.store().ReadCached(key, 0, into)) ++misses;
    asm volatile("" : : "r"(into) : "memory");
  }
  return misses;
}

/// Gets a second of `threads`, one a core, from their common start to the end of the last.
Result<double> GetRate(const CachedBlocks& blocks, int threads) {
  std::atomic<int> waiting = threads;
  std::atomic<uint64_t> misses = 0;
  std::vector<std::thread> all;
  std::optional<Stopwatch> watch;
  for (int core = 0; core < threads; ++core) {
    all.emplace_back([&, core] {
      PinTo(core);
      --waiting;
      while (waiting.load() >= 0) sched_yield();
      misses += Get(blocks, static_cast<size_t>(core) * kSmallBlocks / 2);
    });
  }
  while (waiting.load() > 0) sched_yield();
  watch.emplace();
  --waiting;
  for (std::thread& thread : all) thread.join();
  const double seconds = watch->Seconds();
  if (misses > 0) return Fail(Code::kInternal, fmt::format("{} gets missed", misses.load()));
  return kGets * threads / seconds;
}

Result<double> MapRate(const CachedBlocks& blocks, const PlainMap& map) {
  alignas(64) std::byte into[4 * kKiB];
  const std::vector<uint32_t>& order = blocks.order();
  const Stopwatch watch;
  for (size_t i = 0; i < size_t{kSmallBlocks} * kPasses; ++i) {
    const auto found = map.find(blocks.key(order[i % kSmallBlocks]));
    if (found == map.end()) return Fail(MissOf(order[i % kSmallBlocks]));
    std::memcpy(into, found->second, sizeof into);
    asm volatile("" : : "r"(into) : "memory");
  }
  return kGets / watch.Seconds();
}

/// The peer on a thread of its own, pinned as ours is.
Result<double> PinnedMapRate(const CachedBlocks& blocks, const PlainMap& map) {
  Result<double> rate = 0;
  std::thread([&] {
    PinTo(0);
    rate = MapRate(blocks, map);
  }).join();
  return rate;
}

void SmallRows(Report& report) {
  const std::string one = "store.memory.get_4k", two = "store.memory.get_4k_two_cores";
  if (!report.Wants(one) && !report.Wants(two)) return;
  const auto blocks = CachedBlocks::Make(kSmallBlocks, 4 * kKiB);
  if (!blocks) return report.Missing(one, blocks.error().ToString());
  PlainMap map(kSmallBlocks);
  for (uint32_t n = 0; n < kSmallBlocks; ++n) map.emplace(blocks->key(n), blocks->plain(n));
  report.Compare(
      one, "1/s", Goal::kAtLeast, 0.5, [&] { return GetRate(*blocks, 1); },
      [&] { return PinnedMapRate(*blocks, map); });
  report.Compare(
      two, "1/s", Goal::kAtLeast, 1.8, [&] { return GetRate(*blocks, 2); },
      [&] { return GetRate(*blocks, 1); });
}

}  // namespace

void StoreMemoryRows(Report& report) {
  LargeRows(report);
  SmallRows(report);
}

}  // namespace forebay::bench
