// What writers said of objects, by their versions and when these were written: where equal bytes
// have equal etags, as on S3, only the time tells that something else was said of the same bytes.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>

#include "src/base/block_key.h"
#include "src/origin/origin.h"

namespace forebay::s3door {

/// Used from one loop. What was not asked for longest goes first.
class AttributeCache {
 public:
  using Value = std::shared_ptr<const ObjectAttributes>;
  explicit AttributeCache(uint64_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}

  /// Null: not known.
  Value Find(const VersionId& version, int64_t modified_ns);
  /// Keeps nothing of what was modified so shortly before `now_ns` that it may be again within what
  /// stores tell of times, which is seconds.
  void Learn(const VersionId& version, int64_t modified_ns, int64_t now_ns, Value attributes);

 private:
  using Key = BlockKey;  // of the version's first block
  struct Kept {
    Value attributes;
    int64_t modified_ns = 0;
    std::list<Key>::iterator age;
  };
  static uint64_t BytesOf(const ObjectAttributes& attributes);
  void Drop(std::map<Key, Kept>::iterator kept);

  const uint64_t capacity_bytes_;
  uint64_t bytes_ = 0;
  std::map<Key, Kept> kept_;
  std::list<Key> by_age_;
};

}  // namespace forebay::s3door
