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

constexpr uint64_t kHugePage = 2 * kMiB;
/// A machine makes so much in less than 10 ms, of small pages too.
constexpr uint64_t kStep = 4 * kMiB;

/// In one call: each waits for all processors once. Errors say that the machine has no huge page
/// left.
void MakeHuge(MutableBytes range) {
  // Where no page is there yet nothing is collapsed.
  for (uint64_t at = 0; at < range.size(); at += kHugePage) {
    madvise(range.data() + at, 1, MADV_POPULATE_READ);
  }
  madvise(range.data(), range.size(), MADV_COLLAPSE);
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
template <class Step>
void MemoryAhead::Do(std::unique_lock<std::mutex>& lock, MutableBytes range, const Step& step) {
  step_ = range;
  lock.unlock();
  step(range);
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
    Do(lock, range, MakeHuge);
    // What did not become one, as ordinary pages.
    for (uint64_t at = 0; at < range.size() && !stopping_ && !forgotten_; at += kStep) {
      Do(lock, range.subspan(at, std::min(kStep, range.size() - at)),
         [](MutableBytes step) { madvise(step.data(), step.size(), MADV_POPULATE_WRITE); });
    }
    forgotten_ = false;
  }
}

}  // namespace forebay::platform
