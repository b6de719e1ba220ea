// Restarts with millions of blocks, and the memory that each of them costs. The tiers are sparse:
// their records are written here, their data is not, except for one block.
#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "bench/child.h"
#include "bench/rows.h"
#include "bench/store_fixture.h"
#include "src/base/units.h"
#include "src/store/format.h"
#include "src/store/testing/patterns.h"

namespace forebay::bench {
namespace {

using store_testing::Key;

constexpr uint32_t kBlockBytes = 16 * kKiB;
constexpr int kRestarts = 7;

/// A tier with room for `blocks` and little more.
StoreOptions OptionsFor(const DiskPlace& place, uint64_t blocks) {
  const uint64_t image = ImageLayout(kBlockBytes).total_bytes();
  return {.dram = {.capacity_bytes = 64 * kMiB},
          .disks = {{.directory = place.path(),
                     .size_bytes = blocks * image + blocks * image / 32,
                     .preallocate = false}},
          .max_block_bytes = static_cast<uint32_t>(kMiB)};
}

/// Writes records of further blocks behind that of block 0, which the store itself has written.
Result<void> WriteRecords(const DiskPlace& place, uint64_t blocks) {
  const std::string path = place.path() + "/forebay.index";
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  std::vector<std::byte> bytes(kRecordsOffset + Record::kBytes);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  FB_ASSIGN(const Superblock super, Superblock::Decode(Bytes(bytes).first(Superblock::kBytes)));
  const auto first = Record::Decode(bytes.data() + kRecordsOffset, super.tier_id, 0);
  if (!first) return Fail(Code::kInternal, "the first block has no record");
  const uint32_t pages = ImageLayout(kBlockBytes).total_pages;
  bytes.resize(blocks * Record::kBytes);
  for (uint64_t n = 1; n < blocks; ++n) {
    Record record = *first;
    record.key = Key(n);
    record.sequence += n;
    record.first_page += static_cast<uint32_t>(n * pages);
    record.Encode(bytes.data() + n * Record::kBytes, super.tier_id, n);
  }
  file.seekp(kRecordsOffset + Record::kBytes);
  file.write(reinterpret_cast<const char*>(bytes.data() + Record::kBytes),
             static_cast<std::streamsize>(bytes.size() - Record::kBytes));
  file.flush();
  if (file) return {};
  return Fail(Code::kIoError, "write " + path);
}

Result<void> MakeTier(const DiskPlace& place, uint64_t blocks) {
  {
    FB_ASSIGN(auto fresh, OpenedStore::Open(IoBackend::kEpoll, OptionsFor(place, blocks)));
    FB_TRY(FillBlocks(fresh, 1, kBlockBytes));
  }
  return WriteRecords(place, blocks);
}

/// So that the index is read from the disk, as it is when a machine starts.
void DropFromPageCache(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  close(fd);
}

// -- Restart

/// Seconds until a store with `blocks` blocks has answered its first read with a hit.
Result<double> RestartSeconds(IoBackend io, const DiskPlace& place, uint64_t blocks) {
  DropFromPageCache(place.path() + "/forebay.index");
  const Stopwatch watch;
  FB_ASSIGN(const auto opened, OpenedStore::Open(io, OptionsFor(place, blocks)));
  FB_ASSIGN(const auto seen,
            opened.loop().Run(store_testing::Check(opened.env(), *opened, Key(0), 0, kBlockBytes)));
  const double seconds = watch.Seconds();
  if (seen != store_testing::Seen::kRight) return Fail(Code::kInternal, "the first read is no hit");
  const uint64_t found = opened->stats().blocks;
  if (found == blocks) return seconds;
  return Fail(Code::kInternal, fmt::format("{} of {} blocks are there", found, blocks));
}

void RestartRow(Report& report, IoBackend io) {
  constexpr uint64_t kBlocks = 1'000'000;
  const std::string name = fmt::format("store.restart_1m_blocks.{}", IoBackendName(io));
  if (!report.Wants(name)) return;
  const auto place = DiskPlace::Make();
  const Result<void> made = place ? MakeTier(*place, kBlocks) : Fail(place.error());
  if (!made) return report.Missing(name, made.error().ToString());
  std::vector<double> seconds;
  for (int i = 0; i < kRestarts; ++i) {
    const auto took = RestartSeconds(io, *place, kBlocks);
    if (!took) return report.Missing(name, took.error().ToString());
    seconds.push_back(*took);
  }
  report.Figure(name, "s", Goal::kAtMost, 3, Median(seconds),
                fmt::format("to the first hit; median of {}, {:.2f}..{:.2f}", kRestarts,
                            std::ranges::min(seconds), std::ranges::max(seconds)));
}

// -- Memory

/// What this process holds of the machine's memory.
uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

/// The resident memory of a process that has nothing but this store, measured from within. The
/// process is another one because this one's heap has a history.
Result<uint64_t> ResidentWith(const DiskPlace& place, uint64_t blocks) {
  const auto open_and_tell = [&](const Child::Announce& announce) {
    const auto opened = OpenedStore::Open(IoBackend::kEpoll, OptionsFor(place, blocks));
    announce(opened ? fmt::format("{} {}", ResidentBytes(), (*opened)->stats().blocks)
                    : opened.error().ToString());
  };
  FB_ASSIGN(const Child child, Child::Start(open_and_tell));
  unsigned long long bytes = 0, found = 0;
  if (std::sscanf(child.address().c_str(), "%llu %llu", &bytes, &found) == 2) return bytes;
  return Fail(Code::kInternal, child.address());
}

Result<double> BytesPerBlock(uint64_t blocks) {
  FB_ASSIGN(const DiskPlace empty, DiskPlace::Make());
  FB_ASSIGN(const DiskPlace full, DiskPlace::Make());
  FB_TRY(MakeTier(full, blocks));
  FB_ASSIGN(const uint64_t without, ResidentWith(empty, blocks));
  FB_ASSIGN(const uint64_t with, ResidentWith(full, blocks));
  return static_cast<double>(with - without) / static_cast<double>(blocks);
}

void MemoryRow(Report& report) {
  constexpr uint64_t kBlocks = 5'000'000;
  const std::string name = "store.index_bytes_per_block";
  if (!report.Wants(name)) return;
  const auto bytes = BytesPerBlock(kBlocks);
  if (!bytes) return report.Missing(name, bytes.error().ToString());
  report.Figure(name, "B", Goal::kAtMost, 64, *bytes,
                "resident memory at 5,000,000 blocks less that of the same store empty");
}

}  // namespace

void StoreIndexRows(Report& report) {
  for (const IoBackend io : {IoBackend::kUring, IoBackend::kEpoll}) RestartRow(report, io);
  MemoryRow(report);
}

}  // namespace forebay::bench
