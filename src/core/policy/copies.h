// Which copies of blocks that other nodes own stay here. A copy costs room that this node's own
// part of the data may need, and nobody else has that: what its owner loses comes from the origin
// again. So copies go first, until one proves to be wanted again and again.
#pragma once

#include <cstdint>

#include "src/core/policy/ghost_list.h"
#include "src/core/policy/policy.h"

namespace forebay {

enum class Copies : uint8_t {
  kNever,   // all of them go first
  kHot,     // but those that were brought in again after they had gone
  kAlways,  // a copy is as good as what is owned, and goes to the disks, too
};

struct CopyOptions {
  Copies keep = Copies::kHot;
  double share = 0.25;  // of the memory, at most, for those that stay
};

/// Whoever uses it guards it.
class CopyKeeper {
 public:
  CopyKeeper(CopyOptions options, uint64_t capacity_pages);

  /// Whether a copy that is brought in now may stay as long as what is owned. It counts until Left.
  bool Admit(const BlockRef& block);
  void Left(const BlockRef& block, bool admitted);
  bool to_disk() const { return options_.keep == Copies::kAlways; }
  uint64_t pages() const { return pages_; }

 private:
  const CopyOptions options_;
  const uint64_t max_pages_;
  GhostList gone_;  // not admitted, and not here any more
  uint64_t pages_ = 0;
};

}  // namespace forebay
