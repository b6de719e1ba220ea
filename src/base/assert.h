// Assertions that stay on in production: a broken invariant must stop the process before it serves
// a wrong byte.
#pragma once

namespace forebay {

[[noreturn]] void AssertFailed(const char* condition, const char* file, int line);

}  // namespace forebay

#define FB_ASSERT(condition)                         \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::forebay::AssertFailed(#condition, __FILE__, __LINE__))
