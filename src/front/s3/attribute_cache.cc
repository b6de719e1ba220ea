#include "src/front/s3/attribute_cache.h"

#include <utility>

namespace forebay::s3door {
namespace {

/// What an entry costs beside its texts.
constexpr uint64_t kOverhead = 350;
/// The clocks of a store and of this node differ, too.
constexpr int64_t kSettledNs = 3'000'000'000;

}  // namespace

uint64_t AttributeCache::BytesOf(const Described& described) {
  uint64_t bytes =
      kOverhead + described.etag.size() + described.content_type.size() + described.lines.size();
  for (const auto& [name, value] : described.attributes) bytes += 64 + name.size() + value.size();
  return bytes;
}

AttributeCache::Stripe& AttributeCache::StripeOf(const Key& key) {
  return stripes_[key.Spread() % stripes_.size()];
}

AttributeCache::Value AttributeCache::Find(const VersionId& version, int64_t modified_ns) {
  const Key key = BlockKey::Of(version, 0);
  Stripe& stripe = StripeOf(key);
  const std::lock_guard lock(stripe.mutex);
  const auto kept = stripe.kept.find(key);
  if (kept == stripe.kept.end() || kept->second.modified_ns != modified_ns) return nullptr;
  stripe.by_age.splice(stripe.by_age.end(), stripe.by_age, kept->second.age);
  return kept->second.described;
}

void AttributeCache::Stripe::Drop(std::map<Key, Kept>::iterator known) {
  bytes -= BytesOf(*known->second.described);
  by_age.erase(known->second.age);
  kept.erase(known);
}

void AttributeCache::Learn(const VersionId& version, int64_t modified_ns, int64_t now_ns,
                           Value described) {
  const Key key = BlockKey::Of(version, 0);
  Stripe& stripe = StripeOf(key);
  const std::lock_guard lock(stripe.mutex);
  if (const auto known = stripe.kept.find(key); known != stripe.kept.end()) stripe.Drop(known);
  if (now_ns - modified_ns < kSettledNs) return;
  const uint64_t bytes = BytesOf(*described);
  if (bytes > stripe_bytes_) return;
  while (stripe.bytes + bytes > stripe_bytes_) {
    stripe.Drop(stripe.kept.find(stripe.by_age.front()));
  }
  const auto age = stripe.by_age.insert(stripe.by_age.end(), key);
  stripe.kept.emplace(
      key, Kept{.described = std::move(described), .modified_ns = modified_ns, .age = age});
  stripe.bytes += bytes;
}

}  // namespace forebay::s3door
