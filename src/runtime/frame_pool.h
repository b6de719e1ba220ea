// Where coroutine frames live: a free list per thread and size, so that a warm path allocates
// nothing.
#pragma once

#include <cstddef>

namespace forebay {

/// Any thread. A frame may be freed on another thread than the one that made it.
void* AllocateFrame(size_t size);
void FreeFrame(void* frame, size_t size);

}  // namespace forebay
