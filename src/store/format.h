// What a disk tier writes down about itself: a superblock, and one record a block. docs/STORE.md
// has the layout.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "src/base/block_key.h"
#include "src/base/bytes.h"
#include "src/base/result.h"

namespace forebay {

/// What may happen to a block.
enum class BlockClass : uint8_t {
  kData = 0,   // the origin has it: may be evicted
  kDirty = 1,  // acknowledged, not in the origin yet: never evicted
  kKv = 2,     // has no origin, may vanish
};
inline constexpr int kBlockClasses = 3;
std::string_view ClassName(BlockClass block_class);

inline constexpr uint32_t kStoreFormat = 1;

/// The first page of the index file, and the second, which is its copy. Written anew
/// at every start.
struct Superblock {
  Hash128 node_id;       // whose files these are
  uint64_t tier_id = 0;  // chance, made with the tier: ties records to it
  uint64_t data_pages = 0;
  uint64_t records = 0;

  static constexpr uint64_t kBytes = 4096;
  void Encode(MutableBytes page) const;
  /// kCorrupt (not ours, or damaged), or kUnsupported (another version) saying which.
  static Result<Superblock> Decode(Bytes page);
};

/// One block on disk.
struct Record {
  BlockKey key;
  uint64_t attachment = 0;
  uint64_t sequence = 0;  // of two records that claim one page, the later one is true
  uint32_t first_page = 0;
  uint32_t length = 0;
  BlockClass block_class = BlockClass::kData;
  bool complete = false;  // every page is filled

  static constexpr uint64_t kBytes = 64;
  /// `tier_id` and `slot` go into the checksum, so that a record in the wrong place is none.
  void Encode(std::byte* to, uint64_t tier_id, uint64_t slot) const;
  /// nullopt: never written, torn, or not of this place.
  static std::optional<Record> Decode(const std::byte* from, uint64_t tier_id, uint64_t slot);
};

/// Where records begin in the index file.
inline constexpr uint64_t kRecordsOffset = 2 * Superblock::kBytes;

}  // namespace forebay
