// One request to the kernel, in the frame of whoever waits for it: starting one allocates nothing.
#pragma once

#include <coroutine>
#include <cstdint>

namespace forebay::platform {

struct Op;
struct Inbox;

/// A descriptor that operations wait on, and what the backend knows about it. Attached to the
/// backend before its first operation; detached, with nothing in progress, before it goes.
struct Socket {
  struct Side {
    Op* waiting = nullptr;
    bool ready = true;  // a call may succeed; false once one said that it would block
  };

  int fd = -1;
  bool short_read_drains = false;  // a read that returns less than asked for emptied the socket
  bool ended = false;              // no further edge will tell of what is still to be read
  bool watches_writes = false;
  bool direct_reads = false;  // io_uring: large reads were asked for, so none go through the inbox
  Inbox* inbox = nullptr;     // io_uring: owned by its backend
  Side read;
  Side write;
};

enum class OpCode : uint8_t {
  kRecv,
  kRecvStanding,  // io_uring only: see uring_inbox.h
  kSend,
  kRecvMessage,   // data is a msghdr
  kSendMessage,   // data is a msghdr, length how much it brings
  kSendZeroCopy,  // io_uring only; done when the kernel has let go of the buffer
  kAccept,
  kConnect,  // data is the address, length its size
  kPoll,     // once; flags are the events, the result those that came
  kRead,
  kWrite,
  kWriteParts,  // data is an array of iovec, length their number
  kSync,
  kCall,  // call(data) on the file pool
};

struct Op {
  OpCode code = OpCode::kCall;
  bool done = false;           // as the loop knows it: result holds
  bool abandoned = false;      // somebody asked for its end
  bool awaits_notice = false;  // kSendZeroCopy: sent, but the buffer is still in use
  bool copied_anyway = false;  // kSendZeroCopy: the kernel copied, so it does not pay here
  int fd = -1;
  int flags = 0;
  int32_t result = 0;  // a count or a descriptor, or minus an errno
  void* data = nullptr;
  uint64_t length = 0;
  uint64_t offset = 0;
  void (*call)(void*) = nullptr;
  Socket* socket = nullptr;
  Op* next = nullptr;  // while queued somewhere

  /// At the end one of the two happens, on the loop: the coroutine goes on, or the callback runs.
  std::coroutine_handle<> waiter;
  void (*on_done)(Op&) = nullptr;
};

/// Operations in the order of their arrival.
class OpQueue {
 public:
  bool empty() const { return first_ == nullptr; }
  void Push(Op& op) {
    op.next = nullptr;
    (last_ != nullptr ? last_->next : first_) = &op;
    last_ = &op;
  }
  Op& Pop() {
    Op& op = *first_;
    first_ = op.next;
    if (first_ == nullptr) last_ = nullptr;
    return op;
  }

 private:
  Op* first_ = nullptr;
  Op* last_ = nullptr;
};

}  // namespace forebay::platform
