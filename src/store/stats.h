// What the store did and holds, at one moment.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace forebay {

struct DiskStats {
  std::string directory;
  bool dead = false;
  uint64_t size_bytes = 0;
  uint64_t used_bytes = 0;
  uint64_t blocks = 0;
  uint64_t bad_bytes = 0;  // never used again after a read error
  uint64_t evictions = 0;
  uint64_t neighbour_evictions = 0;  // for their place, not by the policy
  uint64_t reads = 0;
  uint64_t writes = 0;
  uint64_t data_bytes_written = 0;
  uint64_t record_bytes_written = 0;
  uint64_t block_bytes_flushed = 0;
  uint64_t rotten_blocks = 0;
  uint64_t io_errors = 0;
  uint64_t not_admitted = 0;
  uint64_t skipped_behind = 0;  // not brought to the disk because it was too slow
  uint64_t pending_bytes = 0;
  std::string policy;
};

struct StoreStats {
  uint64_t blocks = 0;
  uint64_t memory_hits = 0;
  uint64_t memory_misses = 0;
  uint64_t memory_capacity_bytes = 0;
  uint64_t memory_used_bytes = 0;      // by blocks
  uint64_t memory_resident_bytes = 0;  // with what is kept for the next ones
  uint64_t memory_evictions = 0;
  std::vector<DiskStats> disks;
};

}  // namespace forebay
