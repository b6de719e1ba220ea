#include "sim/sim_device.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sim/node.h"
#include "sim/world.h"
#include "src/base/assert.h"

namespace forebay::sim {
namespace {

uint64_t TotalSize(std::span<const Bytes> parts) {
  uint64_t total = 0;
  for (const Bytes part : parts) total += part.size();
  return total;
}

/// Of the clock that file systems stamp their files with.
constexpr int64_t kFileTimeTickNanos = 4'000'000;

int64_t TransferNanos(uint64_t bytes, uint64_t bytes_per_second) {
  return static_cast<int64_t>(static_cast<unsigned __int128>(bytes) * 1'000'000'000 /
                              bytes_per_second);
}

}  // namespace

DiskCounts::DiskCounts(FaultReport& report)
    : stall(report.Of("disk.stall")),
      death(report.Of("disk.death")),
      read_error(report.Of("disk.read_error")),
      write_error(report.Of("disk.write_error")),
      sync_error(report.Of("disk.sync_error")),
      bad_range(report.Of("disk.bad_range")),
      bad_range_hit(report.Of("disk.bad_range_hit")),
      no_space(report.Of("disk.no_space")),
      flip_on_read(report.Of("disk.flip_on_read")),
      bit_flip(report.Of("disk.bit_flip")),
      lost_write(report.Of("disk.lost_write")),
      torn_write(report.Of("disk.torn_write")),
      reordered_write(report.Of("disk.reordered_write")),
      lost_size(report.Of("disk.lost_size")),
      lost_name(report.Of("disk.lost_name")) {}

SimDevice::SimDevice(Node& node, std::string mount, const DiskOptions& options)
    : node_(node),
      mount_(std::move(mount)),
      options_(options),
      prng_(node.world().SeedFor(mount_, node.id())),
      counts_(node.world().disk_counts()),
      used_(std::make_shared<uint64_t>(0)),
      numbers_(std::make_shared<InodeNumbers>()),
      names_(mount_, NewInode(true)) {}

Instant SimDevice::now() const {
  return node_.world().Now();
}

InodeRef SimDevice::NewInode(bool directory) {
  auto inode = std::make_shared<Inode>(numbers_);
  inode->directory = directory;
  inode->used_bytes = used_;
  TouchContents(*inode);
  return inode;
}

void SimDevice::TouchContents(Inode& inode) {
  TouchName(inode);
  inode.mtime_ns = inode.ctime_ns;
}

void SimDevice::TouchName(Inode& inode) {
  const int64_t wall = node_.world().options().wall_start_ns + now().ns + node_.wall_skew().count();
  inode.ctime_ns = wall - wall % kFileTimeTickNanos;
}

Instant SimDevice::Admit(DiskOp op, uint64_t bytes) {
  const DiskFaults& rates = options_.faults;
  if (counts_.stall.Chance(prng_, rates.stall)) {
    const auto most = static_cast<uint64_t>(rates.stall_time.count());
    stalled_until_ = now().ns + static_cast<int64_t>(prng_.Below(most + 1));
  }
  if (counts_.death.Chance(prng_, rates.death)) dead_ = true;
  const Duration latency = op == DiskOp::kRead    ? options_.read_latency
                           : op == DiskOp::kWrite ? options_.write_latency
                           : op == DiskOp::kSync  ? options_.sync_latency
                                                  : options_.write_latency;
  if (channels_.empty()) channels_.resize(options_.channels, 0);
  int64_t& channel = *std::min_element(channels_.begin(), channels_.end());
  const int64_t start = std::max({now().ns, channel, stalled_until_});
  pipe_until_ = std::max(pipe_until_, start) + TransferNanos(bytes, options_.bytes_per_second);
  // Most operations take about their latency, some up to half as long again, a few far longer.
  uint64_t spread = static_cast<uint64_t>(latency.count()) / 2 + 1;
  if (prng_.OneIn(100)) spread *= 20;
  const int64_t served = start + latency.count() + static_cast<int64_t>(prng_.Below(spread));
  channel = std::max(served, pipe_until_);
  return {channel};
}

Instant SimDevice::Between(Instant done) {
  const auto span = static_cast<uint64_t>((done - now()).count());
  return now() + Duration(static_cast<int64_t>(prng_.Below(span + 1)));
}

bool SimDevice::TakeOne(uint32_t& wanted, FaultCount& count, double rate) {
  if (wanted == 0) return count.Chance(prng_, rate);
  --wanted;
  count.Fire();
  return true;
}

bool SimDevice::Fails(DiskOp op, const Inode& inode, uint64_t offset, uint64_t size) {
  if (dead_) return true;
  const DiskFaults& rates = options_.faults;
  if (op == DiskOp::kSync) {
    return TakeOne(syncs_to_fail_, counts_.sync_error, rates.sync_error);
  }
  const bool bad = inode.bad.Overlaps(offset, offset + size);
  if (bad) counts_.bad_range_hit.Fire();
  if (op == DiskOp::kRead) {
    return TakeOne(reads_to_fail_, counts_.read_error, rates.read_error) || bad;
  }
  return TakeOne(writes_to_fail_, counts_.write_error, rates.write_error) || bad;
}

size_t SimDevice::Read(Inode& inode, uint64_t offset, MutableBytes into) {
  const size_t size = inode.image.Read(offset, into);
  FaultCount& flips = counts_.flip_on_read;
  if (size > 0 && flips.Chance(prng_, options_.faults.flip_on_read)) {
    into[prng_.Below(size)] ^= std::byte{1} << prng_.Below(8);
  }
  return size;
}

bool SimDevice::Write(Inode& inode, uint64_t offset, std::span<const Bytes> parts) {
  const uint64_t size = TotalSize(parts);
  const uint64_t growth = inode.image.GrowthFor(offset, size);
  FaultCount& full = counts_.no_space;
  if (growth > free_bytes()) {
    full.Fire();
    return false;
  }
  ++full.possible;
  *used_ += growth;
  inode.image.Write(offset, parts);
  TouchContents(inode);
  RotSome(inode, offset, size);
  return true;
}

void SimDevice::WriteFrontPart(Inode& inode, uint64_t offset, std::span<const Bytes> parts) {
  const uint64_t size = TotalSize(parts);
  uint64_t left = size == 0 ? 0 : prng_.Below(size / kSectorBytes + 1) * kSectorBytes;
  std::vector<Bytes> front;
  for (const Bytes part : parts) {
    front.push_back(part.first(std::min<uint64_t>(part.size(), left)));
    left -= front.back().size();
  }
  Write(inode, offset, front);
}

void SimDevice::RotSome(Inode& inode, uint64_t offset, uint64_t size) {
  if (size == 0) return;
  if (counts_.bit_flip.Chance(prng_, options_.faults.flip_at_rest)) {
    inode.image.FlipBit(offset + prng_.Below(size), static_cast<unsigned>(prng_.Below(8)));
  }
  if (counts_.bad_range.Chance(prng_, options_.faults.bad_range)) {
    inode.bad.Add(offset, offset + size);
  }
}

bool SimDevice::Resize(Inode& inode, uint64_t size, bool preallocate) {
  const uint64_t before = inode.image.allocated_bytes();
  const uint64_t growth = preallocate ? inode.image.GrowthFor(0, size) : 0;
  FaultCount& full = counts_.no_space;
  if (growth > free_bytes()) {
    full.Fire();
    return false;
  }
  ++full.possible;
  inode.image.Resize(size, preallocate);
  TouchContents(inode);
  *used_ += inode.image.allocated_bytes() - before;
  return true;
}

void SimDevice::FailSync(Inode& inode, uint64_t mark) {
  const uint64_t before = inode.image.allocated_bytes();
  const bool stays_visible = prng_.OneIn(2);
  AddToReport(inode.image.FailSyncThrough(mark, stays_visible, prng_, options_.crash));
  *used_ += inode.image.allocated_bytes() - before;
}

void SimDevice::Crash(bool power) {
  if (power) {
    const SimNames::Tally names = names_.Crash(prng_);
    FaultCount& lost = counts_.lost_name;
    lost.possible += names.kept + names.lost;
    lost.fired += names.lost;
  }
  // Only names hold files now; the dead still have theirs open, but in the old count.
  used_ = std::make_shared<uint64_t>(0);
  for (const auto& [path, inode] : names_.all()) inode->links = 0;
  for (const auto& [path, inode] : names_.all()) {
    ++inode->links;
    inode->locked_by = nullptr;
    if (power) AddToReport(inode->image.Crash(prng_, options_.crash));
    if (inode->used_bytes != used_) {
      inode->used_bytes = used_;
      inode->holds = 0;
    }
    inode->Hold();
  }
}

void SimDevice::AddToReport(const CrashTally& tally) {
  const uint64_t writes = tally.writes_kept + tally.writes_lost + tally.writes_torn;
  const auto add = [writes](FaultCount& count, uint64_t fired) {
    count.possible += writes;
    count.fired += fired;
  };
  add(counts_.lost_write, tally.writes_lost);
  add(counts_.torn_write, tally.writes_torn);
  add(counts_.reordered_write, tally.writes_reordered);
  FaultCount& sizes = counts_.lost_size;
  sizes.possible += tally.sizes_kept + tally.sizes_lost;
  sizes.fired += tally.sizes_lost;
  node_.world().Note(Happening::kFault, node_.id(), tally.writes_kept * 31 + tally.writes_torn);
}

void SimDevice::FlipBit(const std::string& path, uint64_t offset, unsigned bit) {
  const InodeRef inode = Find(path);
  FB_ASSERT(inode != nullptr);
  inode->image.FlipBit(offset, bit);
  counts_.bit_flip.Fire();
}

void SimDevice::FailRange(const std::string& path, uint64_t offset, uint64_t size) {
  const InodeRef inode = Find(path);
  FB_ASSERT(inode != nullptr);
  inode->bad.Add(offset, offset + size);
  counts_.bad_range.Fire();
}

void SimDevice::Kill() {
  dead_ = true;
  counts_.death.Fire();
  node_.world().log().Event(fmt::format("{}: disk {} dies", node_.name(), mount_));
}

void SimDevice::StallFor(Duration time) {
  stalled_until_ = (now() + time).ns;
  counts_.stall.Fire();
}

}  // namespace forebay::sim
