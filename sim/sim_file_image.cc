#include "sim/sim_file_image.h"

#include <algorithm>
#include <utility>

#include "src/base/assert.h"
#include "src/base/units.h"

namespace forebay::sim {
namespace {

/// Above this many unsynced changes the older half is written back.
constexpr size_t kMaxUnsynced = 1024;

uint64_t TotalSize(std::span<const Bytes> parts) {
  uint64_t total = 0;
  for (const Bytes part : parts) total += part.size();
  return total;
}

/// Walks over gathered parts as if they were one range.
class PartCursor {
 public:
  explicit PartCursor(std::span<const Bytes> parts) : parts_(parts) {}

  /// The next `size` bytes: in place where one part holds them all, else through `scratch`.
  Bytes Next(uint64_t size, MutableBytes scratch) {
    while (parts_[0].size() == at_) Advance();
    if (parts_[0].size() - at_ >= size) {
      const Bytes whole = parts_[0].subspan(at_, size);
      at_ += size;
      return whole;
    }
    for (uint64_t done = 0; done < size;) {
      while (parts_[0].size() == at_) Advance();
      const uint64_t step = std::min<uint64_t>(size - done, parts_[0].size() - at_);
      std::memcpy(scratch.data() + done, parts_[0].data() + at_, step);
      done += step;
      at_ += step;
    }
    return scratch.first(size);
  }

