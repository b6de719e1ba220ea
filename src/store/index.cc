#include "src/store/index.h"

#include <algorithm>
#include <cstdlib>

#include "src/base/assert.h"
#include "src/base/units.h"

namespace forebay {

namespace {
/// Chains of one and a half entries on average cost less memory than they cost time.
constexpr uint64_t kEntriesPerThreeBuckets = 4;
constexpr uint64_t kMinBuckets = 64;
}  // namespace

Index::Index(uint64_t max_slots, uint64_t max_entries)
    : stripes_(new Stripe[kStripes]), max_slots_(RoundUp(max_slots, kChunk)) {
  FB_ASSERT(max_slots_ < kNone);
  chunks_ = std::make_unique<std::atomic<Entry*>[]>(max_slots_ / kChunk);
  const uint64_t wanted = max_entries * 3 / kEntriesPerThreeBuckets;
  const auto per_stripe = static_cast<uint32_t>(std::max(kMinBuckets, wanted / kStripes));
  // Zeroed lazily by the kernel: a table costs memory only where it is used.
  buckets_ = static_cast<std::atomic<uint32_t>*>(
      std::calloc(uint64_t{per_stripe} * kStripes, sizeof(std::atomic<uint32_t>)));
  FB_ASSERT(buckets_ != nullptr);
  for (uint32_t i = 0; i < kStripes; ++i) {
    stripes_[i].first_bucket = i * per_stripe;
    stripes_[i].buckets = per_stripe;
  }
}

Index::~Index() {
  for (uint64_t i = 0; i < max_slots_ / kChunk; ++i) delete[] chunks_[i].load();
  std::free(buckets_);
}

Slot Index::AddSpace(uint64_t slots) {
  const uint64_t first = next_space_;
  next_space_ = RoundUp(next_space_ + slots, kChunk);
  FB_ASSERT(next_space_ <= max_slots_);
  return static_cast<Slot>(first);
}

Entry& Index::entry(Slot slot) {
  return chunks_[slot / kChunk].load(std::memory_order_acquire)[slot % kChunk];
}

Entry& Index::Materialize(Slot slot) {
  std::atomic<Entry*>& chunk = chunks_[slot / kChunk];
  Entry* entries = chunk.load(std::memory_order_acquire);
  if (entries == nullptr) {
    auto* fresh = new Entry[kChunk];
    if (chunk.compare_exchange_strong(entries, fresh)) {
      entries = fresh;
    } else {
      delete[] fresh;  // another stripe was first
    }
  }
  return entries[slot % kChunk];
}

std::atomic<uint32_t>& Index::BucketIn(const Stripe& stripe, const BlockKey& key) const {
  const uint64_t spread = key.Spread() << 8;  // its top byte chose the stripe
  const auto bucket =
      static_cast<uint32_t>((static_cast<unsigned __int128>(spread) * stripe.buckets) >> 64);
  return buckets_[stripe.first_bucket + bucket];
}

void Index::FetchBucket(const BlockKey& key) const {
  const Stripe& stripe = stripes_[StripeOf(key)];
  __builtin_prefetch(&BucketIn(stripe, key));
  __builtin_prefetch(&stripe.pending[0]);
}

Slot Index::FetchEntry(const BlockKey& key) const {
  const Stripe& stripe = stripes_[StripeOf(key)];
  const Slot slot = BucketIn(stripe, key).load(std::memory_order_relaxed) - 1;
  if (slot == kNone) return kNone;
  const Entry* chunk = chunks_[slot / kChunk].load(std::memory_order_acquire);
  if (chunk != nullptr) __builtin_prefetch(&chunk[slot % kChunk]);
  return slot;
}

Slot Index::Guard::Find(const BlockKey& key) const {
  Slot slot = BucketOf(key).load(std::memory_order_relaxed) - 1;
  while (slot != kNone) {
    const Entry& entry = index_.entry(slot);
    if (entry.key == key) return slot;
    slot = entry.next;
  }
  return kNone;
}

void Index::Guard::Insert(Slot slot, const Entry& entry) {
  Entry& to = index_.Materialize(slot);
  std::atomic<uint32_t>& bucket = BucketOf(entry.key);
  to = entry;
  to.next = bucket.load(std::memory_order_relaxed) - 1;
  bucket.store(slot + 1, std::memory_order_relaxed);
  ++stripe_.entries;
}

void Index::Guard::Remove(Slot slot) {
  Entry& gone = index_.entry(slot);
  std::atomic<uint32_t>& bucket = BucketOf(gone.key);
  Slot at = bucket.load(std::memory_order_relaxed) - 1;
  if (at == slot) {
    bucket.store(gone.next + 1, std::memory_order_relaxed);
  } else {
    while (index_.entry(at).next != slot) at = index_.entry(at).next;
    index_.entry(at).next = gone.next;
  }
  gone = Entry{};
  --stripe_.entries;
}

void Index::Guard::Move(Slot from, Slot to) {
  const Entry entry = index_.entry(from);
  Remove(from);
  Insert(to, entry);
}

uint64_t Index::Sum(uint64_t Stripe::* counter) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < kStripes; ++i) {
    const std::scoped_lock lock(stripes_[i].mutex);
    sum += stripes_[i].*counter;
  }
  return sum;
}

uint64_t Index::entries() {
  return Sum(&Stripe::entries);
}
uint64_t Index::hits() {
  return Sum(&Stripe::hits);
}
uint64_t Index::misses() {
  return Sum(&Stripe::misses);
}

}  // namespace forebay
