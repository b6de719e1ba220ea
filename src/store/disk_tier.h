// One disk of the store: its files, its space, its health, and the way of a block there and back.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "src/runtime/env.h"
#include "src/store/checksum_cache.h"
#include "src/store/disk_space.h"
#include "src/store/dram_tier.h"
#include "src/store/group_sync.h"
#include "src/store/index.h"
#include "src/store/tier_files.h"

namespace forebay {

/// What happened on one disk since the start. Any thread.
struct DiskCounters {
  std::atomic<uint64_t> data_bytes_written{0};  // images and trailers
  std::atomic<uint64_t> record_bytes_written{0};
  std::atomic<uint64_t> block_bytes_flushed{0};  // of which blocks' own bytes
  std::atomic<uint64_t> writes{0};
  std::atomic<uint64_t> reads{0};
  std::atomic<uint64_t> rotten_blocks{0};  // torn or changed: dropped, never served
  std::atomic<uint64_t> io_errors{0};
  std::atomic<uint64_t> not_admitted{0};
};

/// Any thread, through its own Env.
class DiskTier {
 public:
  /// Opens or makes the tier and takes in what a former process left there, without reading any
  /// block's data.
  static Task<Result<std::unique_ptr<DiskTier>>> Open(Env& env, Index& index, DramTier& dram,
                                                      ChecksumCache& checksums, DiskOptions options,
                                                      Hash128 node_id, uint8_t number);

  /// A read of the disk copy that has begun: it stays until EndRead.
  struct Reading {
    Slot slot = kNone;
    uint32_t first_page = 0;
    uint32_t length = 0;
    uint16_t domain = 0;
    BlockClass block_class = BlockClass::kData;
  };

  /// Reads and verifies [offset, offset+into.size()) into the caller's memory. False: those bytes
  /// are not there, or not intact, in which case the block is dropped. A dirty block is never
  /// dropped: it gives the error.
  Task<Result<bool>> Read(Env& env, BlockKey key, Reading reading, uint32_t offset,
                          MutableBytes into);

  /// Reads and verifies the whole image into an unpublished frame. False as above.
  Task<Result<bool>> ReadImage(Env& env, BlockKey key, Reading reading, Frame& frame);

  /// Brings blocks from memory to this disk: finds room, writes images and records, makes them
  /// findable. Blocks that are gone or not wanted are passed over. The first error is returned when
  /// all is done.
  Task<Result<void>> Flush(Env& env, std::vector<BlockKey> keys);

  /// Flush, and then everything of it is durable. After an error what had not been durable is lost.
  Task<Result<void>> FlushDurably(Env& env, std::vector<BlockKey> keys);

  /// The origin has a durable dirty block now. It may be evicted once the disk knows that, durably.
  Task<Result<void>> MarkClean(Env& env, BlockKey key);

  DiskSpace& space() { return *space_; }
  const DiskCounters& counters() const { return counters_; }
  const std::string& directory() const { return files_->directory(); }
  uint64_t size_bytes() const { return files_->super().data_pages * kPageBytes; }
  /// No more use: its blocks are misses and nothing is written to it.
  bool dead() const { return dead_.load(std::memory_order_relaxed); }

  static uint64_t RecordsFor(const DiskOptions& options);

 private:
  struct Job;
  DiskTier(Index& index, DramTier& dram, ChecksumCache& checksums, uint8_t number)
      : index_(index), dram_(dram), checksums_(checksums), number_(number) {}

  Task<Result<void>> Recover(Env& env);
  struct Found;
  Task<Result<std::vector<Found>>> LoadRecords(Env& env, uint64_t* highest);
  Result<bool> Usable(const Record& record, uint64_t slot) const;
  void Adopt(std::vector<Found> found);

  Task<Result<bool>> ReadPages(Env& env, BlockKey key, Reading reading, uint32_t first,
                               uint32_t pages, MutableBytes into);
  Task<Result<bool>> LoadChecksums(Env& env, BlockKey key, Reading reading, uint32_t first,
                                   std::span<uint32_t> crcs);
  Result<Slot> HoldDirty(const BlockKey& key);
  bool CopyImage(const BlockKey& key, const ImageLayout& layout, Bytes image, Frame& frame);
  Result<bool> Rotten(Env& env, const BlockKey& key, const Reading& reading, std::string_view what);
  Result<bool> ReadFailed(Env& env, const BlockKey& key, const Reading& reading,
                          const Error& error);
  void Failed(Env& env, const Error& error);

  bool Claim(Job& job);
  bool FindRoom(Env& env, Job& job);
  void Seal(Job& job);
  void Finish(Job& job, bool written);
  Task<Result<void>> WriteJobs(Env& env, std::vector<Job>& jobs);
  Task<Result<void>> WritePartial(Env& env, Job& job);
  Task<Result<void>> WriteRecords(Env& env, std::vector<Job>& jobs);

  Index& index_;
  DramTier& dram_;
  ChecksumCache& checksums_;
  const uint8_t number_;
  std::unique_ptr<TierFiles> files_;
  std::unique_ptr<DiskSpace> space_;
  std::unique_ptr<GroupSync> sync_;
  std::atomic<uint64_t> next_sequence_{1};
  std::atomic<uint32_t> failures_in_a_row_{0};
  std::atomic<bool> dead_{false};
  DiskCounters counters_;
};

}  // namespace forebay
