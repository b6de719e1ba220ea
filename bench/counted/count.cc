// Loaded before libc: counts what a program allocates and copies, into the file that FOREBAY_COUNTS
// names. Speed does not matter here, so all threads share the counters.
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/counted/counts.h"

extern "C" {
// glibc's own, under the names that it keeps for this.
// NOLINTBEGIN(bugprone-reserved-identifier): they are its names
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
// NOLINTEND(bugprone-reserved-identifier)
}

namespace {

using forebay::bench::Counts;

Counts before_the_file;  // until Begin has run
Counts* counts = &before_the_file;

void Add(uint64_t& counter, uint64_t n) {
  __atomic_fetch_add(&counter, n, __ATOMIC_RELAXED);
}

__attribute__((constructor)) void Begin() {
  const char* path = getenv("FOREBAY_COUNTS");
  const int file = path == nullptr ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;
  if (ftruncate(file, sizeof(Counts)) == 0) {
    void* mapped = mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) counts = static_cast<Counts*>(mapped);
  }
  close(file);
}

void Copied(size_t size) {
  Add(counts->copied_bytes, size);
}

}  // namespace

extern "C" {

void* malloc(size_t size) {
  Add(counts->allocations, 1);
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  Add(counts->allocations, 1);
  return __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
  Add(counts->allocations, 1);
  return __libc_realloc(memory, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  Add(counts->allocations, 1);
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, size_t alignment, size_t size) {
  Add(counts->allocations, 1);
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? 12 : 0;
}

// In assembler: the compiler would make calls of themselves of loops.
void* memcpy(void* to, const void* from, size_t size) {
  Copied(size);
  void* at = to;
  __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
  return to;
}
void* memmove(void* to, const void* from, size_t size) {
  if (static_cast<char*>(to) - static_cast<const char*>(from) >= static_cast<ptrdiff_t>(size) ||
      to <= from) {
    return memcpy(to, from, size);
  }
  Copied(size);
  char* at = static_cast<char*>(to) + size - 1;
  const char* last = static_cast<const char*>(from) + size - 1;
  __asm__ volatile("std; rep movsb; cld" : "+D"(at), "+S"(last), "+c"(size) : : "memory");
  return to;
}
}
