// What the sessions of one door share.
#pragma once

#include <algorithm>
#include <array>

#include "src/front/native/door.h"
#include "src/front/native/out_queue.h"
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

struct DoorState {
  DoorState(Env& e, Node& n, NativeDoorOptions o) : env(e), node(n), options(std::move(o)) {}
  DoorState(const DoorState&) = delete;
  DoorState& operator=(const DoorState&) = delete;
  /// Every session has given back what it took.
  ~DoorState() {
    FB_ASSERT(queued_bytes == 0 && upload_bytes == 0 && waiting == 0 && large_metas == 0);
  }

  Env& env;
  Node& node;
  NativeDoorOptions options;
  BatchPool batches;
  uint64_t queued_bytes = 0;  // answers not sent and reads in progress, of all sessions
  uint64_t upload_bytes = 0;  // data of puts on their way to an origin
  uint32_t waiting = 0;       // requests in progress that are not answered at once
  uint64_t last_session = 0;
  uint64_t last_nonce = 0;
  uint32_t large_metas = 0;  // long lists that are coming in, of all sessions
  bool stopping = false;
  GetResult got;                             // of the get that is being answered, for its memory
  std::array<std::byte, 64u << 10> scratch;  // for bytes that nobody wants

  uint16_t queue_depth() const {
    return static_cast<uint16_t>(std::min<uint32_t>(waiting, UINT16_MAX));
  }
};

}  // namespace forebay
