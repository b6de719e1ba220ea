#include "src/window/layout.h"

#include <fmt/format.h>

#include <bit>

#include "src/base/assert.h"
#include "src/base/checksum.h"

namespace forebay::window {
namespace {

constexpr uint64_t kSegmentsOffset = 4096;
constexpr uint64_t kNamesOffset = kSegmentsOffset + kSegmentSlots * sizeof(Word);
constexpr uint64_t kMaxEntries = uint64_t{1} << 32;  // recent hits name an entry by 32 bits

uint64_t BlocksOffset(uint64_t names) {
  return RoundUp(kNamesOffset + names * sizeof(NameEntry), kPageBytes);
}

constexpr uint64_t kSlotBytes = sizeof(HazardSlot) + kRecent * sizeof(Word);

}  // namespace

uint64_t Table::BytesFor(uint64_t block_lines, uint64_t names) {
  return RoundUp(BlocksOffset(names) + block_lines * kLine, kPageBytes);
}

Table Table::Make(MutableBytes memory, uint64_t attachment, uint64_t block_bytes,
                  uint64_t block_lines, uint64_t names) {
  auto* header = reinterpret_cast<TableHeader*>(memory.data());
  header->magic = kTableMagic;
  header->format = kFormat;
  header->attachment = attachment;
  header->block_bytes = block_bytes;
  header->block_lines = block_lines;
  header->names = names;
  const auto table = Open(memory);
  FB_ASSERT(table.has_value());
  return *table;
}

Result<Table> Table::Open(MutableBytes memory) {
  const auto refuse = [](Code code, std::string why) {
    return Fail(code, "the table that the node shares: " + std::move(why));
  };
  if (memory.size() < kNamesOffset) return refuse(Code::kCorrupt, "too small");
  auto* header = reinterpret_cast<TableHeader*>(memory.data());
  if (header->magic != kTableMagic) return refuse(Code::kCorrupt, "this is none");
  if (header->format != kFormat) {
    return refuse(
        Code::kUnsupported,
        fmt::format("format {}, this client knows {}; update the older of node and client",
                    header->format.load(), kFormat));
  }
  const uint64_t lines = header->block_lines, names = header->names;
  const bool whole = std::has_single_bit(lines) && std::has_single_bit(names) &&
                     lines * kBlocksPerLine <= kMaxEntries && names <= kMaxEntries &&
                     BytesFor(lines, names) <= memory.size();
  if (!whole) return refuse(Code::kCorrupt, "its sizes cannot be");
  return Table{.header = header,
               .segments = reinterpret_cast<Word*>(memory.data() + kSegmentsOffset),
               .names = reinterpret_cast<NameEntry*>(memory.data() + kNamesOffset),
               .blocks = reinterpret_cast<BlockEntry*>(memory.data() + BlocksOffset(names)),
               .name_mask = names - 1,
               .line_mask = lines - 1};
}

uint64_t Page::BytesFor(uint32_t slots) {
  return RoundUp(sizeof(Header) + slots * kSlotBytes, kPageBytes);
}

uint32_t Page::SlotsIn(uint64_t bytes) {
  return static_cast<uint32_t>((bytes - sizeof(Header)) / kSlotBytes);
}

Page Page::Over(MutableBytes memory) {
  Page page;
  page.slots = SlotsIn(memory.size());
  page.header = reinterpret_cast<Header*>(memory.data());
  page.hazards = reinterpret_cast<HazardSlot*>(memory.data() + sizeof(Header));
  page.recent = reinterpret_cast<Word*>(page.hazards + page.slots);
  return page;
}

}  // namespace forebay::window
