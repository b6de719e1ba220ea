#include "src/node/handle.h"

#include "src/runtime/frame_pool.h"

namespace forebay {
namespace {

/// What a shared_ptr needs besides its object, from the thread's own list of frames.
template <class T>
struct FrameAllocator {
  using value_type = T;
  FrameAllocator() = default;
  template <class U>
  explicit(false) FrameAllocator(const FrameAllocator<U>&) {}
  T* allocate(size_t n) { return static_cast<T*>(AllocateFrame(n * sizeof(T))); }
  void deallocate(T* at, size_t n) { FreeFrame(at, n * sizeof(T)); }
  template <class U>
  bool operator==(const FrameAllocator<U>&) const {
    return true;
  }
};

}  // namespace

const ResolvedObject& ObjectOf(const Handle& handle) {
  return handle.object();
}

void Handle::Follow(const Readahead::Decision& decision) {
  const std::scoped_lock lock(mutex_);
  const bool before = readahead_.in_order();
  readahead_.Follow(decision);
  const bool after = readahead_.in_order();
  if (after && !before) in_order_readers_->fetch_add(1);
  if (before && !after) in_order_readers_->fetch_sub(1);
}

HandlePool::HandlePool() : idle_(std::make_shared<Idle>()) {
  idle_->handles.reserve(kMostIdle);
}

std::unique_ptr<Handle> HandlePool::Take() {
  {
    const std::scoped_lock lock(idle_->mutex);
    if (!idle_->handles.empty()) {
      std::unique_ptr<Handle> handle = std::move(idle_->handles.back());
      idle_->handles.pop_back();
      return handle;
    }
  }
  auto handle = std::make_unique<Handle>();
  handle->in_order_readers_ = &idle_->in_order_readers;
  return handle;
}

std::shared_ptr<Handle> HandlePool::Share(std::unique_ptr<Handle> handle) {
  return {handle.release(), Return{idle_}, FrameAllocator<Handle>()};
}

/// The last owner is gone: forgets what it read, keeps the memory.
void HandlePool::Return::operator()(Handle* last) const {
  std::unique_ptr<Handle> handle(last);
  handle->Follow({});
  handle->object_.attachment.reset();
  handle->ended_ = false;
  const std::scoped_lock lock(idle->mutex);
  if (idle->handles.size() < kMostIdle) idle->handles.push_back(std::move(handle));
}

}  // namespace forebay
