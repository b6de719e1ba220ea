#include "src/core/names/name_cache.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "src/base/bytes.h"

namespace forebay {
namespace {

constexpr size_t kFirstSlots = 16;
constexpr size_t kLineBytes = 64;
constexpr size_t kUsualLines = 3;  // of an entry with its key and etag
constexpr size_t kNowhere = SIZE_MAX;
constexpr uint64_t kAllocatorBytes = 12;  // what the heap adds to an entry, on average

}  // namespace

/// One allocation: this, the key, the etag.
struct NameCache::Entry {
  Hash128 hash;
  VersionId version;
  AttachmentId attachment;
  uint64_t size;
  int64_t modified_ns;
  int64_t fresh_until_ns;
  uint32_t key_bytes;
  uint16_t etag_bytes;
  bool exists;
  bool used;  // since the hand last passed

  char* text() { return reinterpret_cast<char*>(this + 1); }
  std::string_view key() { return {text(), key_bytes}; }
  std::string_view etag() { return {text() + key_bytes, etag_bytes}; }
  uint64_t bytes() const { return BytesFor(key_bytes, etag_bytes); }

  static uint64_t BytesFor(size_t key, size_t etag) {
    return sizeof(Entry) + key + etag + kAllocatorBytes;
  }
  static Entry* Make(const Hash128& hash, AttachmentId attachment, std::string_view key,
                     const KnownName& known) {
    void* memory = ::operator new(sizeof(Entry) + key.size() + known.etag.size());
    auto* entry = new (memory) Entry{.hash = hash,
                                     .version = known.version,
                                     .attachment = attachment,
                                     .size = known.size,
                                     .modified_ns = known.modified_ns,
                                     .fresh_until_ns = known.fresh_until_ns,
                                     .key_bytes = static_cast<uint32_t>(key.size()),
                                     .etag_bytes = static_cast<uint16_t>(known.etag.size()),
                                     .exists = known.exists,
                                     .used = false};
    std::memcpy(entry->text(), key.data(), key.size());
    std::memcpy(entry->text() + key.size(), known.etag.data(), known.etag.size());
    return entry;
  }
  void CopyTo(KnownName* known) {
    known->exists = exists;
    known->version = version;
    known->size = size;
    known->modified_ns = modified_ns;
    known->fresh_until_ns = fresh_until_ns;
    known->etag.assign(etag());
  }
  static void Free(Entry* entry) { ::operator delete(entry); }
};

NameCache::NameCache(uint64_t capacity_bytes)
    : stripe_bytes_(capacity_bytes / kStripes), stripes_(new Stripe[kStripes]) {}

NameCache::~NameCache() {
  for (uint32_t i = 0; i < kStripes; ++i) {
    for (Entry* entry : stripes_[i].slots) Entry::Free(entry);
  }
}

Hash128 NameCache::HashOf(AttachmentId attachment, std::string_view key) {
  return HashBytes(AsBytes(key), attachment);
}

NameCache::Ticket& NameCache::MarkOf(Stripe& stripe, const Hash128& hash) {
  return stripe.last_write[hash.hi / kStripes % kWriteMarks];
}

size_t NameCache::Locate(const Stripe& stripe, const Hash128& hash, AttachmentId attachment,
                         std::string_view key) {
  if (stripe.slots.empty()) return kNowhere;
  const size_t mask = stripe.slots.size() - 1;
  for (size_t at = hash.lo & mask; stripe.slots[at] != nullptr; at = (at + 1) & mask) {
    Entry& entry = *stripe.slots[at];
    if (entry.hash == hash && entry.attachment == attachment && entry.key() == key) return at;
  }
  return kNowhere;
}

uint64_t NameCache::Footprint(const Stripe& stripe) {
  return stripe.bytes + stripe.slots.size() * sizeof(Entry*);
}

bool NameCache::Find(AttachmentId attachment, std::string_view key, KnownName* known) {
  const Hash128 hash = HashOf(attachment, key);
  Stripe& stripe = StripeOf(hash);
  const std::scoped_lock lock(stripe.mutex);
  const size_t at = Locate(stripe, hash, attachment, key);
  if (at == kNowhere) return false;
  stripe.slots[at]->used = true;
  stripe.slots[at]->CopyTo(known);
  return true;
}

void NameCache::FetchSlot(const Hash128& name) {
  const Stripe& stripe = StripeOf(name);
  // In this order: the mask of one table goes with that table or with a larger one.
  const size_t mask = stripe.table_mask.load(std::memory_order_acquire);
  const Entry* const* table = stripe.table.load(std::memory_order_relaxed);
  __builtin_prefetch(static_cast<const void*>(table + (name.lo & mask)));
}

void NameCache::FetchEntry(const Hash128& name) {
  Stripe& stripe = StripeOf(name);
  const std::scoped_lock lock(stripe.mutex);
  if (stripe.slots.empty()) return;
  const Entry* entry = stripe.slots[name.lo & (stripe.slots.size() - 1)];
  if (entry == nullptr) return;
  const auto* first = reinterpret_cast<const char*>(entry);
  for (size_t line = 0; line < kUsualLines; ++line) __builtin_prefetch(first + line * kLineBytes);
}

std::optional<VersionId> NameCache::Guess(const Hash128& name) {
  Stripe& stripe = StripeOf(name);
  const std::scoped_lock lock(stripe.mutex);
  if (stripe.slots.empty()) return std::nullopt;
  const size_t mask = stripe.slots.size() - 1;
  for (size_t at = name.lo & mask; stripe.slots[at] != nullptr; at = (at + 1) & mask) {
    const Entry& entry = *stripe.slots[at];
    if (entry.hash == name && entry.exists) return entry.version;
  }
  return std::nullopt;
}

bool NameCache::Outdated(AttachmentId attachment, std::string_view key, Ticket asked) {
  const Hash128 hash = HashOf(attachment, key);
  Stripe& stripe = StripeOf(hash);
  const std::scoped_lock lock(stripe.mutex);
  return MarkOf(stripe, hash) > asked;
}

bool NameCache::Learn(AttachmentId attachment, std::string_view key, const KnownName& known,
                      Ticket asked) {
  const Hash128 hash = HashOf(attachment, key);
  Stripe& stripe = StripeOf(hash);
  const std::scoped_lock lock(stripe.mutex);
  if (MarkOf(stripe, hash) > asked) return false;
  const size_t at = Locate(stripe, hash, attachment, key);
  if (at != kNowhere) {
    if (stripe.slots[at]->fresh_until_ns > known.fresh_until_ns) return false;
    Remove(stripe, at);
  }
  Insert(stripe, hash, attachment, key, known);
  return true;
}

NameCache::Ticket NameCache::BeginWrite(AttachmentId attachment, std::string_view key) {
  const Hash128 hash = HashOf(attachment, key);
  Stripe& stripe = StripeOf(hash);
  const std::scoped_lock lock(stripe.mutex);
  return MarkOf(stripe, hash) = Tick();
}

void NameCache::EndWrite(AttachmentId attachment, std::string_view key, Ticket began,
                         const KnownName* written) {
  const Hash128 hash = HashOf(attachment, key);
  Stripe& stripe = StripeOf(hash);
  const std::scoped_lock lock(stripe.mutex);
  const bool alone = MarkOf(stripe, hash) == began;
  MarkOf(stripe, hash) = Tick();
  const size_t at = Locate(stripe, hash, attachment, key);
  if (at != kNowhere) Remove(stripe, at);
  if (alone && written != nullptr) Insert(stripe, hash, attachment, key, *written);
}

void NameCache::Forget(AttachmentId attachment, std::string_view key) {
  const Hash128 hash = HashOf(attachment, key);
  Stripe& stripe = StripeOf(hash);
  const std::scoped_lock lock(stripe.mutex);
  const size_t at = Locate(stripe, hash, attachment, key);
  if (at != kNowhere) Remove(stripe, at);
}

void NameCache::ForgetVersion(AttachmentId attachment, std::string_view key,
                              const VersionId& version) {
  const Hash128 hash = HashOf(attachment, key);
  Stripe& stripe = StripeOf(hash);
  const std::scoped_lock lock(stripe.mutex);
  const size_t at = Locate(stripe, hash, attachment, key);
  if (at != kNowhere && stripe.slots[at]->version == version) Remove(stripe, at);
}

std::vector<NameCache::Named> NameCache::Take(uint32_t number, AttachmentId attachment,
                                              std::string_view prefix) {
  Stripe& stripe = stripes_[number];
  std::vector<Named> taken;
  const std::scoped_lock lock(stripe.mutex);
  for (size_t at = 0; at < stripe.slots.size();) {
    Entry* entry = stripe.slots[at];
    if (entry == nullptr || entry->attachment != attachment || !entry->key().starts_with(prefix)) {
      ++at;
      continue;
    }
    if (entry->exists) taken.push_back({std::string(entry->key()), entry->version, entry->size});
    Remove(stripe, at);  // another may have moved to `at`
  }
  return taken;
}

std::vector<NameCache::Named> NameCache::NamesOf(uint32_t number, AttachmentId attachment) {
  Stripe& stripe = stripes_[number];
  std::vector<Named> names;
  const std::scoped_lock lock(stripe.mutex);
  for (Entry* entry : stripe.slots) {
    if (entry == nullptr || entry->attachment != attachment || !entry->exists) continue;
    names.push_back({std::string(entry->key()), entry->version, entry->size});
  }
  return names;
}

/// Takes an entry out and moves those behind it up, so that every chain stays whole.
void NameCache::Remove(Stripe& stripe, size_t at) {
  const size_t mask = stripe.slots.size() - 1;
  if (NameWatcher* watcher = watcher_.load(std::memory_order_acquire)) {
    watcher->Forgotten(stripe.slots[at]->attachment, stripe.slots[at]->hash);
  }
  stripe.bytes -= stripe.slots[at]->bytes();
  --stripe.entries;
  Entry::Free(stripe.slots[at]);
  stripe.slots[at] = nullptr;
  for (size_t next = (at + 1) & mask; stripe.slots[next] != nullptr; next = (next + 1) & mask) {
    const size_t home = stripe.slots[next]->hash.lo & mask;
    if (((next - home) & mask) < ((next - at) & mask)) continue;  // it would lie before its home
    stripe.slots[at] = std::exchange(stripe.slots[next], nullptr);
    at = next;
  }
}

void NameCache::Insert(Stripe& stripe, const Hash128& hash, AttachmentId attachment,
                       std::string_view key, const KnownName& known) {
  const uint64_t bytes = Entry::BytesFor(key.size(), known.etag.size());
  if (known.etag.size() > kMaxEtagBytes) return;
  MakeRoom(stripe, bytes);
  if (stripe.slots.empty() || Footprint(stripe) + bytes > stripe_bytes_) return;
  const size_t mask = stripe.slots.size() - 1;
  size_t at = hash.lo & mask;
  while (stripe.slots[at] != nullptr) at = (at + 1) & mask;
  stripe.slots[at] = Entry::Make(hash, attachment, key, known);
  stripe.bytes += bytes;
  ++stripe.entries;
  if (NameWatcher* watcher = watcher_.load(std::memory_order_acquire)) {
    watcher->Learned(attachment, hash, known);
  }
}

/// A free slot, and bytes. The table doubles while both fit; then the hand goes round.
void NameCache::MakeRoom(Stripe& stripe, uint64_t bytes) {
  const size_t slots = stripe.slots.size();
  const size_t larger = std::max(kFirstSlots, slots * 2);
  const bool full = (stripe.entries + 1) * 4 > slots * 3;
  if (full && stripe.bytes + bytes + larger * sizeof(Entry*) <= stripe_bytes_) {
    std::vector<Entry*> old(larger, nullptr);
    old.swap(stripe.slots);
    stripe.table.store(stripe.slots.data(), std::memory_order_relaxed);
    stripe.table_mask.store(larger - 1, std::memory_order_release);
    stripe.hand = 0;
    for (Entry* entry : old) {
      if (entry == nullptr) continue;
      size_t at = entry->hash.lo & (larger - 1);
      while (stripe.slots[at] != nullptr) at = (at + 1) & (larger - 1);
      stripe.slots[at] = entry;
    }
    return;
  }
  const auto too_much = [&] {
    return Footprint(stripe) + bytes > stripe_bytes_ || (stripe.entries + 1) * 4 > slots * 3;
  };
  while (stripe.entries > 0 && too_much()) {
    Entry* entry = stripe.slots[stripe.hand];
    if (entry != nullptr && !std::exchange(entry->used, false)) {
      Remove(stripe, stripe.hand);
    } else {
      stripe.hand = (stripe.hand + 1) & (slots - 1);
    }
  }
}

void NameCache::Watch(NameWatcher* watcher) {
  watcher_.store(watcher, std::memory_order_release);
  for (uint32_t i = 0; i < kStripes; ++i) {
    const std::scoped_lock lock(stripes_[i].mutex);
  }
}

void NameCache::TellAll(AttachmentId attachment) {
  for (uint32_t i = 0; i < kStripes; ++i) {
    const std::scoped_lock lock(stripes_[i].mutex);
    NameWatcher* watcher = watcher_.load(std::memory_order_acquire);
    for (Entry* entry : stripes_[i].slots) {
      if (watcher == nullptr || entry == nullptr || entry->attachment != attachment) continue;
      KnownName known;
      entry->CopyTo(&known);
      watcher->Learned(attachment, entry->hash, known);
    }
  }
}

uint64_t NameCache::names() {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < kStripes; ++i) {
    const std::scoped_lock lock(stripes_[i].mutex);
    sum += stripes_[i].entries;
  }
  return sum;
}

uint64_t NameCache::bytes() {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < kStripes; ++i) {
    const std::scoped_lock lock(stripes_[i].mutex);
    sum += Footprint(stripes_[i]);
  }
  return sum;
}

}  // namespace forebay
