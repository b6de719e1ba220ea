#include "src/store/arena.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "src/base/assert.h"
#include "src/base/checksum.h"
#include "src/base/units.h"

namespace forebay {
namespace {

constexpr uint32_t kHugePages = 2 * kMiB / kPageBytes;
/// Of all segments together, and of the capacity: what a machine makes ready in the time that a few
/// blocks take to come.
constexpr uint64_t kMostAhead = 32 * kMiB / kPageBytes;
constexpr uint64_t kAheadShare = 32;
/// Of blocks: who took none while others took so many does not grow any more.
constexpr uint64_t kLongAgo = 64;

}  // namespace

std::byte* Arena::Run::At() const {
  return segment->memory->bytes().data() + uint64_t{extent.first} * kPageBytes;
}

Arena::Arena(Memory& memory, uint64_t capacity_pages, uint32_t segment_pages)
    : memory_(memory), capacity_pages_(capacity_pages), segment_pages_(segment_pages) {}

std::optional<Arena::Run> Arena::Reuse(uint16_t domain, uint32_t pages) {
  if (idle_pages_ < pages) return std::nullopt;
  for (const auto& segment : segments_) {
    if (segment->domain != domain || segment->idle.free_pages() < pages) continue;
    const auto extent = segment->idle.Allocate(pages);
    if (!extent) continue;
    idle_pages_ -= pages;
    segment->used_pages += pages;
    return Run{segment.get(), *extent};
  }
  return std::nullopt;
}

Result<std::optional<Arena::Run>> Arena::Grow(uint16_t domain, uint32_t pages) {
  if (resident_pages_ + pages > capacity_pages_) return std::nullopt;
  FB_ASSERT(pages <= segment_pages_);
  for (const auto& segment : segments_) {
    if (segment->domain != domain || segment->virgin.free_pages() < pages) continue;
    const auto extent = segment->virgin.Allocate(pages);
    if (extent) return UseVirgin(*segment, *extent);
  }
  auto segment = std::make_unique<Segment>();
  segment->domain = domain;
  segment->number = next_number_++;
  if (const auto watched = watchers_.find(domain); watched != watchers_.end()) {
    segment->watcher.store(watched->second, std::memory_order_release);
  }
  FB_ASSIGN(segment->memory, memory_.Reserve(fmt::format("forebay:{}:{}", domain, segments_.size()),
                                             uint64_t{segment_pages_} * kPageBytes));
  segment->virgin.Free({0, segment_pages_});
  segments_.push_back(std::move(segment));
  Segment& made = *segments_.back();
  return UseVirgin(made, *made.virgin.Allocate(pages));
}

Arena::Run Arena::UseVirgin(Segment& segment, Extent extent) {
  resident_pages_ += extent.pages;
  segment.used_pages += extent.pages;
  if (const uint32_t end = extent.first + extent.pages; end > segment.reached) {
    ahead_pages_ -= segment.Ahead();
    segment.reached = end;
    ahead_pages_ += segment.Ahead();
    Announce(segment, extent);
  }
  return {&segment, extent};
}

/// Tells the machine what `used`, which was just taken, and more of its size will need: as much
/// again as the attachment has in its first segment, so that a small one takes little.
void Arena::Announce(Segment& segment, Extent used) {
  segment.grown_at = ++growths_;
  const uint64_t most = std::min(kMostAhead, capacity_pages_ / kAheadShare);
  if (ahead_pages_ + kHugePages > most) ForgetAnOldAhead(segment);
  const uint64_t taken = resident_pages_ + ahead_pages_;
  if (taken >= capacity_pages_ || ahead_pages_ >= most) return;
  uint64_t wanted = std::min(capacity_pages_ - taken, most - ahead_pages_) + segment.Ahead();
  const bool is_first = std::ranges::count(segments_, segment.domain,
                                           [](const auto& one) { return one->domain; }) == 1;
  if (is_first) wanted = std::min<uint64_t>(wanted, segment.used_pages);
  if (segment.Ahead() > wanted / 2) return;
  const uint64_t fits = RoundDown(segment_pages_ - segment.reached, used.pages);
  const uint64_t until = segment.reached + fits <= segment.reached + wanted
                             ? segment.reached + fits
                             : RoundDown(segment.reached + wanted, kHugePages);
  const uint64_t from = std::max<uint64_t>(segment.announced, RoundDown(used.first, kHugePages));
  if (until <= from) return;
  segment.memory->WillUse(from * kPageBytes, (until - from) * kPageBytes);
  ahead_pages_ -= segment.Ahead();
  segment.announced = static_cast<uint32_t>(until);
  ahead_pages_ += segment.Ahead();
}

/// Where the attachment itself has gone on to the next segment, or nobody has grown for long.
void Arena::ForgetAnOldAhead(const Segment& growing) {
  for (const auto& segment : segments_) {
    if (segment.get() == &growing || segment->Ahead() == 0) continue;
    const bool left = segment->domain == growing.domain;
    if (left || growths_ - segment->grown_at >= kLongAgo) ForgetAhead(*segment);
  }
}

void Arena::ForgetAhead(Segment& segment) {
  // Sealed memory cannot be given back; it counts no more, and is less than a few blocks.
  std::ignore = segment.memory->Punch(uint64_t{segment.reached} * kPageBytes,
                                      uint64_t{segment.Ahead()} * kPageBytes);
  ahead_pages_ -= segment.Ahead();
  segment.announced = segment.reached;
}

void Arena::Free(const Run& run) {
  run.segment->idle.Free(run.extent);
  run.segment->used_pages -= run.extent.pages;
  idle_pages_ += run.extent.pages;
}

void Arena::Destroy(Segment* gone) {
  FB_ASSERT(gone->first_frame == kNoFrame);
  if (FrameWatcher* watcher = gone->watcher.load(std::memory_order_relaxed)) {
    watcher->SegmentGone(gone->number);
  }
  idle_pages_ -= gone->idle.free_pages();
  resident_pages_ -= gone->idle.free_pages();
  ahead_pages_ -= gone->Ahead();
  std::erase_if(segments_, [&](const auto& segment) { return segment.get() == gone; });
}

std::vector<Arena::Segment*> Arena::MostIdle(size_t count) {
  std::vector<Segment*> idle;
  for (const auto& segment : segments_) {
    if (segment->idle.free_pages() > 0) idle.push_back(segment.get());
  }
  const auto end = idle.begin() + static_cast<ptrdiff_t>(std::min(count, idle.size()));
  std::partial_sort(idle.begin(), end, idle.end(), [](const Segment* a, const Segment* b) {
    return a->idle.free_pages() > b->idle.free_pages();
  });
  idle.erase(end, idle.end());
  return idle;
}

void Arena::SetWatcher(uint16_t domain, FrameWatcher* watcher) {
  watchers_[domain] = watcher;
  for (const auto& segment : segments_) {
    if (segment->domain == domain) segment->watcher.store(watcher, std::memory_order_release);
  }
}

void Arena::EndWatcher(uint16_t domain, const FrameWatcher& watcher) {
  const auto watched = watchers_.find(domain);
  if (watched == watchers_.end() || watched->second != &watcher) return;
  SetWatcher(domain, nullptr);
  watchers_.erase(domain);
}

std::vector<uint64_t> Arena::SegmentsOf(uint16_t domain) const {
  std::vector<uint64_t> numbers;
  for (const auto& segment : segments_) {
    if (segment->domain == domain) numbers.push_back(segment->number);
  }
  return numbers;
}

Arena::Segment* Arena::Find(uint64_t number) const {
  const auto found = std::find_if(segments_.begin(), segments_.end(),
                                  [&](const auto& segment) { return segment->number == number; });
  return found == segments_.end() ? nullptr : found->get();
}

bool Arena::GiveBackIdle() {
  Segment* best = nullptr;
  for (const auto& segment : segments_) {
    if (segment->used_pages == 0 && segment->idle.free_pages() > 0) {
      Destroy(segment.get());
      return true;
    }
    if (segment->sealed || segment->idle.free_pages() == 0) continue;
    if (best == nullptr || segment->idle.free_pages() > best->idle.free_pages())
      best = segment.get();
  }
  if (best == nullptr) return false;
  const Extent extent = *best->idle.Allocate(best->idle.largest());
  if (!best->memory->Punch(uint64_t{extent.first} * kPageBytes,
                           uint64_t{extent.pages} * kPageBytes)) {
    best->idle.Free(extent);
    best->sealed = true;
    return GiveBackIdle();
  }
  best->virgin.Free(extent);
  idle_pages_ -= extent.pages;
  resident_pages_ -= extent.pages;
  return true;
}

std::vector<std::shared_ptr<SharedMemory>> Arena::MemoryOf(uint16_t domain) const {
  std::vector<std::shared_ptr<SharedMemory>> memory;
  for (const auto& segment : segments_) {
    if (segment->domain == domain) memory.push_back(segment->memory);
  }
  return memory;
}

}  // namespace forebay
