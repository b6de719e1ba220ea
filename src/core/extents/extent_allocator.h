// Which pages of a linear space are free. Pure bookkeeping: no memory or file is touched.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "src/core/extents/page_table.h"

namespace forebay {

/// A run of pages.
struct Extent {
  uint32_t first = 0;
  uint32_t pages = 0;
  friend bool operator==(const Extent&, const Extent&) = default;
};

/// Best fit with immediate coalescing, in constant time: free runs hang in lists by size (exact up
/// to 1,024 pages, then sixteen to the octave), and boundary tags find a run by either end. Memory
/// follows the number of free runs, not the number of pages. Not thread-safe.
class ExtentAllocator {
 public:
  ExtentAllocator();

  /// The tightest free run of at least `pages`, cut to size from its front; nullopt if there is
  /// none.
  std::optional<Extent> Allocate(uint32_t pages);

  /// Gives a run back. It must not overlap a free one.
  void Free(Extent extent);

  /// The length of the free run that would result if `extent` were freed now.
  uint32_t MergedPages(Extent extent) const;

  /// The free run that begins at (ends before) `page`, if one does.
  std::optional<Extent> StartingAt(uint32_t page) const;
  std::optional<Extent> EndingAt(uint32_t page) const;

  uint64_t free_pages() const { return free_pages_; }
  uint32_t largest() const;
  size_t runs() const { return nodes_.size() - idle_.size(); }
  uint64_t MemoryBytes() const;

 private:
  struct Node {
    Extent extent;
    uint32_t previous = ~0u;
    uint32_t next = ~0u;
  };
  static constexpr uint32_t kNone = ~0u;
  static constexpr uint32_t kExact = 1024;
  static constexpr uint32_t kBins = kExact + 22 * 16;

  static uint32_t BinOf(uint32_t pages);
  uint32_t TightestInBin(uint32_t bin, uint32_t pages) const;
  std::optional<uint32_t> NextUsedBin(uint32_t from) const;
  void Link(Extent extent);
  void Unlink(uint32_t node);

  std::vector<Node> nodes_;
  std::vector<uint32_t> idle_;
  uint32_t bins_[kBins];
  uint64_t used_[(kBins + 63) / 64] = {};
  PageTable by_first_;  // first page of a free run -> node
  PageTable by_end_;    // page after a free run -> node
  uint64_t free_pages_ = 0;
};

}  // namespace forebay
