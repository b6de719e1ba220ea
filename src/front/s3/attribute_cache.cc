#include "src/front/s3/attribute_cache.h"

#include <utility>

namespace forebay::s3door {
namespace {

/// What an entry costs beside its texts.
constexpr uint64_t kOverhead = 248;
/// The clocks of a store and of this node differ, too.
constexpr int64_t kSettledNs = 3'000'000'000;

}  // namespace

uint64_t AttributeCache::BytesOf(const ObjectAttributes& attributes) {
  uint64_t bytes = kOverhead;
  for (const auto& [name, value] : attributes) bytes += 64 + name.size() + value.size();
  return bytes;
}

AttributeCache::Value AttributeCache::Find(const VersionId& version, int64_t modified_ns) {
  const auto kept = kept_.find(BlockKey::Of(version, 0));
  if (kept == kept_.end() || kept->second.modified_ns != modified_ns) return nullptr;
  by_age_.splice(by_age_.end(), by_age_, kept->second.age);
  return kept->second.attributes;
}

void AttributeCache::Drop(std::map<Key, Kept>::iterator kept) {
  bytes_ -= BytesOf(*kept->second.attributes);
  by_age_.erase(kept->second.age);
  kept_.erase(kept);
}

void AttributeCache::Learn(const VersionId& version, int64_t modified_ns, int64_t now_ns,
                           Value attributes) {
  const Key key = BlockKey::Of(version, 0);
  if (const auto known = kept_.find(key); known != kept_.end()) Drop(known);
  if (now_ns - modified_ns < kSettledNs) return;
  const uint64_t bytes = BytesOf(*attributes);
  if (bytes > capacity_bytes_) return;
  while (bytes_ + bytes > capacity_bytes_) Drop(kept_.find(by_age_.front()));
  const auto age = by_age_.insert(by_age_.end(), key);
  kept_.emplace(key,
                Kept{.attributes = std::move(attributes), .modified_ns = modified_ns, .age = age});
  bytes_ += bytes;
}

}  // namespace forebay::s3door
