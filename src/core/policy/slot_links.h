// Doubly linked lists through an array by slot: 8 bytes an entry, no allocation.
#pragma once

#include "src/core/policy/lazy_array.h"
#include "src/core/policy/policy.h"

namespace forebay {

/// A few lists over the same slots; a slot is in one of them or in none. Each list is a ring
/// through its anchor, which stands behind the last slot, so that no operation has a special case.
class SlotLinks {
 public:
  SlotLinks(uint32_t slots, uint32_t lists) : slots_(slots), links_(size_t{slots} + lists) {
    for (uint32_t i = 0; i < lists; ++i) links_[slots + i] = {slots + i, slots + i};
  }

  Slot Anchor(uint32_t list) const { return slots_ + list; }
  bool IsAnchor(Slot slot) const { return slot >= slots_; }

  /// The ends of a list; its anchor where it is empty.
  Slot Front(uint32_t list) const { return links_[Anchor(list)].older; }
  Slot Back(uint32_t list) const { return links_[Anchor(list)].newer; }
  Slot Newer(Slot slot) const { return links_[slot].newer; }
  Slot Older(Slot slot) const { return links_[slot].older; }

  /// Zeroes mean "in no list": a linked slot cannot have slot 0 on both sides, because every ring
  /// has an anchor in it.
  bool Linked(Slot slot) const {
    return slot < slots_ && (links_[slot].newer != 0 || links_[slot].older != 0);
  }

  /// Into the processor's caches.
  void Fetch(Slot slot) const { __builtin_prefetch(&links_[slot]); }

  void PushFront(uint32_t list, Slot slot) {
    FB_ASSERT(slot < slots_ && !Linked(slot));
    const Slot anchor = Anchor(list);
    const Slot front = links_[anchor].older;
    links_[slot] = {.newer = anchor, .older = front};
    links_[anchor].older = slot;
    links_[front].newer = slot;
  }

  void Remove(Slot slot) {
    FB_ASSERT(Linked(slot));
    const Link link = links_[slot];
    links_[link.newer].older = link.older;
    links_[link.older].newer = link.newer;
    links_[slot] = {};
  }

  void MoveToFront(uint32_t list, Slot slot) {
    Remove(slot);
    PushFront(list, slot);
  }

  uint32_t slots() const { return slots_; }
  uint64_t MemoryBytes() const { return links_.MemoryBytes(); }

 private:
  struct Link {
    Slot newer = 0;
    Slot older = 0;
  };
  uint32_t slots_;
  LazyArray<Link> links_;
};

}  // namespace forebay
