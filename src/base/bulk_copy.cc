#include "src/base/bulk_copy.h"

#if defined(__x86_64__) && !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
#define FOREBAY_COPIES_STRINGS 1
#include <cpuid.h>
#endif

namespace forebay {
#ifdef FOREBAY_COPIES_STRINGS
namespace {

/// Smaller copies were no faster.
constexpr size_t kFewestBytes = 16u << 10;

/// AMD's processors from Zen 5 on. On Intel's, memcpy does the same by itself; on older ones of
/// AMD, "rep movsb" is slow for some alignments.
bool CopiesStringsFast() {
  constexpr unsigned kAmd = 0x68747541;  // "Auth"
  constexpr unsigned kZen5 = 0x1a;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(0, &eax, &ebx, &ecx, &edx) == 0 || ebx != kAmd) return false;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0) return false;
  const unsigned family = (eax >> 8 & 0xf) + (eax >> 20 & 0xff);
  return family >= kZen5;
}

}  // namespace
#endif

void CopyBulk(std::byte* into, Bytes from) {
#ifdef FOREBAY_COPIES_STRINGS
  static const bool fast = CopiesStringsFast();
  if (fast && from.size() >= kFewestBytes) {
    const std::byte* at = from.data();
    size_t left = from.size();
    asm volatile("rep movsb" : "+D"(into), "+S"(at), "+c"(left) : : "memory");
    return;
  }
#endif
  if (!from.empty()) std::memcpy(into, from.data(), from.size());
}

}  // namespace forebay
