// What writers said of objects, by their versions: a version's attributes never change.
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
  Value Find(const VersionId& version);
  void Learn(const VersionId& version, Value attributes);

 private:
  using Key = BlockKey;  // of the version's first block
  struct Kept {
    Value attributes;
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
