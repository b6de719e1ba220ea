#include "src/platform/linux/file_pool.h"

#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

namespace forebay::platform {
namespace {

ssize_t Perform(Op& op) {
  const auto offset = static_cast<off_t>(op.offset);
  switch (op.code) {
    case OpCode::kRead:
      return pread(op.fd, op.data, op.length, offset);
    case OpCode::kWrite:
      return pwrite(op.fd, op.data, op.length, offset);
    case OpCode::kWriteParts:
      return pwritev(op.fd, static_cast<const iovec*>(op.data), static_cast<int>(op.length),
                     offset);
    case OpCode::kSync:
      return fsync(op.fd);
    case OpCode::kCall:
      op.call(op.data);
      return 0;
    default:
      errno = EINVAL;
      return -1;
  }
}

}  // namespace

FilePool::~FilePool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  has_work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void FilePool::Start(Op& op) {
  bool grow = false;
  {
    const std::lock_guard lock(mutex_);
    queue_.Push(op);
    ++queued_;
    grow = queued_ > idle_ && threads_.size() < static_cast<size_t>(max_threads_);
  }
  if (grow) {
    threads_.emplace_back(&FilePool::Work, this);
  } else {
    has_work_.notify_one();
  }
}

void FilePool::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    has_work_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    --idle_;
    if (queue_.empty()) return;
    Op& op = queue_.Pop();
    --queued_;
    lock.unlock();
    const ssize_t result = Perform(op);
    op.result = static_cast<int32_t>(result < 0 ? -errno : result);
    executor_.Post(op.waiter);  // from here on the op may be gone
    lock.lock();
  }
}

}  // namespace forebay::platform
