// Who may believe what this node told of a name, and until when: whoever is told of a write. By
// buckets of names, so that it is small; whoever shares a bucket is told of a name that it does not
// know, which does no harm.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "src/base/hash.h"

namespace forebay {

/// Used from one loop. Times are nanoseconds.
class NameLeases {
 public:
  static constexpr size_t kBuckets = 4096;
  /// Where more hold leases of one bucket, everybody is told.
  static constexpr size_t kMostHolders = 64;

  NameLeases() : buckets_(kBuckets) {}

  void Grant(const Hash128& name, uint32_t holder, int64_t until) {
    Bucket& bucket = buckets_[name.lo % kBuckets];
    const auto known = std::ranges::find(bucket.holders, holder, &Holder::node);
    if (known != bucket.holders.end()) {
      known->until = std::max(known->until, until);
    } else if (bucket.holders.size() < kMostHolders) {
      bucket.holders.push_back({holder, until});
    } else {
      bucket.everybody_until = std::max(bucket.everybody_until, until);
    }
  }

  struct Holder {
    uint32_t node = 0;
    int64_t until = 0;
  };
  struct Held {
    std::vector<Holder> holders;
    int64_t everybody_until = 0;  // past: nobody else
  };
  /// Those whose leases of the name have not ended. They keep them, though they are told of a
  /// write: a lease may be of another name as well, and the next write must find who was not
  /// reached.
  Held Holders(const Hash128& name, int64_t now) {
    Bucket& bucket = buckets_[name.lo % kBuckets];
    std::erase_if(bucket.holders, [now](const Holder& holder) { return holder.until <= now; });
    return {bucket.holders, bucket.everybody_until};
  }

 private:
  struct Bucket {
    std::vector<Holder> holders;
    int64_t everybody_until = 0;
  };
  std::vector<Bucket> buckets_;
};

}  // namespace forebay
