// Who is told which blocks memory holds, because processes outside read them where they lie.
#pragma once

#include <cstdint>

namespace forebay {

struct Frame;

/// Of one attachment. All but SegmentGone run under the lock of the block's stripe, at times under
/// the memory tier's, too: what they lock comes after both, and they call nothing of the store. Any
/// thread.
class FrameWatcher {
 public:
  virtual ~FrameWatcher() = default;

  /// Every page of the block can be read. May be said again of a block that is known.
  virtual void Readable(const Frame& frame) = 0;

  /// True: somebody outside reads the block, as far as one can tell without asking in earnest.
  virtual bool IsRead(const Frame& frame) = 0;

  /// The tier wants the frame's memory. True: nobody outside reads it, nor will; it goes now.
  /// False: it stays.
  virtual bool LetGo(const Frame& frame) = 0;

  /// The block is dropped, whoever reads it; the frame is pinned for the watcher. True: somebody
  /// outside reads it, and the watcher gives it to Store::Unpin when they have ended, be it on
  /// another thread before this returns. False: the pin is not wanted.
  virtual bool Dropped(Frame& frame) = 0;

  /// Under the memory tier's lock: a segment is given back to the machine.
  virtual void SegmentGone(uint64_t number) = 0;
};

}  // namespace forebay
