// What a read should bring in, and what should be on its way before the next one: decided from the
// order of one reader's reads.
//
// A reader in order has two windows: the one it is reading and the next, which is asked for when
// the reader enters the one before it. Windows double up to one large origin request. A reader that
// overtakes them even then is faster than what few requests bring: it gets twice as many windows
// ahead, each a request of its own, each time that it has read all that was asked for when it was
// given the last of them. A reader that jumps gets little more than it asks for, and begins anew.
#pragma once

#include <cstdint>

namespace forebay {

struct ByteRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  bool empty() const { return begin >= end; }
  uint64_t size() const { return empty() ? 0 : end - begin; }
};

struct ReadaheadLimits {
  uint64_t first_window = 256ull << 10;
  uint64_t max_window = 32ull << 20;
  uint32_t max_windows = 8;             // ahead of the one that is read
  uint64_t random_bytes = 64ull << 10;  // the grain of what a read out of order brings in
};

/// Of one reader. Deciding changes nothing, so that a decision can be left to somebody else.
class Readahead {
 public:
  struct Decision {
    ByteRange demand;  // holds the read; what of it is missing should be brought in
    ByteRange ahead;   // should be brought on its way now, beginning with what the read needs
    // What the state becomes.
    uint64_t next = 0;
    uint64_t asked = 0;
    uint64_t mark = 0;
    uint64_t window = 0;
  };

  /// A read of [offset, offset+size), which lies within the object.
  Decision Decide(uint64_t offset, uint64_t size, uint64_t object_bytes,
                  const ReadaheadLimits& limits) const;
  void Follow(const Decision& decision);
  /// A read had to wait for what was asked for before it.
  void Overtook(const ReadaheadLimits& limits);

  bool in_order() const { return window_ > 0; }

 private:
  bool InOrder(uint64_t offset) const;

  uint64_t next_ = 0;         // where a reader in order reads next
  uint64_t asked_ = 0;        // up to here everything was asked for
  uint64_t mark_ = 0;         // past this the next window is due
  uint64_t window_ = 0;       // the next one's size; 0: reads are not in order
  uint32_t windows_ = 1;      // ahead of the one that is read
  uint64_t enough_till_ = 0;  // whether they are enough shows from here on
};

}  // namespace forebay
