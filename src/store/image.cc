#include "src/store/image.h"

#include <algorithm>

#include "src/base/assert.h"
#include "src/base/units.h"
#include "src/store/planted.h"

namespace forebay {

struct Trailer::Footer {
  Hash128 key;
  uint32_t length;
  uint32_t magic;
  uint32_t reserved;
  uint32_t crc;  // of everything in the trailer before it but the flushed bits
};

namespace {
constexpr uint32_t kFooterBytes = 32;
constexpr uint32_t kTrailerMagic = 0x4b4c4246;  // "FBLK"
constexpr uint32_t kTrailerSeedPage = ~0u;      // no data page has this number
}  // namespace

ImageLayout::ImageLayout(uint32_t length_bytes) : length(length_bytes) {
  FB_ASSERT(length > 0 && length <= kMaxBlockBytes);
  data_pages = static_cast<uint32_t>(DivideRoundUp(length, kPageBytes));
  bitmap_words = static_cast<uint32_t>(DivideRoundUp(data_pages, 64));
  trailer_bytes = static_cast<uint32_t>(RoundUp(uint64_t{data_pages} * 4, 8)) + bitmap_words * 16 +
                  kFooterBytes;
  total_pages =
      static_cast<uint32_t>(DivideRoundUp(RoundUp(length, 8) + trailer_bytes, kPageBytes));
  trailer_offset = total_pages * kPageBytes - trailer_bytes;
}

uint32_t ImageLayout::PageLength(uint32_t page) const {
  return std::min(kPageBytes, length - page * kPageBytes);
}

bool Trailer::Bit(const std::byte* words, uint32_t bit) {
  return (LoadFrom<uint64_t>(words + size_t{bit} / 64 * 8) >> (bit % 64) & 1) != 0;
}

void Trailer::SetBits(std::byte* words, uint32_t first, uint32_t count) {
  for (uint32_t bit = first; bit < first + count;) {
    const uint32_t here = std::min(64 - bit % 64, first + count - bit);
    const uint64_t mask = (here == 64 ? ~0ull : (1ull << here) - 1) << (bit % 64);
    std::byte* word = words + size_t{bit} / 64 * 8;
    StoreTo(word, LoadFrom<uint64_t>(word) | mask);
    bit += here;
  }
}

bool Trailer::AllFilled(uint32_t first, uint32_t pages) const {
  for (uint32_t page = first; page < first + pages; ++page) {
    if (!filled(page)) return false;
  }
  return true;
}

void Trailer::Clear() {
  std::memset(at_, 0, layout_.trailer_bytes);
}

void Trailer::CopyFilledTo(Trailer& empty) const {
  for (uint32_t page = 0; page < layout_.data_pages; ++page) {
    if (filled(page)) empty.crcs()[page] = crcs()[page];
  }
  std::memcpy(empty.filled_words(), filled_words(), size_t{layout_.bitmap_words} * 16);
}

Trailer::Footer Trailer::MakeFooter(const BlockKey& key) const {
  static_assert(sizeof(Footer) == kFooterBytes);
  const Hash128 name = Planted(PlantedBug::kForgetKeyInChecksum) ? Hash128{} : key.hash;
  Footer footer{
      .key = name, .length = layout_.length, .magic = kTrailerMagic, .reserved = 0, .crc = 0};
  const uint32_t seed = PageSeed(ChecksumKey(key), kTrailerSeedPage);
  const uint32_t crc = Crc32c({at_, AlignedCrcBytes() + layout_.bitmap_words * 8}, seed);
  footer.crc = Crc32c(std::as_bytes(std::span(&footer, 1)).first(offsetof(Footer, crc)), crc);
  return footer;
}

void Trailer::Seal(const BlockKey& key) {
  StoreTo(at_ + layout_.trailer_bytes - kFooterBytes, MakeFooter(key));
}

bool Trailer::Check(const BlockKey& key) const {
  const Footer expected = MakeFooter(key);
  return std::memcmp(at_ + layout_.trailer_bytes - kFooterBytes, &expected, kFooterBytes) == 0;
}

}  // namespace forebay
