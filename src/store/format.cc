#include "src/store/format.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/base/assert.h"
#include "src/base/checksum.h"
#include "src/store/planted.h"

namespace forebay {
namespace {

constexpr uint64_t kSuperMagic = 0x5245495459414246;  // "FBAYTIER"
constexpr uint32_t kRecordMagic = 0x43455246;         // "FREC"

struct RawSuper {
  uint64_t magic;
  uint32_t format;
  uint32_t page_bytes;
  Hash128 node_id;
  uint64_t tier_id;
  uint64_t data_pages;
  uint64_t records;
  uint32_t reserved;
  uint32_t crc;
};
static_assert(sizeof(RawSuper) == 64);

struct RawRecord {
  Hash128 key;
  uint64_t attachment;
  uint64_t sequence;
  uint32_t first_page;
  uint32_t length;
  uint32_t magic;
  uint8_t block_class;
  uint8_t complete;
  uint16_t reserved;
  uint32_t reserved2[3];
  uint32_t crc;
};
static_assert(sizeof(RawRecord) == Record::kBytes);

template <class Raw>
uint32_t RawCrc(const Raw& raw, uint32_t seed) {
  return Crc32c(std::as_bytes(std::span(&raw, 1)).first(offsetof(Raw, crc)), seed);
}

uint32_t RecordSeed(uint64_t tier_id, uint64_t slot) {
  return static_cast<uint32_t>(Mix64(tier_id ^ Mix64(slot)));
}

}  // namespace

std::string_view ClassName(BlockClass block_class) {
  switch (block_class) {
    case BlockClass::kData:
      return "data";
    case BlockClass::kDirty:
      return "dirty";
    case BlockClass::kKv:
      return "kv";
  }
  return "unknown";
}

void Superblock::Encode(MutableBytes page) const {
  FB_ASSERT(page.size() == kBytes);
  RawSuper raw{.magic = kSuperMagic,
               .format = kStoreFormat,
               .page_bytes = kPageBytes,
               .node_id = node_id,
               .tier_id = tier_id,
               .data_pages = data_pages,
               .records = records,
               .reserved = 0,
               .crc = 0};
  raw.crc = RawCrc(raw, 0);
  std::fill(page.begin(), page.end(), std::byte{0});
  StoreTo(page.data(), raw);
}

Result<Superblock> Superblock::Decode(Bytes page) {
  if (page.size() < kBytes) return Fail(Code::kCorrupt, "the superblock is cut short");
  const auto raw = LoadFrom<RawSuper>(page.data());
  if (raw.magic != kSuperMagic)
    return Fail(
        Code::kCorrupt,
        "this is not a Forebay tier; where it was one, remove it and forebay.data beside it "
        "to begin with an empty disk");
  if (raw.format != kStoreFormat) {
    return Fail(Code::kUnsupported,
                fmt::format("format {} was written by another version; this one reads format {}",
                            raw.format, kStoreFormat));
  }
  if (raw.crc != RawCrc(raw, 0))
    return Fail(Code::kCorrupt,
                "the superblock is damaged; remove it and forebay.data beside it to begin with an "
                "empty disk");
  if (raw.page_bytes != kPageBytes) {
    return Fail(Code::kUnsupported, fmt::format("pages of {} bytes", raw.page_bytes));
  }
  return Superblock{.node_id = raw.node_id,
                    .tier_id = raw.tier_id,
                    .data_pages = raw.data_pages,
                    .records = raw.records};
}

void Record::Encode(std::byte* to, uint64_t tier_id, uint64_t slot) const {
  RawRecord raw{.key = key.hash,
                .attachment = attachment,
                .sequence = sequence,
                .first_page = first_page,
                .length = length,
                .magic = kRecordMagic,
                .block_class = static_cast<uint8_t>(block_class),
                .complete = complete,
                .reserved = 0,
                .reserved2 = {},
                .crc = 0};
  raw.crc = RawCrc(raw, RecordSeed(tier_id, slot));
  StoreTo(to, raw);
}

std::optional<Record> Record::Decode(const std::byte* from, uint64_t tier_id, uint64_t slot) {
  const auto raw = LoadFrom<RawRecord>(from);
  if (raw.magic != kRecordMagic) return std::nullopt;
  const bool intact = raw.crc == RawCrc(raw, RecordSeed(tier_id, slot));
  if (!intact && !Planted(PlantedBug::kAcceptTornHeader)) return std::nullopt;
  if (raw.block_class >= kBlockClasses) return std::nullopt;
  return Record{.key = {raw.key},
                .attachment = raw.attachment,
                .sequence = raw.sequence,
                .first_page = raw.first_page,
                .length = raw.length,
                .block_class = static_cast<BlockClass>(raw.block_class),
                .complete = raw.complete != 0};
}

}  // namespace forebay
