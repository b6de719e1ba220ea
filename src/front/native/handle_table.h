// The open handles of one connection.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "src/node/node.h"

namespace forebay {

/// A number says slot and generation, so that one that was closed does not mean the next one.
class HandleTable {
 public:
  explicit HandleTable(uint32_t limit) : limit_(std::min<uint32_t>(limit, 1u << kSlotBits)) {}

  /// kOverloaded past the limit.
  Result<uint32_t> Add(std::shared_ptr<Handle> handle) {
    if (free_ == kNone) {
      if (slots_.size() >= limit_) {
        return Fail(Code::kOverloaded, "this connection has " + std::to_string(limit_) +
                                           " handles open, as many as it may: close some");
      }
      slots_.push_back({});
      free_ = static_cast<uint32_t>(slots_.size() - 1);
    }
    const uint32_t index = free_;
    Slot& slot = slots_[index];
    free_ = slot.next_free;
    slot.handle = std::move(handle);
    return (uint32_t{slot.generation} << kSlotBits) | index;
  }

  /// Null where it is not open.
  const std::shared_ptr<Handle>* Find(uint32_t number) const {
    const uint32_t index = number & ((1u << kSlotBits) - 1);
    if (index >= slots_.size() || slots_[index].generation != number >> kSlotBits) return nullptr;
    return slots_[index].handle ? &slots_[index].handle : nullptr;
  }

  void Remove(uint32_t number) {
    if (Find(number) == nullptr) return;
    const uint32_t index = number & ((1u << kSlotBits) - 1);
    Slot& slot = slots_[index];
    slot.handle.reset();
    slot.generation = slot.generation == UINT16_MAX ? uint16_t{1} : uint16_t(slot.generation + 1);
    slot.next_free = free_;
    free_ = index;
  }

 private:
  static constexpr uint32_t kSlotBits = 16;
  static constexpr uint32_t kNone = ~0u;
  struct Slot {
    std::shared_ptr<Handle> handle;
    uint16_t generation = 1;  // never 0: kNoHandle is nobody's
    uint32_t next_free = kNone;
  };
  uint32_t limit_;
  std::vector<Slot> slots_;
  uint32_t free_ = kNone;
};

}  // namespace forebay
