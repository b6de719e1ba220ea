#include "src/store/checksum_cache.h"

#include <algorithm>

#include "src/base/units.h"

namespace forebay {

namespace {
/// A place in the table for each of so many bytes: the checksums of small blocks take little more.
constexpr uint64_t kBytesPerPlace = 256;
}  // namespace

ChecksumCache::ChecksumCache(uint64_t capacity_bytes)
    : stripe_bytes_(capacity_bytes / kStripes), stripes_(new Stripe[kStripes]) {
  for (size_t i = 0; i < kStripes; ++i) {
    stripes_[i].items.resize(std::max<uint64_t>(1, stripe_bytes_ / kBytesPerPlace));
  }
}

std::unique_ptr<ChecksumCache::Item>& ChecksumCache::PlaceOf(Stripe& stripe, const BlockKey& key) {
  return stripe.items[(key.Spread() & 0xffffffff) * stripe.items.size() >> 32];
}

ChecksumCache::Answer ChecksumCache::Find(const BlockKey& key, uint32_t first, uint32_t pages,
                                          uint32_t* crcs) {
  Stripe& stripe = StripeOf(key);
  const std::scoped_lock lock(stripe.mutex);
  const auto& item = PlaceOf(stripe, key);
  if (item == nullptr || item->key != key) return Answer::kUnknown;
  const uint32_t all = item->pages;
  if (first + pages > all) return Answer::kMissing;
  const uint32_t* filled = item->crcs.data() + all;
  for (uint32_t page = first; page < first + pages; ++page) {
    if ((filled[page / 32] >> (page % 32) & 1) == 0) return Answer::kMissing;
  }
  std::copy_n(item->crcs.data() + first, pages, crcs);
  return Answer::kFound;
}

void ChecksumCache::Insert(const BlockKey& key, const Trailer& trailer, const ImageLayout& layout) {
  auto item = std::make_unique<Item>();
  item->key = key;
  item->pages = layout.data_pages;
  item->crcs.resize(layout.data_pages + DivideRoundUp(layout.data_pages, 32));
  std::copy_n(trailer.crcs(), layout.data_pages, item->crcs.begin());
  for (uint32_t page = 0; page < layout.data_pages; ++page) {
    if (trailer.filled(page)) item->crcs[layout.data_pages + page / 32] |= 1u << (page % 32);
  }
  Stripe& stripe = StripeOf(key);
  const std::scoped_lock lock(stripe.mutex);
  stripe.bytes += item->bytes();
  auto& place = PlaceOf(stripe, key);
  if (place != nullptr) stripe.bytes -= place->bytes();
  place = std::move(item);
  while (stripe.bytes > stripe_bytes_) {
    auto& oldest = stripe.items[stripe.hand++ % stripe.items.size()];
    if (oldest == nullptr) continue;
    stripe.bytes -= oldest->bytes();
    oldest.reset();
  }
}

void ChecksumCache::Erase(const BlockKey& key) {
  Stripe& stripe = StripeOf(key);
  const std::scoped_lock lock(stripe.mutex);
  auto& place = PlaceOf(stripe, key);
  if (place == nullptr || place->key != key) return;
  stripe.bytes -= place->bytes();
  place.reset();
}

}  // namespace forebay
