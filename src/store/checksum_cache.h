// The page checksums of blocks that are only on disk, as far as they fit: without them a read of
// one page has to read the block's trailer too.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "src/store/image.h"

namespace forebay {

/// Any thread. Bounded: about `capacity_bytes`, the oldest of a place in the table giving way.
class ChecksumCache {
 public:
  explicit ChecksumCache(uint64_t capacity_bytes);

  enum class Answer { kUnknown, kMissing, kFound };
  /// Copies the checksums of [first, first+pages) out. kMissing: it is known that some of those
  /// pages are not there.
  Answer Find(const BlockKey& key, uint32_t first, uint32_t pages, uint32_t* crcs);

  void Insert(const BlockKey& key, const Trailer& trailer, const ImageLayout& layout);
  void Erase(const BlockKey& key);

 private:
  struct Item {
    BlockKey key;
    uint32_t pages = 0;
    std::vector<uint32_t> crcs;  // of each page, then the filled bits, 32 a word
    uint64_t bytes() const { return sizeof(Item) + crcs.size() * sizeof(uint32_t); }
  };
  struct Stripe {
    std::mutex mutex;
    std::vector<std::unique_ptr<Item>> items;
    uint64_t bytes = 0;
    size_t hand = 0;  // where the next one gives way
  };
  static constexpr size_t kStripes = 64;

  Stripe& StripeOf(const BlockKey& key) { return stripes_[key.Spread() >> 58]; }
  static std::unique_ptr<Item>& PlaceOf(Stripe& stripe, const BlockKey& key);

  uint64_t stripe_bytes_;
  std::unique_ptr<Stripe[]> stripes_;
};

}  // namespace forebay
