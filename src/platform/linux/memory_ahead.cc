#include "src/platform/linux/memory_ahead.h"

#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <system_error>

#include "src/base/units.h"

// Of Linux 6.1, which is younger than some libraries that this is built with.
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace forebay::platform {
namespace {

constexpr uint64_t kPage = 4 * kKiB;
constexpr uint64_t kHugePage = 2 * kMiB;
/// A machine makes so much in less than 10 ms, of small pages too. Each step that makes huge pages
/// waits for all processors once.
constexpr uint64_t kStep = 8 * kMiB;
/// Of a huge page's. More were used meanwhile: they would be copied and mapped again, one by one,
/// which takes far longer than to make as many, while who comes next is kept waiting.
constexpr size_t kSmallPages = kHugePage / kPage;
constexpr size_t kMostThere = kSmallPages / 16;
/// Who reads a page that is copied waits for 1 ms. At most a part of a processor is spent on it.
constexpr int kRestShare = 2;
constexpr std::chrono::milliseconds kLeastRest{1};
/// Somebody was receiving into it each time, or no huge page is left.
constexpr int kMostFailures = 4;

/// Small pages of a huge one that there is memory for.
size_t There(const std::byte* huge) {
  unsigned char there[kSmallPages] = {};
  if (mincore(const_cast<std::byte*>(huge), kHugePage, there) != 0) return kMostThere + 1;
  return static_cast<size_t>(
      std::ranges::count_if(there, [](unsigned char page) { return (page & 1) != 0; }));
}

bool IsUnused(const std::byte* huge) {
  return There(huge) <= kMostThere;
}

/// What was given back is not to be made again.
bool IsWhole(const std::byte* huge) {
  return There(huge) == kSmallPages;
}

/// False where somebody used it meanwhile, or the machine has no huge page left.
bool Collapse(std::byte* begin, const std::byte* end) {
  // Where no page is there yet nothing is collapsed.
  for (std::byte* at = begin; at < end; at += kHugePage) madvise(at, 1, MADV_POPULATE_READ);
  return begin == end || madvise(begin, static_cast<size_t>(end - begin), MADV_COLLAPSE) == 0;
}

/// Of those in `step` that are `wanted`, as many at a time as lie side by side. True if all became
/// huge.
bool MakeHuge(MutableBytes step, bool (*wanted)(const std::byte* huge)) {
  const std::byte* const end = step.data() + step.size();
  std::byte* at = step.data() + (RoundUp(reinterpret_cast<uintptr_t>(step.data()), kHugePage) -
                                 reinterpret_cast<uintptr_t>(step.data()));
  std::byte* begin = at;  // from here to `at` all are wanted
  bool all = true;
  for (; at + kHugePage <= end; at += kHugePage) {
    if (wanted(at)) continue;
    all = false;
    Collapse(begin, at);
    begin = at + kHugePage;
  }
  return Collapse(begin, at) && all;
}

/// Huge pages where they fit and nobody was faster, ordinary ones elsewhere. True if they are huge
/// wherever they fit.
bool MakeReady(MutableBytes step) {
  const bool all = MakeHuge(step, IsUnused);
  madvise(step.data(), step.size(), MADV_POPULATE_WRITE);
  return all;
}

bool MakeUsedHuge(MutableBytes step) {
  return MakeHuge(step, IsWhole);
}

/// Of this thread.
std::chrono::nanoseconds ProcessorTime() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

bool Lies(MutableBytes range, MutableBytes mapping) {
  return range.data() >= mapping.data() && range.data() < mapping.data() + mapping.size();
}

}  // namespace

MemoryAhead::~MemoryAhead() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    asked_.clear();
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void MemoryAhead::Ask(MutableBytes range) {
  if (range.empty()) return;
  const std::lock_guard lock(mutex_);
  if (has_no_thread_) return;
  asked_.push_back(range);
  changed_.notify_all();
  if (thread_.joinable()) return;
  try {
    thread_ = std::thread(&MemoryAhead::Work, this);
    pthread_setname_np(thread_.native_handle(), "memory-ahead");
  } catch (const std::system_error&) {
    has_no_thread_ = true;  // nobody depends on it
    asked_.clear();
  }
}

void MemoryAhead::Forget(MutableBytes mapping) {
  std::unique_lock lock(mutex_);
  std::erase_if(asked_, [&](MutableBytes range) { return Lies(range, mapping); });
  std::erase_if(used_, [&](const Used& used) { return Lies(used.step, mapping); });
  forgotten_ = forgotten_ || Lies(step_, mapping);
  changed_.wait(lock, [&] { return !Lies(step_, mapping); });
}

/// What `make` says, while the lock is not held. Who forgets the mapping waits until then.
bool MemoryAhead::Do(std::unique_lock<std::mutex>& lock, MutableBytes step,
                     bool (*make)(MutableBytes)) {
  step_ = step;
  forgotten_ = false;
  lock.unlock();
  const bool made = make(step);
  lock.lock();
  step_ = {};
  changed_.notify_all();
  return made;
}

void MemoryAhead::DoAsked(std::unique_lock<std::mutex>& lock) {
  const MutableBytes range = asked_.front();
  asked_.pop_front();
  for (uint64_t at = 0; at < range.size() && !stopping_; at += kStep) {
    const MutableBytes step = range.subspan(at, std::min(kStep, range.size() - at));
    const bool made = Do(lock, step, MakeReady);
    if (forgotten_) return;
    if (!made && step.size() >= kHugePage) used_.push_back({step, 0});
  }
}

/// One, and a rest that nothing asked for has to wait for.
void MemoryAhead::DoUsed(std::unique_lock<std::mutex>& lock) {
  Used used = used_.front();
  used_.pop_front();
  const std::chrono::nanoseconds begun = ProcessorTime();
  const bool made = Do(lock, used.step, MakeUsedHuge);
  if (!made && !forgotten_ && ++used.failures < kMostFailures) used_.push_back(used);
  const std::chrono::nanoseconds rest = kRestShare * (ProcessorTime() - begun);
  changed_.wait_for(lock, std::max<std::chrono::nanoseconds>(rest, kLeastRest),
                    [&] { return stopping_ || !asked_.empty(); });
}

void MemoryAhead::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || !asked_.empty() || !used_.empty(); });
    if (stopping_) return;
    if (!asked_.empty()) {
      DoAsked(lock);
    } else {
      DoUsed(lock);
    }
  }
}

}  // namespace forebay::platform
