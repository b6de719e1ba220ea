#include "src/window/window_reader.h"

#include <algorithm>

#include "src/base/bulk_copy.h"
#include "src/base/checksum.h"

namespace forebay::window {
namespace {

constexpr uint32_t kProbes = kBlockProbes * kBlocksPerLine;
/// How often a block that changed while it was looked up is looked up again.
constexpr int kTries = 3;
/// How many slots are tried for a copy: they are held for a moment only.
constexpr uint32_t kCopySlotsTried = 16;

/// Words that the node may change meanwhile: each is read before any that is read after it.
uint64_t Get(const Word& word) {
  return word.load(std::memory_order_acquire);
}

/// For the words of a slot that the caller holds: nobody else writes them.
void Add(Word& word, uint64_t n) {
  word.store(word.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

/// Where a thread looks for a free slot first: where it had one, so that threads do not meet. Of
/// all readers of the process; a hint.
uint32_t& SlotHint() {
  static std::atomic<uint32_t> next{0};
  thread_local uint32_t hint = next.fetch_add(1, std::memory_order_relaxed);
  return hint;
}

}  // namespace

WindowReader::WindowReader(std::unique_ptr<MappedMemory> table, std::unique_ptr<MappedMemory> page,
                           const Table& view)
    : table_memory_(std::move(table)),
      page_memory_(std::move(page)),
      table_(view),
      page_(Page::Over(page_memory_->bytes())),
      block_bytes_(table_.header->block_bytes.load()),
      gone_seen_(Get(table_.header->segments_gone)),
      mapped_(new Mapped[kSegmentSlots]) {}

Result<std::unique_ptr<WindowReader>> WindowReader::Create(std::unique_ptr<MappedMemory> table,
                                                           std::unique_ptr<MappedMemory> page) {
  FB_ASSIGN(const Table view, Table::Open(table->bytes()));
  if (page->bytes().size() < Page::BytesFor(1)) {
    return Fail(Code::kCorrupt, "the page for pins that the node shares is too small");
  }
  return std::unique_ptr<WindowReader>(new WindowReader(std::move(table), std::move(page), view));
}

// -- Names

std::optional<FoundName> WindowReader::FindName(std::string_view key, int64_t now_ns) const {
  const Hash128 name = NameHash(Get(table_.header->attachment), key);
  for (uint32_t n = 0; n < kNameProbes; ++n) {
    const NameEntry& entry = table_.NameOf(name, n);
    const uint64_t sequence = Get(entry.sequence);
    if (sequence % 2 != 0 || Get(entry.name_lo) != name.lo || Get(entry.name_hi) != name.hi) {
      continue;
    }
    FoundName found{.version = {{.hi = Get(entry.version_hi), .lo = Get(entry.version_lo)}},
                    .size_bytes = Get(entry.size),
                    .modified_ns = static_cast<int64_t>(Get(entry.modified_ns)),
                    .fresh_until_ns = static_cast<int64_t>(Get(entry.fresh_until_ns))};
    for (size_t i = 0; i < std::size(entry.etag); ++i) found.etag_words[i] = Get(entry.etag[i]);
    const bool whole = entry.sequence.load(std::memory_order_relaxed) == sequence;
    if (!whole || found.fresh_until_ns <= now_ns) return std::nullopt;
    return found;
  }
  return std::nullopt;
}

// -- Blocks

bool WindowReader::Find(const BlockKey& key, Entry* found) const {
  const uint64_t spread = key.Spread();
  for (uint32_t n = 0; n < kProbes; ++n) {
    const BlockEntry& entry = table_.BlockOf(spread, n);
    const uint64_t use = Get(entry.use);
    if (use == 0 || Get(entry.key_lo) != key.hash.lo || Get(entry.key_hi) != key.hash.hi) continue;
    *found = {.use = use,
              .place = Get(entry.place),
              .number = static_cast<uint64_t>(&entry - table_.blocks),
              .guard = &entry.use};
    return true;
  }
  return false;
}

bool WindowReader::TakeSlotAt(uint32_t slot, uint64_t hazard) {
  Word& word = page_.hazards[slot].use;
  if (word.load(std::memory_order_relaxed) != 0) return false;
  // The node looks at no slot that was never used: tell it first.
  uint64_t used = page_.header->used.load();
  while (used <= slot && !page_.header->used.compare_exchange_weak(used, slot + 1)) {
  }
  uint64_t free = 0;
  return word.compare_exchange_strong(free, hazard);
}

/// Low slots are taken again and again, because the node looks at all up to the highest.
std::optional<uint32_t> WindowReader::TakeSlot(Use use, uint64_t hazard) {
  const uint32_t tries = use == Use::kCopy ? std::min(page_.slots, kCopySlotsTried) : page_.slots;
  uint32_t& hint = SlotHint();
  for (uint32_t i = 0; i < tries; ++i) {
    const uint32_t slot = (hint + i) % page_.slots;
    if (use == Use::kView && slot % kCopyShare == kCopyShare - 1) continue;
    if (!TakeSlotAt(slot, hazard)) continue;
    hint = slot;
    return slot;
  }
  return std::nullopt;
}

/// The thread takes the same slot next, whose line it has at hand.
void WindowReader::Release(uint32_t slot) {
  page_.hazards[slot].use.store(0, std::memory_order_release);
  SlotHint() = slot;
}

/// Only while the entry is pinned: so its segment lives, and nobody here unmaps that.
Found WindowReader::Locate(const Entry& entry, PinnedBlock* block, uint32_t* segment) const {
  const Place place = Place::Unpack(entry.place);
  if (place.segment >= kSegmentSlots) return Found::kNotHere;
  const Mapped& mapped = mapped_[place.segment];
  const uint64_t number = Get(table_.segments[place.segment]);
  if (mapped.number.load(std::memory_order_acquire) != number) {
    *segment = place.segment;
    return Found::kUnknownSegment;
  }
  const uint64_t offset = uint64_t{place.page} * kPageBytes;
  if (offset + place.length > mapped.size.load(std::memory_order_relaxed)) return Found::kNotHere;
  block->bytes = {mapped.bytes.load(std::memory_order_relaxed) + offset, place.length};
  return Found::kHere;
}

/// Writes the pin down, then looks whether the block is still there. The node withdraws a block,
/// then looks at the pins. One of the two sees the other.
Found WindowReader::PinFor(Use use, const BlockKey& key, PinnedBlock* block, uint32_t* segment) {
  DropGoneSegments();
  Entry entry;
  for (int i = 0; i < kTries; ++i) {
    if (!Find(key, &entry)) return Found::kNotHere;
    const auto slot = TakeSlot(use, entry.use);
    if (!slot) return Found::kNoPin;
    if (entry.guard->load() != entry.use) {
      Release(*slot);
      continue;
    }
    const Found found = Locate(entry, block, segment);
    if (found != Found::kHere) {
      Release(*slot);
      return found;
    }
    block->slot = *slot;
    Note(*slot, entry);
    return Found::kHere;
  }
  return Found::kNotHere;
}

Found WindowReader::Pin(const BlockKey& key, PinnedBlock* block, uint32_t* segment) {
  const Found found = PinFor(Use::kView, key, block, segment);
  if (found == Found::kHere) Add(page_.hazards[block->slot].bytes, block->bytes.size());
  return found;
}

Found WindowReader::Read(const BlockKey& key, uint64_t offset, MutableBytes into,
                         uint32_t* segment) {
  PinnedBlock block;
  const Found found = PinFor(Use::kCopy, key, &block, segment);
  if (found != Found::kHere) return found;
  const bool inside = offset <= block.bytes.size() && into.size() <= block.bytes.size() - offset;
  if (inside) CopyBulk(into.data(), block.bytes.subspan(offset, into.size()));
  HazardSlot& slot = page_.hazards[block.slot];
  Add(slot.bytes, inside ? into.size() : 0);
  Unpin(block);
  return inside ? Found::kHere : Found::kNotHere;
}

void WindowReader::Note(uint32_t slot, const Entry& entry) {
  HazardSlot& to = page_.hazards[slot];
  Add(to.hits, 1);
  const uint64_t count = to.recent_count.load(std::memory_order_relaxed);
  page_.recent[uint64_t{slot} * kRecent + count % kRecent].store(entry.number | entry.use << 32,
                                                                 std::memory_order_relaxed);
  to.recent_count.store(count + 1, std::memory_order_release);
}

// -- Segments

void WindowReader::AddSegment(uint64_t number, std::unique_ptr<MappedMemory> memory) {
  const std::scoped_lock lock(segments_mutex_);
  for (uint32_t slot = 0; slot < kSegmentSlots; ++slot) {
    if (number == 0 || Get(table_.segments[slot]) != number) continue;
    Mapped& mapped = mapped_[slot];
    if (mapped.number.load(std::memory_order_relaxed) == number) return;
    // What is there yet is gone from the node's memory: nobody has it pinned.
    mapped.number.store(0, std::memory_order_relaxed);
    mapped.memory = std::move(memory);
    mapped.bytes.store(mapped.memory->bytes().data(), std::memory_order_relaxed);
    mapped.size.store(mapped.memory->bytes().size(), std::memory_order_relaxed);
    mapped.number.store(number, std::memory_order_release);
    return;
  }
}

bool WindowReader::over() const {
  return Get(table_.header->over) != 0;
}

bool WindowReader::DropGoneSegments() {
  const uint64_t gone = Get(table_.header->segments_gone);
  if (gone == gone_seen_.load(std::memory_order_relaxed)) return false;
  const std::unique_lock lock(segments_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return false;  // another thread does it, or is to be back soon
  gone_seen_.store(gone, std::memory_order_relaxed);
  bool any = false;
  for (uint32_t slot = 0; slot < kSegmentSlots; ++slot) {
    Mapped& mapped = mapped_[slot];
    const uint64_t number = mapped.number.load(std::memory_order_relaxed);
    if (number == 0 || Get(table_.segments[slot]) == number) continue;
    mapped.number.store(0, std::memory_order_relaxed);
    mapped.memory.reset();
    any = true;
  }
  return any;
}

}  // namespace forebay::window
