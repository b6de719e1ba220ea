// An object pinned to a version, and its reader's readahead.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "src/core/readahead/readahead.h"
#include "src/node/node.h"

namespace forebay {

class Handle {
 public:
  const ResolvedObject& object() const { return object_; }

  /// Any thread. Set once the object was found to have changed: such a handle reads nothing more.
  bool ended() const { return ended_.load(std::memory_order_relaxed); }
  void End() { ended_.store(true, std::memory_order_relaxed); }

  /// Any thread.
  Readahead::Decision Decide(uint64_t offset, uint64_t size, const ReadaheadLimits& limits) {
    const std::scoped_lock lock(mutex_);
    return readahead_.Decide(offset, size, object_.info.size, limits);
  }
  void Follow(const Readahead::Decision& decision);
  void Overtook(const ReadaheadLimits& limits) {
    const std::scoped_lock lock(mutex_);
    readahead_.Overtook(limits);
  }

 private:
  friend class HandlePool;
  ResolvedObject object_;
  std::atomic<bool> ended_{false};
  std::mutex mutex_;  // guards what follows
  Readahead readahead_;
  std::atomic<uint32_t>* in_order_readers_ = nullptr;
};

/// Makes handles of what former ones leave, so that opening what is known allocates nothing. Any
/// thread; handles may outlive it.
class HandlePool {
 public:
  HandlePool();

  /// Handles whose reads are in order now: they share what memory there is to read ahead into.
  uint32_t in_order_readers() const { return idle_->in_order_readers.load(); }

  /// `fill` is given the object to assign to, with the memory of its strings.
  template <class F>
  std::shared_ptr<Handle> Make(F fill) {
    std::unique_ptr<Handle> handle = Take();
    fill(handle->object_);
    return Share(std::move(handle));
  }

 private:
  static constexpr size_t kMostIdle = 1024;
  struct Idle {
    std::mutex mutex;
    std::vector<std::unique_ptr<Handle>> handles;
    std::atomic<uint32_t> in_order_readers{0};
  };
  struct Return {
    std::shared_ptr<Idle> idle;
    void operator()(Handle* handle) const;
  };
  std::unique_ptr<Handle> Take();
  std::shared_ptr<Handle> Share(std::unique_ptr<Handle> handle);

  std::shared_ptr<Idle> idle_;
};

}  // namespace forebay
