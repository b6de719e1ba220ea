// The side of one attachment's window that lives in processes which are not ours: names and blocks
// of the node's memory, found without a message. No threads, no allocation for a hit, no lock.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/result.h"
#include "src/runtime/memory.h"
#include "src/window/layout.h"

namespace forebay::window {

/// A name as it stood in the table, copied out.
struct FoundName {
  VersionId version;
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;
  int64_t fresh_until_ns = 0;
  uint64_t etag_words[16];
  std::string_view etag() const {
    const char* bytes = reinterpret_cast<const char*>(etag_words);
    return {bytes + 1, static_cast<unsigned char>(bytes[0]) & size_t{kMaxEtagBytes}};
  }
};

enum class Found : uint8_t {
  kHere,
  kNotHere,         // ask the node for the bytes
  kUnknownSegment,  // ask it for the memory in that slot, AddSegment, and try again
  kNoPin,           // this process has pinned as much as it may: ask the node for the bytes
};

/// A block that is kept where it is until it is given to Unpin.
struct PinnedBlock {
  Bytes bytes;        // of the whole block
  uint32_t slot = 0;  // of the hazard
};

/// Any thread of one process; not across a fork. While it lives the connection to the node must,
/// for the node forgets the pins of a client that it has lost.
class WindowReader {
 public:
  /// Takes the mappings over: the table for reading, the page for writing, too.
  static Result<std::unique_ptr<WindowReader>> Create(std::unique_ptr<MappedMemory> table,
                                                      std::unique_ptr<MappedMemory> page);

  uint64_t attachment() const { return table_.header->attachment.load(); }
  uint64_t block_bytes() const { return block_bytes_; }

  /// What a name stands for, if that is known and fresh at `now_ns` of the monotonic clock.
  std::optional<FoundName> FindName(std::string_view key, int64_t now_ns) const;

  /// Views hold at most so many pins; the rest are for copying.
  uint32_t view_slots() const { return page_.slots - page_.slots / kCopyShare; }

  /// For a view: pins the block. `segment` is the slot to ask for on kUnknownSegment.
  Found Pin(const BlockKey& key, PinnedBlock* block, uint32_t* segment);
  void Unpin(const PinnedBlock& block) { Release(block.slot); }

  /// Copies [offset, offset+into.size()) of a block. kNotHere where the block ends before that.
  Found Read(const BlockKey& key, uint64_t offset, MutableBytes into, uint32_t* segment);

  /// What the node handed out for a slot: the memory, and the number of the segment that it is.
  /// Fine if that is known, or gone again, by now.
  void AddSegment(uint64_t number, std::unique_ptr<MappedMemory> memory);

  /// Unmaps segments that the node has given back: only then is their memory really free. Every
  /// call above does so, a client that is idle for long should. True if any went.
  bool DropGoneSegments();
  /// The attachment is no more: nothing new is found, and what is pinned stays good.
  bool over() const;

 private:
  static constexpr uint32_t kCopyShare = 4;  // the last of so many slots is kept for copying
  enum class Use : uint8_t { kView, kCopy };

  struct Mapped {
    std::atomic<uint64_t> number{0};
    std::atomic<std::byte*> bytes{nullptr};
    std::atomic<uint64_t> size{0};
    std::unique_ptr<MappedMemory> memory;  // guarded by segments_mutex_
  };

  WindowReader(std::unique_ptr<MappedMemory> table, std::unique_ptr<MappedMemory> page,
               const Table& view);

  struct Entry {
    uint64_t use = 0;
    uint64_t place = 0;
    uint64_t number = 0;
    const Word* guard = nullptr;  // reads `use` as long as the block is there
  };
  bool Find(const BlockKey& key, Entry* entry) const;
  Found PinFor(Use use, const BlockKey& key, PinnedBlock* block, uint32_t* segment);
  Found Locate(const Entry& entry, PinnedBlock* block, uint32_t* segment) const;
  std::optional<uint32_t> TakeSlot(Use use, uint64_t hazard);
  bool TakeSlotAt(uint32_t slot, uint64_t hazard);
  void Release(uint32_t slot);
  void Note(uint32_t slot, const Entry& entry);

  const std::unique_ptr<MappedMemory> table_memory_;
  const std::unique_ptr<MappedMemory> page_memory_;
  const Table table_;
  const Page page_;
  const uint64_t block_bytes_;
  std::atomic<uint64_t> gone_seen_;
  std::mutex segments_mutex_;  // of mapping and unmapping
  const std::unique_ptr<Mapped[]> mapped_;
};

}  // namespace forebay::window
