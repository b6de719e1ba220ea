// Memory that can be shared with a process read-only, and given back to the machine page by page.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "src/base/bytes.h"
#include "src/base/result.h"

namespace forebay {

/// One mapping. Reserving address space costs nothing; a page costs memory from its first use,
/// reading included, until Punch. Destroying it gives everything back, as soon as no process that
/// was handed the descriptor maps it any more.
class SharedMemory {
 public:
  virtual ~SharedMemory() = default;

  virtual MutableBytes bytes() = 0;

  /// Any thread. Gives the pages of [offset, offset+size) back; they read as zeros afterwards. Both
  /// are multiples of 4 KiB. kUnsupported once ReadOnlyDescriptor was called: the seal that keeps
  /// readers from writing keeps Linux from punching, too, so shared memory goes back as a whole.
  virtual Result<void> Punch(uint64_t offset, uint64_t size) = 0;

  /// Any thread. Says that [offset, offset+size) will be used soon: a platform may make its pages
  /// meanwhile, and they cost memory from now on. Returns at once; the bytes stay what they are.
  virtual void WillUse(uint64_t /*offset*/, uint64_t /*size*/) {}

  /// Any thread. A descriptor through which another process can only ever read (the first call
  /// seals the memory against future writes), or -1 where the platform has none. Owned by this
  /// object.
  virtual int ReadOnlyDescriptor() = 0;

  /// Any thread. A descriptor through which another process can read and write, but not change the
  /// size, so that a hostile one cannot take pages away under us; or -1 where the platform has
  /// none, or the memory was handed out for reading before. Owned by this object.
  virtual int WritableDescriptor() { return -1; }
};

/// Memory of another process, mapped here until destroyed.
class MappedMemory {
 public:
  virtual ~MappedMemory() = default;
  /// Of a mapping for reading alone a write ends the process.
  virtual MutableBytes bytes() = 0;
};

enum class MapAccess : unsigned char { kRead, kReadWrite };

/// Any thread.
class Memory {
 public:
  virtual ~Memory() = default;

  /// `size` bytes of address space; `name` is for people who look at the process.
  virtual Result<std::unique_ptr<SharedMemory>> Reserve(std::string_view name, uint64_t size) = 0;

  /// Maps all of the memory behind a descriptor that a process was handed, which may be closed
  /// then. kInvalidArgument where its size can still change: touching it could end this process.
  virtual Result<std::unique_ptr<MappedMemory>> Map(int descriptor, MapAccess access);
};

inline Result<std::unique_ptr<MappedMemory>> Memory::Map(int, MapAccess) {
  return Fail(Code::kUnsupported, "no memory of another process can be mapped here");
}

}  // namespace forebay
