// What the sessions of one door share, on one loop and on all of them.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>

#include "src/base/units.h"
#include "src/front/native/coming_gets.h"
#include "src/front/native/door.h"
#include "src/front/native/out_queue.h"
#include "src/node/node_access.h"
#include "src/runtime/sync.h"

namespace forebay {

/// Tells everyone who waits right now that something changed; they look for themselves. One loop.
class Signal {
 public:
  explicit Signal(Executor& executor) : executor_(executor) {}
  ~Signal() { FB_ASSERT(waiters_.empty()); }

  void Tell() {
    while (!waiters_.empty()) executor_.Post(waiters_.Pop().handle);
  }
  auto Wait() {
    struct Await : internal::Waiter {
      explicit Await(Signal& s) : signal(s) {}
      Signal& signal;
      bool await_ready() noexcept { return false; }
      void await_suspend(std::coroutine_handle<> self) {
        handle = self;
        signal.waiters_.Push(*this);
      }
      void await_resume() noexcept {}
    };
    return Await(*this);
  }

 private:
  Executor& executor_;
  internal::WaiterQueue waiters_;
};

/// So many bytes that are still to be sent count as one request that waits: who has a slow link is
/// busy, too.
inline constexpr uint64_t kBytesOfDepth = 256 * kKiB;

/// A figure that one loop changes and any thread may read, for nothing but the moment.
class OneLoopFigure {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): reads as the number that it is
  explicit(false) operator uint64_t() const { return value_.load(std::memory_order_relaxed); }
  OneLoopFigure& operator+=(uint64_t n) { return Set(*this + n); }
  OneLoopFigure& operator-=(uint64_t n) { return Set(*this - n); }

 private:
  OneLoopFigure& Set(uint64_t value) {
    value_.store(value, std::memory_order_relaxed);
    return *this;
  }
  std::atomic<uint64_t> value_{0};
};

/// What the loops of one door share. Any thread. Limits that count all loops together may be passed
/// by one request of each loop.
struct DoorShared {
  DoorShared(Node& n, Executor& its_loop, NativeDoorOptions o)
      : node(n), node_loop(its_loop), options(std::move(o)) {}
  DoorShared(const DoorShared&) = delete;
  DoorShared& operator=(const DoorShared&) = delete;
  /// Every session has given back what it took.
  ~DoorShared() { FB_ASSERT(upload_bytes == 0 && waiting == 0 && large_metas == 0); }

  uint64_t QueuedBytes() const {
    uint64_t sum = 0;
    for (const OneLoopFigure* of_one_loop : queued_bytes) sum += *of_one_loop;
    return sum;
  }

  Node& node;
  Executor& node_loop;
  const NativeDoorOptions options;
  std::vector<const OneLoopFigure*> queued_bytes;  // complete before the first connection

  // Read for every answer, changed by what waits: away from what changes all the time.
  static constexpr size_t kCacheLine = 64;
  alignas(kCacheLine) std::atomic<uint32_t> waiting{0};  // requests not answered at once
  std::atomic<bool> stopping{false};
  alignas(kCacheLine) std::atomic<uint64_t> upload_bytes{0};  // of puts on their way to an origin
  std::atomic<uint32_t> large_metas{0};                       // long lists that are coming in
  std::atomic<uint64_t> last_session{0};
  std::atomic<uint64_t> last_nonce{0};
};

/// What the sessions of one loop share.
struct DoorState {
  DoorState(Env& e, DoorShared& s)
      : env(e), shared(s), options(s.options), node(s.node, s.node_loop, e.executor) {}
  DoorState(const DoorState&) = delete;
  DoorState& operator=(const DoorState&) = delete;
  ~DoorState() { FB_ASSERT(queued_bytes == 0); }

  Env& env;
  DoorShared& shared;
  const NativeDoorOptions& options;
  NodeAccess node;
  ComingGets coming_gets{node};
  BatchPool batches;
  OneLoopFigure queued_bytes;                // answers not sent and reads in progress
  GetResult got;                             // of the get that is being answered, for its memory
  std::array<std::byte, 64u << 10> scratch;  // for bytes that nobody wants

  bool stopping() const { return shared.stopping.load(std::memory_order_relaxed); }
  /// What waits at all loops, and what is to be sent by this one.
  uint16_t queue_depth() const {
    const uint64_t depth =
        shared.waiting.load(std::memory_order_relaxed) + queued_bytes / kBytesOfDepth;
    return static_cast<uint16_t>(std::min<uint64_t>(depth, UINT16_MAX));
  }
};

}  // namespace forebay
