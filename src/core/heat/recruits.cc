#include "src/core/heat/recruits.h"

#include <algorithm>

namespace forebay {

Recruits::Sources Recruits::Ask(const BlockKey& key, uint32_t asker, int64_t now) {
  const auto found = by_key_.find(key);
  if (found != by_key_.end()) {
    blocks_.splice(blocks_.begin(), blocks_, found->second);
  } else {
    if (blocks_.size() == kMaxBlocks) {
      by_key_.erase(blocks_.back().key);
      blocks_.pop_back();
    }
    blocks_.push_front({.key = key});
    by_key_[key] = blocks_.begin();
  }
  Block& block = blocks_.front();
  if (now - block.asked_at >= kHeatLasts) {
    block.asked = 0;
    block.served.clear();
  }
  block.asked_at = now;
  const uint64_t served = block.served.size();
  const bool lost_it = std::ranges::find(block.served, asker) != block.served.end();
  if (!lost_it && block.asked++ >= kSentPerServed * served * served) {
    block.served.push_back(asker);
    return {};
  }
  if (lost_it) return {};
  const uint64_t first = block.asked % served;
  if (served == 1) return {.first = block.served[first]};
  const uint64_t after = 1 + block.asked / served % (served - 1);
  return {.first = block.served[first], .second = block.served[(first + after) % served]};
}

}  // namespace forebay
