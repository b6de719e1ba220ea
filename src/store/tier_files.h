// The two files of a disk tier and how they are read and written; what is in them is the business
// of others.
//
//   DIR/forebay.index   superblock, its copy, then one record of 64 bytes a block   (through the
//   page cache) DIR/forebay.data    images of blocks, page by page (direct, by default)
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "src/runtime/env.h"
#include "src/store/format.h"

namespace forebay {

struct DiskOptions {
  std::string directory;
  uint64_t size_bytes = 0;  // of both files together
  bool direct = true;       // past the page cache
  bool preallocate = true;  // false: sparse files, which may hit a full disk later
  /// Blocks smaller than this on average run out of records first.
  uint64_t smallest_mean_block = uint64_t{16} * 1024;
  double dirty_share = 0.5;  // of the pages, at most
  double kv_share = 0.5;
  std::string policy = "adaptive";
};

/// Any loop may use it through its own Env.
class TierFiles {
 public:
  /// Opens the files, making or resizing them as the options say, and takes the lock that keeps
  /// other processes out.
  static Task<Result<std::unique_ptr<TierFiles>>> Open(Env& env, DiskOptions options,
                                                       Hash128 node_id);

  /// Gives back what lies past the end of a tier that was made smaller. After recovery only.
  Task<Result<void>> Trim(Env& env);

  const Superblock& super() const { return super_; }
  const std::string& directory() const { return options_.directory; }

  /// Reads whole pages; kIoError where the file is shorter.
  Task<Result<void>> ReadData(Env& env, uint64_t page, MutableBytes into);
  Task<Result<void>> WriteData(Env& env, uint64_t page, std::span<const Bytes> parts);
  /// Raw records, `count` of them from `slot` on; shorter where the file ends.
  Task<Result<std::vector<std::byte>>> ReadRecords(Env& env, uint64_t slot, uint64_t count);
  Task<Result<void>> WriteRecords(Env& env, uint64_t slot, Bytes records);
  /// What was written before is durable, data and records both.
  Task<Result<void>> Sync(Env& env);

 private:
  explicit TierFiles(DiskOptions options) : options_(std::move(options)) {}
  Task<void> Unmake(Env& env);
  Task<Result<void>> OpenBoth(Env& env, Hash128 node_id);
  Task<Result<void>> SyncNames(Env& env);
  Task<Result<Superblock>> ReadSuper(Env& env);
  Task<Result<void>> WriteSuper(Env& env, const Superblock& super);
  std::string PathOf(std::string_view file) const;

  const DiskOptions options_;
  Superblock super_;
  bool fresh_ = false;  // the tier is being made by this process
  std::shared_ptr<File> index_;
  std::shared_ptr<File> data_;
};

}  // namespace forebay
