#include "src/platform/linux/file_pool.h"

#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace forebay::platform {
namespace {

/// When nothing began for so long though something waits, all threads hang.
constexpr auto kHang = std::chrono::milliseconds(100);
/// More than origins are ever asked for at a time.
constexpr size_t kMostThreads = 512;

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
  crowded_.notify_all();
  if (watcher_.joinable()) watcher_.join();
  for (std::thread& thread : threads_) thread.join();
}

void FilePool::Start(Op& op) {
  bool crowded = false;
  {
    const std::lock_guard lock(mutex_);
    queue_.Push(op);
    ++queued_;
    if (queued_ > idle_) {
      crowded = threads_.size() >= static_cast<size_t>(max_threads_);
      if (!crowded) threads_.emplace_back(&FilePool::Work, this);
    }
  }
  has_work_.notify_one();
  if (!crowded) return;
  if (!watcher_.joinable()) watcher_ = std::thread(&FilePool::Watch, this);
  crowded_.notify_one();
}

void FilePool::Watch() {
  std::unique_lock lock(mutex_);
  for (;;) {
    crowded_.wait(lock, [this] { return stopping_ || queued_ > idle_; });
    if (stopping_) return;
    const uint64_t before = begun_;
    crowded_.wait_for(lock, kHang, [this] { return stopping_; });
    if (stopping_) return;
    for (size_t more = begun_ == before ? queued_ : 0; more > 0; --more) {
      if (threads_.size() >= kMostThreads) break;
      threads_.emplace_back(&FilePool::Work, this);
    }
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
    ++begun_;
    lock.unlock();
    const ssize_t result = Perform(op);
    op.result = static_cast<int32_t>(result < 0 ? -errno : result);
    executor_.Post(op.waiter);  // from here on the op may be gone
    lock.lock();
  }
}

}  // namespace forebay::platform
