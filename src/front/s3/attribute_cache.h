// What answers tell of objects, by their versions and when these were written: where equal bytes
// have equal etags, as on S3, only the time tells that something else was said of the same bytes.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "src/base/block_key.h"
#include "src/origin/origin.h"

namespace forebay::s3door {

/// Of one state of an object, made once for all answers.
struct Described {
  ObjectAttributes attributes;  // as its writer said them
  std::string etag;             // as it is shown
  std::string content_type;
  std::string lines;  // all other headers that follow from the object, as in http::ResponseHead
};

/// Any thread: the loops of a door share it, because what one of them was told by an origin the
/// others need not ask. In each of its stripes what was not asked for longest goes first.
class AttributeCache {
 public:
  using Value = std::shared_ptr<const Described>;
  static constexpr size_t kStripes = 64;
  explicit AttributeCache(uint64_t capacity_bytes, size_t stripes = kStripes)
      : stripe_bytes_(capacity_bytes / stripes), stripes_(stripes) {}

  /// Null: not known.
  Value Find(const VersionId& version, int64_t modified_ns);
  /// Keeps nothing of what was modified so shortly before `now_ns` that it may be again within what
  /// stores tell of times, which is seconds.
  void Learn(const VersionId& version, int64_t modified_ns, int64_t now_ns, Value described);

 private:
  using Key = BlockKey;  // of the version's first block
  struct Kept {
    Value described;
    int64_t modified_ns = 0;
    std::list<Key>::iterator age;
  };
  struct Stripe {
    void Drop(std::map<Key, Kept>::iterator known);

    std::mutex mutex;  // guards what follows
    uint64_t bytes = 0;
    std::map<Key, Kept> kept;
    std::list<Key> by_age;
  };
  static uint64_t BytesOf(const Described& described);
  Stripe& StripeOf(const Key& key);

  const uint64_t stripe_bytes_;
  std::vector<Stripe> stripes_;
};

}  // namespace forebay::s3door
