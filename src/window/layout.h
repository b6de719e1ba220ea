// What lies in the memory that a node shares with the processes of its machine: the table of one
// attachment, which only the node writes, and one page a client, which both sides touch. Words of
// 64 bits only, all atomic; docs/WINDOW.md says why what is read here can be trusted.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "src/base/block_key.h"
#include "src/base/bytes.h"
#include "src/base/result.h"
#include "src/base/units.h"

namespace forebay::window {

using Word = std::atomic<uint64_t>;
static_assert(sizeof(Word) == 8 && Word::is_always_lock_free, "processes share words");

inline constexpr uint64_t kTableMagic = 0x4c42'5457'5941'4246;  // "FBAYWTBL"
inline constexpr uint64_t kFormat = 1;
inline constexpr uint64_t kLine = 64;
inline constexpr uint32_t kSegmentSlots = 1024;
/// How many lines (entries) beside its own an entry may lie in, so that a miss costs no more.
inline constexpr uint32_t kBlockProbes = 4;
inline constexpr uint32_t kNameProbes = 4;
inline constexpr uint32_t kBlocksPerLine = 2;
inline constexpr uint32_t kMaxEtagBytes = 127;

// -- The table. The node writes it, clients map it for reading alone.

struct TableHeader {
  Word magic;
  Word format;
  Word attachment;
  Word block_bytes;  // how objects are cut into blocks
  Word block_lines;  // a power of two
  Word names;        // a power of two
  Word over;         // not 0: the attachment is no more, and a client may drop all of this
  Word reserved;
  Word segments_gone;  // counts them: a client whose count differs has mappings to drop
};
static_assert(sizeof(TableHeader) <= 4096);

/// A block in memory. `use` names this one stay of it there, and is never given to another: all of
/// the entry is of that stay while `use` reads the same before and after. 0: no block.
struct BlockEntry {
  Word use;
  Word key_hi;
  Word key_lo;
  Word place;
};
static_assert(sizeof(BlockEntry) * kBlocksPerLine == kLine);

/// What an object's name stands for. `sequence` is odd while the entry changes.
struct NameEntry {
  Word sequence;
  Word name_hi;
  Word name_lo;
  Word version_hi;
  Word version_lo;
  Word size;
  Word modified_ns;
  Word fresh_until_ns;
  Word etag[16];  // its first byte is the length
};
static_assert(sizeof(NameEntry) == 3 * kLine && sizeof(NameEntry::etag) == kMaxEtagBytes + 1);

/// Where a block's bytes are, in one word: segment slot, page within the segment, length.
struct Place {
  uint32_t segment = 0;  // a slot of the table's
  uint32_t page = 0;
  uint32_t length = 0;

  static constexpr int kLengthBits = 27, kPageBits = 22;
  constexpr uint64_t Pack() const {
    return uint64_t{segment} << (kLengthBits + kPageBits) | uint64_t{page} << kLengthBits | length;
  }
  static constexpr Place Unpack(uint64_t word) {
    return {.segment = static_cast<uint32_t>(word >> (kLengthBits + kPageBits)),
            .page = static_cast<uint32_t>(word >> kLengthBits) & ((1u << kPageBits) - 1),
            .length = static_cast<uint32_t>(word) & ((1u << kLengthBits) - 1)};
  }
};

/// The parts of a table in memory of ours. Points into it; owns nothing.
struct Table {
  TableHeader* header = nullptr;
  Word* segments = nullptr;  // numbers; 0: the slot is free
  NameEntry* names = nullptr;
  BlockEntry* blocks = nullptr;
  uint64_t name_mask = 0;
  uint64_t line_mask = 0;

  static uint64_t BytesFor(uint64_t block_lines, uint64_t names);
  /// Writes the header of a new table into zeroed memory.
  static Table Make(MutableBytes memory, uint64_t attachment, uint64_t block_bytes,
                    uint64_t block_lines, uint64_t names);
  /// kUnsupported: of another format; kCorrupt: not a table, or smaller than it says.
  static Result<Table> Open(MutableBytes memory);

  uint64_t entries() const { return (line_mask + 1) * kBlocksPerLine; }
  /// The `n`th of kBlockProbes * kBlocksPerLine entries that may hold a key.
  BlockEntry& BlockOf(uint64_t spread, uint32_t n) const {
    const uint64_t line = (spread + n / kBlocksPerLine) & line_mask;
    return blocks[line * kBlocksPerLine + n % kBlocksPerLine];
  }
  NameEntry& NameOf(const Hash128& name, uint32_t n) const {
    return names[(name.lo + n) & name_mask];
  }
};

// -- A client's page. It may hold anything: the client writes it as it likes.

inline constexpr uint32_t kRecent = 56;

/// A client that reads a block has its `use` here. The words behind are its thread's alone.
struct alignas(kLine) HazardSlot {
  Word use;  // 0: free
  Word hits;
  Word bytes;
  Word recent_count;  // how many were written to its ring of recent hits, ever
  Word reserved[4];
};
static_assert(sizeof(HazardSlot) == kLine);

struct Page {
  struct alignas(kLine) Header {
    Word used;  // no slot from here on was ever used
  };
  Header* header = nullptr;
  HazardSlot* hazards = nullptr;
  Word* recent = nullptr;  // kRecent a slot: entry number, and the low half of its use above
  uint32_t slots = 0;

  static uint64_t BytesFor(uint32_t slots);
  static uint32_t SlotsIn(uint64_t bytes);
  /// As many slots as lie in the memory.
  static Page Over(MutableBytes memory);
};

/// What a name is found by.
inline Hash128 NameHash(AttachmentId attachment, std::string_view key) {
  return HashBytes(AsBytes(key), attachment);
}

}  // namespace forebay::window
