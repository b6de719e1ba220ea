// A block looks the same in memory and on disk: its data, then its trailer at the very end of its
// last page, so that one transfer moves both and nothing has to be looked up to verify it.
//
//   | data page 0 | data page 1 | ... | last data ...          trailer |      (a page of its own
//   where it does not fit)
//                                                    |
//                   crc[pages] | filled bits | flushed bits | footer
#pragma once

#include <cstdint>

#include "src/base/block_key.h"
#include "src/base/bytes.h"
#include "src/base/checksum.h"
#include "src/base/result.h"

namespace forebay {

/// The longest block that the formats allow; options may ask for less.
inline constexpr uint32_t kMaxBlockBytes = 64u << 20;

/// Where the parts of a block's image are. Pure arithmetic on its length.
struct ImageLayout {
  explicit ImageLayout(uint32_t length_bytes);

  uint32_t length;        // bytes of data
  uint32_t data_pages;    // pages that hold data
  uint32_t total_pages;   // with the trailer
  uint32_t bitmap_words;  // 64-bit words in each bitmap
  uint32_t trailer_bytes;
  uint32_t trailer_offset;

  uint64_t total_bytes() const { return uint64_t{total_pages} * kPageBytes; }
  /// The first page that holds a byte of the trailer.
  uint32_t trailer_page() const { return trailer_offset / kPageBytes; }
  /// How many bytes of data `page` holds.
  uint32_t PageLength(uint32_t page) const;
};

/// The trailer of an image, wherever its bytes are. Views memory; owns nothing.
class Trailer {
 public:
  /// `at` is where the trailer begins: image + layout.trailer_offset.
  Trailer(std::byte* at, const ImageLayout& layout) : at_(at), layout_(layout) {}

  uint32_t* crcs() { return reinterpret_cast<uint32_t*>(at_); }
  const uint32_t* crcs() const { return reinterpret_cast<const uint32_t*>(at_); }

  bool filled(uint32_t page) const { return Bit(filled_words(), page); }
  bool flushed(uint32_t page) const { return Bit(flushed_words(), page); }
  void SetFilled(uint32_t first, uint32_t pages) { SetBits(filled_words(), first, pages); }
  void SetFlushed(uint32_t first, uint32_t pages) { SetBits(flushed_words(), first, pages); }
  bool AllFilled(uint32_t first, uint32_t pages) const;

  /// Makes an empty trailer.
  void Clear();
  /// Makes an empty trailer of the same layout say what this one says of the pages that are filled.
  /// Looks at nothing that belongs to a page that is not: somebody may be filling it.
  void CopyFilledTo(Trailer& empty) const;
  /// Writes the footer: from now on `Check` accepts these bytes for `key`, until one changes.
  void Seal(const BlockKey& key);
  bool Check(const BlockKey& key) const;

 private:
  struct Footer;
  std::byte* filled_words() const { return at_ + AlignedCrcBytes(); }
  std::byte* flushed_words() const { return filled_words() + size_t{layout_.bitmap_words} * 8; }
  Footer MakeFooter(const BlockKey& key) const;
  uint32_t AlignedCrcBytes() const { return (layout_.data_pages * 4 + 7) / 8 * 8; }
  static bool Bit(const std::byte* words, uint32_t bit);
  static void SetBits(std::byte* words, uint32_t first, uint32_t count);

  std::byte* at_;
  ImageLayout layout_;
};

}  // namespace forebay
