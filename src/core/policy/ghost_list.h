// Remembers the keys of what has left, without its data.
#pragma once

#include "src/core/policy/key_map.h"
#include "src/core/policy/slot_links.h"

namespace forebay {

/// Keys in the order in which they left, at most `max_keys` of them (the oldest gives way).
class GhostList {
 public:
  explicit GhostList(uint32_t max_keys) : links_(max_keys + 1, 1), max_keys_(max_keys) {}

  void Push(uint64_t key) {
    if (max_keys_ == 0 || keys_.Find(key) != kNoSlot) return;
    if (size() == max_keys_) PopOldest();
    links_.PushFront(0, keys_.Add(key));
  }

  /// True if the key was there; it is not any more.
  bool Take(uint64_t key) {
    const Slot slot = keys_.Find(key);
    if (slot == kNoSlot) return false;
    Remove(slot);
    return true;
  }

  void PopOldest() {
    if (size() > 0) Remove(links_.Back(0));
  }

  uint32_t size() const { return keys_.size(); }
  uint64_t MemoryBytes() const { return keys_.MemoryBytes() + links_.MemoryBytes(); }

 private:
  void Remove(Slot slot) {
    links_.Remove(slot);
    keys_.Remove(slot);
  }

  KeyMap keys_;
  SlotLinks links_;
  uint32_t max_keys_;
};

}  // namespace forebay
