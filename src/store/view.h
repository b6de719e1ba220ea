// Bytes of a block, seen where they lie.
#pragma once

#include <cstdint>
#include <utility>

#include "src/base/bytes.h"
#include "src/store/dram_tier.h"

namespace forebay {

/// Keeps the bytes of a block where and as they are while it lives. Any thread may drop it; the
/// store must outlive it.
class View {
 public:
  View() = default;
  View(View&& other) noexcept
      : tier_(other.tier_), frame_(std::exchange(other.frame_, nullptr)), bytes_(other.bytes_) {}
  View& operator=(View&& other) noexcept {
    Reset();
    tier_ = other.tier_;
    frame_ = std::exchange(other.frame_, nullptr);
    bytes_ = other.bytes_;
    return *this;
  }
  ~View() { Reset(); }

  explicit operator bool() const { return frame_ != nullptr; }
  Bytes bytes() const { return bytes_; }

  /// The checksum of the page that byte `offset` of the block is in, for whoever verifies at the
  /// other end.
  uint32_t PageChecksum(uint32_t offset) const {
    return frame_->trailer().crcs()[offset / kPageBytes];
  }
  /// False if the bytes changed since they came in: memory itself is at fault. `offset` is where
  /// the view begins in its block, a multiple of the page, and the view ends at a page's end or the
  /// block's.
  bool Verify(uint32_t offset) const;
  /// Verifies and copies in one pass; under the same conditions.
  bool CopyVerifiedTo(uint32_t offset, std::byte* to) const;

  void Reset() {
    if (frame_ != nullptr) tier_->Unpin(*std::exchange(frame_, nullptr));
  }

 private:
  friend class Store;
  View(DramTier& tier, Frame& pinned, Bytes bytes) : tier_(&tier), frame_(&pinned), bytes_(bytes) {}

  DramTier* tier_ = nullptr;
  Frame* frame_ = nullptr;
  Bytes bytes_;
};

}  // namespace forebay