 private:
  void Advance() {
    parts_ = parts_.subspan(1);
    at_ = 0;
  }
  std::span<const Bytes> parts_;
  uint64_t at_ = 0;
};

}  // namespace

uint64_t SimFileImage::GrowthFor(uint64_t offset, uint64_t size) const {
  if (size == 0) return 0;
  return current_.allocated.MissingIn(RoundDown(offset, kPageBytes),
                                      RoundUp(offset + size, kPageBytes));
}

size_t SimFileImage::Read(uint64_t offset, MutableBytes into) const {
  if (offset >= current_.size) return 0;
  const size_t size = std::min<uint64_t>(into.size(), current_.size - offset);
  current_.bytes.Read(offset, into.first(size));
  return size;
}

void SimFileImage::Write(uint64_t offset, std::span<const Bytes> parts) {
  Change change{.mark = next_++, .offset = offset, .size = TotalSize(parts)};
  if (change.size == 0) return;
  PartCursor cursor(parts);
  std::array<std::byte, kPageBytes> scratch;
  for (uint64_t at = offset, end = offset + change.size; at < end;) {
    const uint64_t within = at % kPageBytes;
    const uint64_t step = std::min(end - at, kPageBytes - within);
    const Bytes bytes = cursor.Next(step, scratch);
    change.pages.push_back(step == kPageBytes
                               ? Page::Of(bytes)
                               : current_.bytes.At(at / kPageBytes).With(within, bytes));
    at += step;
  }
  Apply(current_, change);
  between_.push_back(std::move(change));
  WriteBack();
}

void SimFileImage::Resize(uint64_t size, bool preallocate) {
  Change change{.mark = next_++, .resize = true, .preallocate = preallocate, .size = size};
  Apply(current_, change);
  between_.push_back(std::move(change));
  WriteBack();
}

void SimFileImage::WriteBack() {
  if (between_.size() > kMaxUnsynced) SyncThrough(between_[kMaxUnsynced / 2].mark);
}

void SimFileImage::SyncThrough(uint64_t mark) {
  while (!between_.empty() && between_.front().mark <= mark) {
    Apply(durable_, between_.front());
    between_.pop_front();
  }
}

CrashTally SimFileImage::FailSyncThrough(uint64_t mark, bool stays_visible, Prng& prng,
                                         const CrashRates& rates) {
  const CrashTally tally = Settle(mark, prng, rates);
  if (!stays_visible) {
    current_ = durable_;
    for (const Change& later : between_) Apply(current_, later);
  }
  return tally;
}

CrashTally SimFileImage::Crash(Prng& prng, const CrashRates& rates) {
  const CrashTally tally = Settle(mark(), prng, rates);
  current_ = durable_;
  return tally;
}

CrashTally SimFileImage::Settle(uint64_t mark, Prng& prng, const CrashRates& rates) {
  CrashTally tally;
  for (; !between_.empty() && between_.front().mark <= mark; between_.pop_front()) {
    const Change& change = between_.front();
    const double fate = prng.Unit();
    if (change.resize) {
      const bool keep = fate < rates.keep / (rates.keep + rates.lose);
      if (keep) Apply(durable_, change);
      ++(keep ? tally.sizes_kept : tally.sizes_lost);
      continue;
    }
    const bool lost_before = tally.writes_lost > 0;
    if (fate < rates.keep) {
      Apply(durable_, change);
      ++tally.writes_kept;
      if (lost_before) ++tally.writes_reordered;
    } else if (fate >= rates.keep + rates.lose && ApplyTorn(durable_, change, prng)) {
      ++tally.writes_torn;
    } else {
      ++tally.writes_lost;
    }
  }
  return tally;
}

/// Keeps some sectors and loses others, at the sector size that this disk happens to have. A write
/// of less than a sector went through the page cache, and a page may be written back while it is
/// being copied into: such a one tears at any word. False, and nothing is kept, where the write is
/// one sector: those are atomic.
bool SimFileImage::ApplyTorn(Image& image, const Change& change, Prng& prng) {
  uint64_t sector = prng.OneIn(2) ? kSectorBytes : kPageBytes;
  if (change.size < kSectorBytes) sector = kWordBytes;
  const uint64_t end = change.offset + change.size;
  const uint64_t first = RoundDown(change.offset, sector);
  const uint64_t count = DivideRoundUp(end - first, sector);
  if (count < 2) return false;
  const bool prefix = prng.OneIn(2);  // stopped half way, or sectors in any order
  const uint64_t stop = 1 + prng.Below(count - 1);
  const uint64_t sure = prng.Below(count), lost = (sure + stop) % count;
  for (uint64_t i = 0; i < count; ++i) {
    const bool keep = prefix ? i < stop : i == sure || (i != lost && prng.OneIn(2));
    if (!keep) continue;
    ApplyRange(image, change, std::max(change.offset, first + i * sector),
               std::min(end, first + (i + 1) * sector));
  }
  return true;
}

void SimFileImage::ApplyRange(Image& image, const Change& change, uint64_t from, uint64_t to) {
  const uint64_t first_page = change.offset / kPageBytes;
  for (uint64_t at = from; at < to;) {
    const uint64_t index = at / kPageBytes, within = at % kPageBytes;
    const uint64_t step = std::min(to - at, kPageBytes - within);
    const Page& written = change.pages[index - first_page];
    image.bytes.Put(index, step == kPageBytes
                               ? written
                               : image.bytes.At(index).WithRangeOf(written, within, within + step));
    at += step;
  }
  image.allocated.Add(RoundDown(from, kPageBytes), RoundUp(to, kPageBytes));
  image.size = std::max(image.size, to);
}

void SimFileImage::Apply(Image& image, const Change& change) {
  if (!change.resize) {
    return ApplyRange(image, change, change.offset, change.offset + change.size);
  }
  const uint64_t end = RoundUp(change.size, kPageBytes);
  if (change.size < image.size) {
    image.bytes.Truncate(change.size);
    image.allocated.Remove(end, UINT64_MAX);
  }
  image.size = change.size;
  if (change.preallocate) image.allocated.Add(0, end);
}

void SimFileImage::FlipBit(uint64_t offset, unsigned bit) {
  FB_ASSERT(offset < current_.size && bit < 8);
  const uint64_t index = offset / kPageBytes, within = offset % kPageBytes;
  const auto flipped = [within, bit](const Page& page) {
    std::byte byte[1];
    page.CopyTo(within, byte);
    byte[0] ^= std::byte{1} << bit;
    return page.With(within, byte);
  };
  for (Image* image : {&current_, &durable_}) {
    if (offset < image->size) image->bytes.Put(index, flipped(image->bytes.At(index)));
  }
  for (Change& change : between_) {
    if (change.resize || offset < change.offset || offset >= change.offset + change.size) continue;
    Page& page = change.pages[index - change.offset / kPageBytes];
    page = flipped(page);
  }
}

}  // namespace forebay::sim
