#include "sim/sparse_bytes.h"

#include <algorithm>
#include <utility>

#include "src/base/assert.h"

namespace forebay::sim {

bool RepeatsOneWord(Bytes bytes, uint64_t* word) {
  if (bytes.size() < 8) return false;
  // A range repeats its first word exactly if it equals itself eight bytes on.
  if (std::memcmp(bytes.data(), bytes.data() + 8, bytes.size() - 8) != 0) return false;
  *word = LoadFrom<uint64_t>(bytes.data());
  return true;
}

void FillWithWord(uint64_t word, uint64_t phase, MutableBytes into) {
  const unsigned turn = static_cast<unsigned>(phase % 8) * 8;
  const uint64_t turned = turn == 0 ? word : (word >> turn) | (word << (64 - turn));
  size_t at = 0;
  for (; at + 8 <= into.size(); at += 8) StoreTo(into.data() + at, turned);
  std::memcpy(into.data() + at, &turned, into.size() - at);
}

Page Page::Of(Bytes bytes) {
  FB_ASSERT(bytes.size() == kPageBytes);
  Page page;
  if (RepeatsOneWord(bytes, &page.word_)) return page;
  auto data = std::make_shared_for_overwrite<Data>();
  std::memcpy(data->data(), bytes.data(), kPageBytes);
  page.data_ = std::move(data);
  return page;
}

void Page::CopyTo(uint64_t from, MutableBytes into) const {
  FB_ASSERT(from + into.size() <= kPageBytes);
  if (into.empty()) return;
  if (data_ == nullptr) return FillWithWord(word_, from, into);
  std::memcpy(into.data(), data_->data() + from, into.size());
}

Page Page::With(uint64_t from, Bytes bytes) const {
  FB_ASSERT(from + bytes.size() <= kPageBytes);
  if (bytes.size() == kPageBytes) return Of(bytes);
  Data scratch;
  CopyTo(0, scratch);
  if (!bytes.empty()) std::memcpy(scratch.data() + from, bytes.data(), bytes.size());
  return Of(scratch);
}

Page Page::WithRangeOf(const Page& other, uint64_t from, uint64_t to) const {
  if (from == 0 && to == kPageBytes) return other;
  Data scratch;
  other.CopyTo(0, scratch);
  return With(from, Bytes(scratch).subspan(from, to - from));
}

Page SparseBytes::At(uint64_t index) const {
  const auto found = pages_.find(index);
  return found == pages_.end() ? Page() : found->second;
}

void SparseBytes::Put(uint64_t index, Page page) {
  if (page.is_zero()) {
    pages_.erase(index);
  } else {
    pages_.insert_or_assign(index, std::move(page));
  }
}

void SparseBytes::Read(uint64_t offset, MutableBytes into) const {
  auto it = pages_.lower_bound(offset / kPageBytes);
  while (!into.empty()) {
    const uint64_t index = offset / kPageBytes, within = offset % kPageBytes;
    const auto part = into.first(std::min<uint64_t>(into.size(), kPageBytes - within));
    while (it != pages_.end() && it->first < index) ++it;
    if (it != pages_.end() && it->first == index) {
      it->second.CopyTo(within, part);
    } else {
      std::memset(part.data(), 0, part.size());
    }
    offset += part.size();
    into = into.subspan(part.size());
  }
}

void SparseBytes::Truncate(uint64_t size) {
  pages_.erase(pages_.lower_bound((size + kPageBytes - 1) / kPageBytes), pages_.end());
  const uint64_t within = size % kPageBytes;
  if (within == 0) return;
  const uint64_t index = size / kPageBytes;
  const Page last = At(index);
  if (!last.is_zero()) Put(index, last.WithRangeOf(Page(), within, kPageBytes));
}

}  // namespace forebay::sim
