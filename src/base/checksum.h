// CRC32C of pages, bound to the block that they belong to: a page that is intact but in the wrong
// place fails too.
#pragma once

#include <cstdint>

#include "src/base/block_key.h"
#include "src/base/bytes.h"

namespace forebay {

inline constexpr uint32_t kPageBytes = 4096;

/// CRC32C continued from `seed`.
uint32_t Crc32c(Bytes bytes, uint32_t seed);

/// What a page's CRC begins with: differs for every page of every block.
uint32_t PageSeed(const BlockKey& key, uint32_t page);

inline uint32_t PageCrc(const BlockKey& key, uint32_t page, Bytes bytes) {
  return Crc32c(bytes, PageSeed(key, page));
}

/// Computes the CRC of each page of `data`, which begins at page `first`, into `crcs`.
void ComputeCrcs(const BlockKey& key, uint32_t first, Bytes data, uint32_t* crcs);

/// The first page of `data` that does not match, or the number of pages if all do.
uint32_t FirstBadPage(const BlockKey& key, uint32_t first, Bytes data, const uint32_t* crcs);

/// Copies page by page while each is in the processor's cache for its check: close to the cost of
/// the copy alone. False at the first page that does not match; `to` is then worthless.
bool CopyVerified(const BlockKey& key, uint32_t first, Bytes data, const uint32_t* crcs,
                  std::byte* to);

}  // namespace forebay
