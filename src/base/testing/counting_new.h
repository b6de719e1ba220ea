// Counts what a program allocates by `new`, which it replaces: to be included by one source of a
// test program, and no more. The sanitizers have allocators of their own; there nothing is counted.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FB_COUNTS_ALLOCATIONS 0
#else
#define FB_COUNTS_ALLOCATIONS 1
#endif

namespace forebay {

inline constexpr bool kCountsAllocations = FB_COUNTS_ALLOCATIONS != 0;
/// Since the thread, or the program, began.
inline thread_local uint64_t allocations_of_thread = 0;
inline std::atomic<uint64_t> allocations_of_all{0};

}  // namespace forebay

#if FB_COUNTS_ALLOCATIONS
void* operator new(size_t size) {
  ++forebay::allocations_of_thread;
  forebay::allocations_of_all.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
void* operator new[](size_t size) {
  return operator new(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, size_t) noexcept {
  std::free(memory);
}
#endif
