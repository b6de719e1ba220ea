// Whom a block was given to lately. When many nodes want one block at once, its owner gives it to
// few of them, and sends the others to those: it sends a block that N want about sqrt(N / 8) times,
// not N times. Whoever was sent may come back, so nothing depends on what stands here.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <vector>

#include "src/base/block_key.h"

namespace forebay {

/// Times are nanoseconds of one clock.
class Recruits {
 public:
  static constexpr uint32_t kNobody = UINT32_MAX;
  /// Whoever asks so long after the last one is the first again.
  static constexpr int64_t kHeatLasts = 2'000'000'000;
  static constexpr size_t kMaxBlocks = 8192;
  /// So many are sent to others, at first, for each that is served.
  static constexpr uint64_t kSentPerServed = 8;

  struct Sources {
    uint32_t first = kNobody;
    uint32_t second = kNobody;  // another than the first
  };
  /// A node wants the block. Nobody: give it. Otherwise who has it, or is getting it from here just
  /// now; each is named first as often as the others.
  Sources Ask(const BlockKey& key, uint32_t asker, int64_t now);
  size_t blocks() const { return blocks_.size(); }

 private:
  struct Block {
    BlockKey key;
    int64_t asked_at = 0;
    uint64_t asked = 0;  // how often
    std::vector<uint32_t> served;
  };

  std::list<Block> blocks_;  // the last asked first
  std::map<BlockKey, std::list<Block>::iterator> by_key_;
};

}  // namespace forebay
