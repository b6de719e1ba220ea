#include "src/platform/linux/memory_ahead.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
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
constexpr size_t kMostThere = kHugePage / kPage / 16;

bool IsUsed(const std::byte* huge) {
  unsigned char there[kHugePage / kPage] = {};
  if (mincore(const_cast<std::byte*>(huge), kHugePage, there) != 0) return true;
  return std::ranges::count_if(there, [](unsigned char page) { return (page & 1) != 0; }) >
         static_cast<ptrdiff_t>(kMostThere);
}

/// Errors say that the machine has no huge page left.
void MakeHuge(std::byte* begin, const std::byte* end) {
  // Where no page is there yet nothing is collapsed.
  for (std::byte* at = begin; at < end; at += kHugePage) madvise(at, 1, MADV_POPULATE_READ);
  if (begin < end) madvise(begin, static_cast<size_t>(end - begin), MADV_COLLAPSE);
}

/// Huge pages where they fit and nobody was faster, ordinary ones elsewhere.
void MakeReady(MutableBytes step) {
  std::byte* const end = step.data() + step.size();
  std::byte* at = step.data() + (RoundUp(reinterpret_cast<uintptr_t>(step.data()), kHugePage) -
                                 reinterpret_cast<uintptr_t>(step.data()));
  std::byte* unused = at;  // from here to `at` nothing was used
  for (; at + kHugePage <= end; at += kHugePage) {
    if (!IsUsed(at)) continue;
    MakeHuge(unused, at);
    unused = at + kHugePage;
  }
  MakeHuge(unused, at);
  madvise(step.data(), step.size(), MADV_POPULATE_WRITE);
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
  forgotten_ = forgotten_ || Lies(step_, mapping);
  changed_.wait(lock, [&] { return !Lies(step_, mapping); });
}

/// While `lock` is not held. Who forgets the range waits until then.
void MemoryAhead::Do(std::unique_lock<std::mutex>& lock, MutableBytes step) {
  step_ = step;
  lock.unlock();
  MakeReady(step);
  lock.lock();
  step_ = {};
  changed_.notify_all();
}

void MemoryAhead::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || !asked_.empty(); });
    if (stopping_) return;
    const MutableBytes range = asked_.front();
    asked_.pop_front();
    for (uint64_t at = 0; at < range.size() && !stopping_ && !forgotten_; at += kStep) {
      Do(lock, range.subspan(at, std::min(kStep, range.size() - at)));
    }
    forgotten_ = false;
  }
}

}  // namespace forebay::platform
