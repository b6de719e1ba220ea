// What a writer tells the one who will kill it. Sent before the promise is withdrawn, and after it
// has been given.
#pragma once

#include <cstdint>

#include "src/base/block_key.h"

namespace forebay::store_testing {

struct Report {
  enum Kind : uint32_t {
    kOpened,    // the store is open
    kDurable,   // this block was acknowledged
    kCleaning,  // this block may be evicted from now on
    kWrong,     // a byte was wrong, or a call failed that must not
  };
  Kind kind = kOpened;
  uint32_t length = 0;
  BlockKey key;
};

// The blocks that writers put, by number: so that writer and checker agree without a word.
inline constexpr uint64_t kSharedBlocks = 250;  // of class data, filled in part, again and again
inline constexpr uint64_t kFirstDirtyBlock = 1 << 20;  // each once
inline constexpr uint32_t kLargestBlock = 256 * 1024;
inline constexpr uint64_t kAttachments = 3;

/// Most are small, some are large.
inline uint32_t LengthOfBlock(uint64_t n) {
  const uint64_t chance = Mix64(n ^ 0x5eed);
  const uint32_t most = chance % 8 == 0 ? kLargestBlock : 24 * 1024;
  return 1 + static_cast<uint32_t>((chance >> 8) % most);
}

}  // namespace forebay::store_testing
