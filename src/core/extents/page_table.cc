#include "src/core/extents/page_table.h"

#include "src/base/assert.h"
#include "src/base/prng.h"

namespace forebay {

size_t PageTable::Home(uint32_t page) const {
  return Mix64(page) & (slots_.size() - 1);
}

/// Where `page` stands, or the free slot where it would.
size_t PageTable::Locate(uint32_t page) const {
  size_t at = Home(page);
  while (slots_[at].used() && slots_[at].page != page) at = (at + 1) & (slots_.size() - 1);
  return at;
}

void PageTable::Insert(uint32_t page, uint32_t value) {
  if ((count_ + 1) * 3 > slots_.size() * 2) Grow();
  Slot& slot = slots_[Locate(page)];
  FB_ASSERT(!slot.used());
  slot = {page, value};
  ++count_;
}

void PageTable::Erase(uint32_t page) {
  size_t hole = Locate(page);
  FB_ASSERT(slots_[hole].used());
  --count_;
  // Moves later entries of the same cluster back, so that no tombstone is needed.
  const size_t mask = slots_.size() - 1;
  for (size_t at = (hole + 1) & mask; slots_[at].used(); at = (at + 1) & mask) {
    const size_t home = Home(slots_[at].page);
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = {};
}

std::optional<uint32_t> PageTable::Find(uint32_t page) const {
  if (count_ == 0) return std::nullopt;
  const Slot& slot = slots_[Locate(page)];
  return slot.used() ? std::optional(slot.value) : std::nullopt;
}

void PageTable::Grow() {
  std::vector<Slot> old(slots_.empty() ? 16 : slots_.size() * 2);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.used()) slots_[Locate(slot.page)] = slot;
  }
}

}  // namespace forebay
