// The disk tier against fio on the same file system.
#include <fmt/format.h>
#include <sys/mman.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "bench/peers/fio.h"
#include "bench/rows.h"
#include "bench/store_fixture.h"
#include "src/base/units.h"
#include "src/runtime/task_group.h"
#include "src/store/testing/patterns.h"

namespace forebay::bench {
namespace {

using store_testing::Key;

constexpr uint32_t kBlockBytes = kMiB;
constexpr uint32_t kBlocks = 2048;
constexpr uint64_t kDataBytes = uint64_t{kBlocks} * kBlockBytes;
/// Trailers, records and the slack that the tier keeps free come on top.
constexpr uint64_t kTierBytes = kDataBytes + kDataBytes / 8;
constexpr uint32_t kSmallReadBytes = 4 * kKiB;
constexpr uint32_t kSmallReads = 160'000;

/// Many virtual disks let a burst pass that they refill while idle. Both sides begin with all of
/// it; without the pause the one that takes longer to start would get more.
void LetDiskRest() {
  std::this_thread::sleep_for(std::chrono::seconds(1));
}

StoreOptions OptionsFor(const DiskPlace& place) {
  return {.dram = {.capacity_bytes = 256 * kMiB},
          .disks = {{.directory = place.path() + "/tier", .size_bytes = kTierBytes}},
          .max_block_bytes = kBlockBytes,
          // What comes last waits so long for company; that is no part of a rate.
          .flush_delay = std::chrono::milliseconds(10)};
}

// -- Reads

/// Reads of `size` bytes, `depth` at a time, in one order that all readers share.
struct ReadLoad {
  uint32_t size = 0;
  uint32_t depth = 1;
  std::vector<uint32_t> order;  // in units of `size` within the data
};

ReadLoad LargeReads() {
  return {.size = kBlockBytes, .depth = 16, .order = RandomOrder(kBlocks, 1)};
}
ReadLoad SmallReads() {
  ReadLoad load{
      .size = kSmallReadBytes, .depth = 32, .order = RandomOrder(kDataBytes / kSmallReadBytes, 2)};
  load.order.resize(kSmallReads);
  return load;
}

/// Memory of the caller in huge pages, as fio gets it: a request of 1 MiB is one piece to the
/// device instead of 256.
class HugeBuffer {
 public:
  explicit HugeBuffer(size_t size)
      : bytes_(static_cast<std::byte*>(std::aligned_alloc(2 * kMiB, RoundUp(size, 2 * kMiB))),
               size) {
    madvise(bytes_.data(), size, MADV_HUGEPAGE);
  }
  HugeBuffer(const HugeBuffer&) = delete;
  HugeBuffer& operator=(const HugeBuffer&) = delete;
  ~HugeBuffer() { std::free(bytes_.data()); }
  MutableBytes bytes() const { return bytes_; }

 private:
  MutableBytes bytes_;
};

struct ReadRun {
  const ReadLoad& load;
  size_t next = 0;
  Result<void> result;
};

Task<void> ReadSome(Env& env, Store& store, ReadRun& run, MutableBytes buffer) {
  const uint32_t a_block = kBlockBytes / run.load.size;
  while (run.next < run.load.order.size() && run.result) {
    const uint32_t unit = run.load.order[run.next++];
    const auto hit = co_await store.Read(env, Key(unit / a_block), unit % a_block * run.load.size,
                                         buffer, {.promote = false});
    if (!hit) run.result = Fail(hit.error());
    if (hit && !*hit) run.result = Fail(Code::kInternal, fmt::format("unit {} is a miss", unit));
  }
}

Task<Result<void>> ReadAll(Env& env, Store& store, const ReadLoad& load, MutableBytes buffers) {
  ReadRun run{.load = load};
  TaskGroup readers(env.executor);
  for (uint32_t i = 0; i < load.depth; ++i) {
    readers.Spawn(ReadSome(env, store, run, buffers.subspan(size_t{i} * load.size, load.size)));
  }
  co_await readers.Join();
  co_return run.result;
}

/// Reads a second.
Result<double> OurReadRate(OpenedStore& opened, const ReadLoad& load) {
  const HugeBuffer buffers(size_t{load.depth} * load.size);
  LetDiskRest();
  const Stopwatch watch;
  FB_TRY(opened.loop().Run(ReadAll(opened.env(), *opened, load, buffers.bytes())));
  return static_cast<double>(load.order.size()) / watch.Seconds();
}

Result<double> FioReadRate(const DiskPlace& place, const ReadLoad& load) {
  LetDiskRest();
  FB_ASSIGN(const FioResult result, RunFio({.file = place.path() + "/fio",
                                            .file_bytes = kDataBytes,
                                            .pattern = "randread",
                                            .block_bytes = load.size,
                                            .depth = load.depth,
                                            .io_bytes = load.order.size() * load.size,
                                            .huge_pages = true}));
  return result.ops_per_second;
}

/// A tier full of blocks whose store has been opened anew, so that none of them is in memory.
Result<OpenedStore> OpenFull(const DiskPlace& place, IoBackend io) {
  {
    FB_ASSIGN(auto fresh, OpenedStore::Open(io, OptionsFor(place)));
    FB_TRY(FillBlocks(fresh, kBlocks, kBlockBytes));
  }
  return OpenedStore::Open(io, OptionsFor(place));
}

void ReadRows(Report& report, IoBackend io) {
  const std::string large = fmt::format("store.disk.read_1m.{}", IoBackendName(io));
  const std::string small = fmt::format("store.disk.read_4k.{}", IoBackendName(io));
  if (!report.Wants(large) && !report.Wants(small)) return;
  const auto place = DiskPlace::Make();
  if (!place) return report.Missing(large, place.error().ToString());
  auto opened = OpenFull(*place, io);
  if (!opened) return report.Missing(large, opened.error().ToString());
  const ReadLoad large_reads = LargeReads(), small_reads = SmallReads();
  report.Compare(
      large, "reads/s", Goal::kAtLeast, 0.9, [&] { return OurReadRate(*opened, large_reads); },
      [&] { return FioReadRate(*place, large_reads); });
  report.Compare(
      small, "reads/s", Goal::kAtLeast, 0.7, [&] { return OurReadRate(*opened, small_reads); },
      [&] { return FioReadRate(*place, small_reads); });
}

// -- Fills

constexpr uint64_t kFillAhead = 96 * kMiB;  // below the backlog at which blocks are passed over

/// Fills the tier again and again, each time with blocks of other names. Like fio, which writes the
/// same buffers all the time, it spends no time on making data: a block holds its number, and then
/// what its memory held before.
class Filler {
 public:
  explicit Filler(OpenedStore opened) : opened_(std::move(opened)) {}

