// Memory that can be shared with a process read-only, and given back to the machine page by page.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "src/base/bytes.h"
#include "src/base/result.h"

namespace forebay {

/// One mapping. Reserving address space costs nothing; a page costs memory from its first write
/// until Punch.
class SharedMemory {
 public:
  virtual ~SharedMemory() = default;

  virtual MutableBytes bytes() = 0;

  /// Any thread. Gives the pages of [offset, offset+size) back; they read as zeros afterwards. Both
  /// are multiples of 4 KiB.
  virtual Result<void> Punch(uint64_t offset, uint64_t size) = 0;

  /// A descriptor through which another process can only ever read (sealed against future writes),
  /// or -1 where the platform has none. Owned by this object.
  virtual int ReadOnlyDescriptor() = 0;
};

/// Any thread.
class Memory {
 public:
  virtual ~Memory() = default;

  /// `size` bytes of address space; `name` is for people who look at the process.
  virtual Result<std::unique_ptr<SharedMemory>> Reserve(std::string_view name, uint64_t size) = 0;
};

}  // namespace forebay
