// Copies of what is in no cache.
#pragma once

#include "src/base/bytes.h"

namespace forebay {

/// As memcpy of from.size() bytes. From some size on, the processor's own copying of strings, where
/// it says that it is fast: C libraries choose other ways for some processors, which are a fifth
/// slower out of memory.
void CopyBulk(std::byte* into, Bytes from);

}  // namespace forebay