  /// Bytes a second until everything is on the disk. What the run before left goes first: pages
  /// that were written before are what a tier writes to all its life but the first day.
  Result<double> Rate() {
    for (uint64_t n = 0; n < kBlocks; ++n) opened_->Erase(Key(first_ + n));
    first_ += kBlocks;
    LetDiskRest();
    const Stopwatch watch;
    FB_TRY(opened_.loop().Run(FillAll(opened_.env())));
    const double rate = static_cast<double>(kDataBytes) / watch.Seconds();
    const DiskStats disk = opened_->stats().disks.front();
    if (disk.skipped_behind + disk.not_admitted + disk.io_errors == 0) return rate;
    return Fail(Code::kInternal,
                fmt::format("{} blocks skipped, {} not admitted, {} errors", disk.skipped_behind,
                            disk.not_admitted, disk.io_errors));
  }

  double WriteAmplification() const {
    const DiskStats disk = opened_->stats().disks.front();
    return static_cast<double>(disk.data_bytes_written + disk.record_bytes_written) /
           static_cast<double>(disk.block_bytes_flushed);
  }

 private:
  Task<Result<void>> FillAll(Env& env) {
    for (uint64_t n = 0; n < kBlocks; ++n) {
      const BlockInfo info{.attachment = 1, .length = kBlockBytes};
      FB_CO_ASSIGN(Fill fill, co_await opened_->BeginFill(env, Key(first_ + n), info));
      StoreTo(fill.buffer().data(), first_ + n);
      fill.Commit(0, kBlockBytes);
      co_await Yield(env.executor);  // as whoever fetches blocks waits for each
      co_await opened_->AwaitFlush(env, kFillAhead);
    }
    co_await opened_->AwaitFlush(env, 0);
    co_return Result<void>();
  }

  OpenedStore opened_;
  uint64_t first_ = 0;
};

/// Ours writes from shared memory; the peer gets the same kind of pages.
bool SharedMemoryGetsHugePages() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
  std::string text;
  std::getline(file, text);
  return !text.empty() && !text.contains("[never]") && !text.contains("[deny]");
}

Result<double> FioWriteRate(const DiskPlace& place) {
  LetDiskRest();
  FB_ASSIGN(const FioResult result, RunFio({.file = place.path() + "/fio",
                                            .file_bytes = kDataBytes,
                                            .pattern = "write",
                                            .block_bytes = kMiB,
                                            .depth = 16,
                                            .io_bytes = kDataBytes,
                                            .huge_pages = SharedMemoryGetsHugePages()}));
  return result.bytes_per_second;
}

void FillRows(Report& report, IoBackend io) {
  const std::string fill = fmt::format("store.disk.fill.{}", IoBackendName(io));
  const std::string written = fmt::format("store.disk.write_amplification.{}", IoBackendName(io));
  if (!report.Wants(fill) && !report.Wants(written)) return;
  const auto place = DiskPlace::Make();
  if (!place) return report.Missing(fill, place.error().ToString());
  auto opened = OpenedStore::Open(io, OptionsFor(*place));
  if (!opened) return report.Missing(fill, opened.error().ToString());
  Filler filler(std::move(*opened));
  report.Compare(
      fill, "B/s", Goal::kAtLeast, 0.85, [&] { return filler.Rate(); },
      [&] { return FioWriteRate(*place); });
  if (!report.Wants(fill) && !filler.Rate()) return;
  report.Figure(written, "written/flushed", Goal::kAtMost, 1.1, filler.WriteAmplification(),
                "blocks of 1 MiB");
}

}  // namespace

void StoreDiskRows(Report& report) {
  for (const IoBackend io : {IoBackend::kUring, IoBackend::kEpoll}) {
    ReadRows(report, io);
    FillRows(report, io);
  }
}

}  // namespace forebay::bench
