// The checksums of data on their way to a reader: one CRC32C for each page (4 KiB of the block)
// that the data touch, bound to block and page as in the store (base/checksum.h). Whole pages carry
// the checksum that came in with them from the origin; nobody recomputes it on the way.
#pragma once

#include <algorithm>
#include <cstdint>

#include "src/base/block_key.h"
#include "src/base/bytes.h"
#include "src/base/checksum.h"

namespace forebay::wire {

/// The number of pages that [offset, offset+size) of an object touches.
constexpr uint64_t PieceCount(uint64_t offset, uint64_t size) {
  return size == 0 ? 0 : (offset + size - 1) / kPageBytes - offset / kPageBytes + 1;
}

/// Checks data as they come, page by page, while they are in the processor's cache.
class PieceVerifier {
 public:
  /// `block_bytes` is a multiple of the page; `crcs` (little-endian u32s) must live as long. Use
  /// Make, which checks what a peer claims.
  static bool Fits(uint32_t block_bytes, uint64_t offset, uint64_t size, Bytes crcs) {
    return block_bytes >= kPageBytes && block_bytes % kPageBytes == 0 &&
           crcs.size() == PieceCount(offset, size) * sizeof(uint32_t);
  }
  /// Of [offset, offset+data.size()), which will come into `data`. Fits() must hold.
  PieceVerifier(const VersionId& version, uint32_t block_bytes, uint64_t offset, Bytes data,
                Bytes crcs)
      : version_(version), block_bytes_(block_bytes), offset_(offset), data_(data), crcs_(crcs) {}

  /// The first `received` bytes are there. False at a piece that does not match.
  bool Check(size_t received) {
    while (done_ < received) {
      const uint64_t at = offset_ + done_;
      const size_t piece = std::min<size_t>(kPageBytes - at % kPageBytes, data_.size() - done_);
      if (done_ + piece > received) return true;
      const BlockKey key = BlockKey::Of(version_, static_cast<uint32_t>(at / block_bytes_));
      const auto page = static_cast<uint32_t>(at % block_bytes_ / kPageBytes);
      const auto crc = LoadFrom<uint32_t>(crcs_.data() + next_++ * sizeof(uint32_t));
      if (PageCrc(key, page, data_.subspan(done_, piece)) != crc) return false;
      done_ += piece;
    }
    return true;
  }

 private:
  VersionId version_;
  uint32_t block_bytes_;
  uint64_t offset_;
  Bytes data_;
  Bytes crcs_;
  size_t done_ = 0;
  size_t next_ = 0;
};

/// All of it at once. False also where the number of checksums is not right.
inline bool VerifyPieces(const VersionId& version, uint32_t block_bytes, uint64_t offset,
                         Bytes data, Bytes crcs) {
  return PieceVerifier::Fits(block_bytes, offset, data.size(), crcs) &&
         PieceVerifier(version, block_bytes, offset, data, crcs).Check(data.size());
}

}  // namespace forebay::wire
