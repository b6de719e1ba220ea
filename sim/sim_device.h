// A disk of a simulated machine, with the file system on it. It outlives crashes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sim/fault_report.h"
#include "sim/options.h"
#include "sim/sim_names.h"
#include "src/base/prng.h"
#include "src/runtime/clock.h"

namespace forebay::sim {

class Node;
class World;

/// Looked up once for all disks of a world.
struct DiskCounts {
  explicit DiskCounts(FaultReport& report);
  FaultCount &stall, &death, &read_error, &write_error, &sync_error, &bad_range, &bad_range_hit,
      &no_space, &flip_on_read, &bit_flip, &lost_write, &torn_write, &reordered_write, &lost_size,
      &lost_name;
};

enum class DiskOp : uint8_t { kRead, kWrite, kSync, kName };

/// Time: an operation takes one of the device's channels for its latency, and its bytes pass one
/// after the other through the device's bandwidth; so a deep queue is fast and an overlong one
/// slow.
class SimDevice {
 public:
  SimDevice(Node& node, std::string mount, const DiskOptions& options);

  // ---- For tests: faults on purpose. Paths are absolute and must exist; faults count as fired.

  void FlipBit(const std::string& path, uint64_t offset, unsigned bit);
  /// Reads and writes that touch this range answer EIO for ever.
  void FailRange(const std::string& path, uint64_t offset, uint64_t size);
  void SetCapacity(uint64_t bytes) { options_.capacity_bytes = bytes; }
  void SetFaults(const DiskFaults& faults) { options_.faults = faults; }
  /// Everything answers EIO from now on.
  void Kill();
  void FailNextSync() { ++syncs_to_fail_; }
  void FailNextWrite() { ++writes_to_fail_; }
  void FailNextRead() { ++reads_to_fail_; }
  void StallFor(Duration time);

  const DiskOptions& options() const { return options_; }
  const std::string& mount() const { return mount_; }
  uint64_t used_bytes() const { return *used_; }
  uint64_t free_bytes() const {
    return *used_ < options_.capacity_bytes ? options_.capacity_bytes - *used_ : 0;
  }
  /// Null where there is none.
  InodeRef Find(const std::string& path) const { return names_.Find(path); }

  // ---- For SimDisk.

  SimNames& names() { return names_; }
  InodeRef NewInode(bool directory);
  /// The contents changed just now; or only a name or a time of it did.
  void TouchContents(Inode& inode);
  void TouchName(Inode& inode);
  /// When an operation begun now is done.
  Instant Admit(DiskOp op, uint64_t bytes);
  /// A moment between now and `done`, by chance.
  Instant Between(Instant done);
  /// Whether the medium answers EIO now; counts.
  bool Fails(DiskOp op, const Inode& inode, uint64_t offset, uint64_t size);
  bool dead() const { return dead_; }

  size_t Read(Inode& inode, uint64_t offset, MutableBytes into);
  /// False, and nothing happens, where the space does not suffice.
  bool Write(Inode& inode, uint64_t offset, std::span<const Bytes> parts);
  /// A write that fails half way.
  void WriteFrontPart(Inode& inode, uint64_t offset, std::span<const Bytes> parts);
  bool Resize(Inode& inode, uint64_t size, bool preallocate);
  void FailSync(Inode& inode, uint64_t mark);

  /// Locks go; with the power also goes what was not synced.
  void Crash(bool power);

 private:
  bool TakeOne(uint32_t& wanted, FaultCount& count, double rate);
  void RotSome(Inode& inode, uint64_t offset, uint64_t size);
  void AddToReport(const CrashTally& tally);
  Instant now() const;

  Node& node_;
  const std::string mount_;
  DiskOptions options_;
  Prng prng_;
  DiskCounts& counts_;
  std::shared_ptr<uint64_t> used_;
  std::shared_ptr<InodeNumbers> numbers_;
  SimNames names_;
  std::vector<int64_t> channels_;  // busy until
  int64_t pipe_until_ = 0;
  int64_t stalled_until_ = 0;
  bool dead_ = false;
  uint32_t reads_to_fail_ = 0;
  uint32_t writes_to_fail_ = 0;
  uint32_t syncs_to_fail_ = 0;
};

}  // namespace forebay::sim
