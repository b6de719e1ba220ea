// A small map from page numbers to 32-bit values: 8 bytes a slot, open addressing, no tombstones.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace forebay {

/// The value ~0 is not storable. Not thread-safe.
class PageTable {
 public:
  void Insert(uint32_t page, uint32_t value);
  void Erase(uint32_t page);
  std::optional<uint32_t> Find(uint32_t page) const;
  uint64_t MemoryBytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    uint32_t page = 0;
    uint32_t value = ~0u;
    bool used() const { return value != ~0u; }
  };

  size_t Home(uint32_t page) const;
  size_t Locate(uint32_t page) const;
  void Grow();

  std::vector<Slot> slots_;
  size_t count_ = 0;
};

}  // namespace forebay
