// File contents that cost memory only where they say something.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>

#include "src/base/bytes.h"

namespace forebay::sim {

inline constexpr uint64_t kPageBytes = 4096;
inline constexpr uint64_t kSectorBytes = 512;
inline constexpr uint64_t kWordBytes = 8;

/// The word that all of `bytes` repeats, if they do. Returns false for fewer than 8 bytes.
bool RepeatsOneWord(Bytes bytes, uint64_t* word);

/// Fills `into` with what the repeated word says there; `phase` is into's place within the
/// repetition.
void FillWithWord(uint64_t word, uint64_t phase, MutableBytes into);

/// 4 KiB of contents: shared among whoever holds them, never changed. A page that repeats one
/// 8-byte word is only that word, so a test can move gigabytes of tagged payload for nothing.
class Page {
 public:
  /// Zeros.
  Page() = default;
  /// `bytes` are kPageBytes long.
  static Page Of(Bytes bytes);

  bool is_zero() const { return data_ == nullptr && word_ == 0; }
  void CopyTo(uint64_t from, MutableBytes into) const;
  /// The same page but for `bytes` at `from`.
  Page With(uint64_t from, Bytes bytes) const;
  /// The same page but for what `other` says in [from, to).
  Page WithRangeOf(const Page& other, uint64_t from, uint64_t to) const;

 private:
  using Data = std::array<std::byte, kPageBytes>;
  std::shared_ptr<const Data> data_;
  uint64_t word_ = 0;
};

/// Pages by index; those absent are zeros.
class SparseBytes {
 public:
  Page At(uint64_t index) const;
  void Put(uint64_t index, Page page);
  void Read(uint64_t offset, MutableBytes into) const;
  /// Everything from `size` on becomes zeros.
  void Truncate(uint64_t size);
  size_t pages() const { return pages_.size(); }

 private:
  std::map<uint64_t, Page> pages_;
};

}  // namespace forebay::sim
