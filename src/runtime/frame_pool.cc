#include "src/runtime/frame_pool.h"

#include <new>

namespace forebay {
namespace {

// A recycled frame would hide a use after free from the sanitizers.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kRecycle = false;
#else
constexpr bool kRecycle = true;
#endif

constexpr size_t kGrain = 64;
constexpr size_t kClasses = 128;          // frames above 8 KiB are rare: the heap serves them
constexpr size_t kMaxIdlePerClass = 256;  // per thread; more than this goes back to the heap

struct IdleFrame {
  IdleFrame* next;
};

struct Pool {
  IdleFrame* idle[kClasses] = {};
  size_t count[kClasses] = {};

  ~Pool() {
    for (IdleFrame*& head : idle) {
      while (head != nullptr) {
        IdleFrame* next = head->next;
        ::operator delete(head);
        head = next;
      }
    }
  }
};

Pool& ThisThreadsPool() {
  thread_local Pool pool;
  return pool;
}

}  // namespace

void* AllocateFrame(size_t size) {
  const size_t index = (size - 1) / kGrain;
  if (kRecycle && index < kClasses) {
    Pool& pool = ThisThreadsPool();
    if (IdleFrame* frame = pool.idle[index]) {
      pool.idle[index] = frame->next;
      --pool.count[index];
      return frame;
    }
    return ::operator new((index + 1) * kGrain);
  }
  return ::operator new(size);
}

void FreeFrame(void* frame, size_t size) {
  const size_t index = (size - 1) / kGrain;
  if (kRecycle && index < kClasses) {
    Pool& pool = ThisThreadsPool();
    if (pool.count[index] < kMaxIdlePerClass) {
      pool.idle[index] = new (frame) IdleFrame{pool.idle[index]};
      ++pool.count[index];
      return;
    }
  }
  ::operator delete(frame);
}

}  // namespace forebay
