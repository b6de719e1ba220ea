#include "src/base/bulk_copy.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace forebay {

#if defined(__x86_64__)
namespace {

/// Beginning one costs as much as the copy of a few hundred bytes.
constexpr size_t kFewestBytes = 16u << 10;

/// "Enhanced REP MOVSB".
bool CopiesStringsFast() {
  constexpr unsigned kErms = 1u << 9;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (ebx & kErms) != 0;
}

}  // namespace

void CopyBulk(std::byte* into, Bytes from) {
  static const bool fast = CopiesStringsFast();
  if (from.size() < kFewestBytes || !fast) {
    if (!from.empty()) std::memcpy(into, from.data(), from.size());
    return;
  }
  const std::byte* at = from.data();
  size_t left = from.size();
  asm volatile("rep movsb" : "+D"(into), "+S"(at), "+c"(left) : : "memory");
}
#else
void CopyBulk(std::byte* into, Bytes from) {
  if (!from.empty()) std::memcpy(into, from.data(), from.size());
}
#endif

}  // namespace forebay
