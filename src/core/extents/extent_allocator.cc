#include "src/core/extents/extent_allocator.h"

#include <algorithm>
#include <bit>

#include "src/base/assert.h"

namespace forebay {

namespace {
/// How far into a bin of mixed sizes the search for the tightest run goes.
constexpr int kMaxBinSearch = 32;
}  // namespace

ExtentAllocator::ExtentAllocator() {
  std::fill(std::begin(bins_), std::end(bins_), kNone);
}

uint32_t ExtentAllocator::BinOf(uint32_t pages) {
  if (pages < kExact) return pages;
  const uint32_t octave = static_cast<uint32_t>(std::bit_width(pages)) - 11;  // 1,024 is octave 0
  const uint32_t sixteenth = (pages >> (octave + 6)) & 15;
  return std::min(kExact + octave * 16 + sixteenth, kBins - 1);
}

std::optional<uint32_t> ExtentAllocator::NextUsedBin(uint32_t from) const {
  for (uint32_t word = from / 64; word < std::size(used_); ++word) {
    uint64_t bits = used_[word];
    if (word == from / 64) bits &= ~0ull << (from % 64);
    if (bits != 0) return word * 64 + static_cast<uint32_t>(std::countr_zero(bits));
  }
  return std::nullopt;
}

/// The best run of at least `pages` among the first few of a bin; kNone if none of them is long
/// enough.
uint32_t ExtentAllocator::TightestInBin(uint32_t bin, uint32_t pages) const {
  uint32_t best = kNone;
  int looked = 0;
  for (uint32_t at = bins_[bin]; at != kNone && looked < kMaxBinSearch; at = nodes_[at].next) {
    ++looked;
    const uint32_t size = nodes_[at].extent.pages;
    if (size < pages) continue;
    if (best == kNone || size < nodes_[best].extent.pages) best = at;
    if (bin < kExact) break;  // all of one size
  }
  return best;
}

std::optional<Extent> ExtentAllocator::Allocate(uint32_t pages) {
  FB_ASSERT(pages > 0);
  for (auto bin = NextUsedBin(BinOf(pages)); bin; bin = NextUsedBin(*bin + 1)) {
    const uint32_t node = TightestInBin(*bin, pages);
    if (node == kNone) continue;
    const Extent run = nodes_[node].extent;
    Unlink(node);
    if (run.pages > pages) Link({run.first + pages, run.pages - pages});
    return Extent{run.first, pages};
  }
  return std::nullopt;
}

void ExtentAllocator::Free(Extent extent) {
  FB_ASSERT(extent.pages > 0);
  if (const auto before = by_end_.Find(extent.first)) {
    const Extent run = nodes_[*before].extent;
    Unlink(*before);
    extent = {run.first, run.pages + extent.pages};
  }
  if (const auto after = by_first_.Find(extent.first + extent.pages)) {
    const Extent run = nodes_[*after].extent;
    Unlink(*after);
    extent.pages += run.pages;
  }
  Link(extent);
}

uint32_t ExtentAllocator::MergedPages(Extent extent) const {
  uint32_t pages = extent.pages;
  if (const auto before = EndingAt(extent.first)) pages += before->pages;
  if (const auto after = StartingAt(extent.first + extent.pages)) pages += after->pages;
  return pages;
}

std::optional<Extent> ExtentAllocator::StartingAt(uint32_t page) const {
  const auto node = by_first_.Find(page);
  return node ? std::optional(nodes_[*node].extent) : std::nullopt;
}

std::optional<Extent> ExtentAllocator::EndingAt(uint32_t page) const {
  const auto node = by_end_.Find(page);
  return node ? std::optional(nodes_[*node].extent) : std::nullopt;
}

uint32_t ExtentAllocator::largest() const {
  uint32_t largest = 0;
  for (uint32_t bin = kBins; bin-- > 0;) {
    if (bins_[bin] == kNone) continue;
    for (uint32_t at = bins_[bin]; at != kNone; at = nodes_[at].next) {
      largest = std::max(largest, nodes_[at].extent.pages);
    }
    break;
  }
  return largest;
}

uint64_t ExtentAllocator::MemoryBytes() const {
  return sizeof(*this) + nodes_.capacity() * sizeof(Node) + idle_.capacity() * sizeof(uint32_t) +
         by_first_.MemoryBytes() + by_end_.MemoryBytes();
}

void ExtentAllocator::Link(Extent extent) {
  uint32_t node;
  if (idle_.empty()) {
    node = static_cast<uint32_t>(nodes_.size());
    nodes_.emplace_back();
  } else {
    node = idle_.back();
    idle_.pop_back();
  }
  const uint32_t bin = BinOf(extent.pages);
  nodes_[node] = {extent, kNone, bins_[bin]};
  if (bins_[bin] != kNone) nodes_[bins_[bin]].previous = node;
  bins_[bin] = node;
  used_[bin / 64] |= 1ull << (bin % 64);
  by_first_.Insert(extent.first, node);
  by_end_.Insert(extent.first + extent.pages, node);
  free_pages_ += extent.pages;
}

void ExtentAllocator::Unlink(uint32_t node) {
  const Node& gone = nodes_[node];
  const uint32_t bin = BinOf(gone.extent.pages);
  (gone.previous != kNone ? nodes_[gone.previous].next : bins_[bin]) = gone.next;
  if (gone.next != kNone) nodes_[gone.next].previous = gone.previous;
  if (bins_[bin] == kNone) used_[bin / 64] &= ~(1ull << (bin % 64));
  by_first_.Erase(gone.extent.first);
  by_end_.Erase(gone.extent.first + gone.extent.pages);
  free_pages_ -= gone.extent.pages;
  idle_.push_back(node);
}

}  // namespace forebay
