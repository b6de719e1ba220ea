#include "src/platform/linux/uring_inbox.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

namespace forebay::platform {

InboxBuffers::~InboxBuffers() {
  if (ring_ != nullptr) munmap(ring_, kTotalBytes);
}

bool InboxBuffers::Open(io_uring& ring) {
  if (ring_ != nullptr) return true;
  if (refused_) return false;
  void* at = mmap(nullptr, kTotalBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  refused_ = at == MAP_FAILED;
  if (refused_) return false;
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uintptr_t>(at);
  registration.ring_entries = kCount;
  registration.bgid = kGroup;
  refused_ = io_uring_register_buf_ring(&ring, &registration, 0) != 0;
  if (refused_) {
    munmap(at, kTotalBytes);
    return false;
  }
  ring_ = static_cast<io_uring_buf_ring*>(at);
  bytes_ = static_cast<std::byte*>(at) + kRingBytes;
  io_uring_buf_ring_init(ring_);
  for (unsigned i = 0; i < kCount; ++i) Release(static_cast<uint16_t>(i));
  return true;
}

void InboxBuffers::Release(uint16_t buffer) {
  io_uring_buf_ring_add(ring_, At(buffer), kBytes, buffer, io_uring_buf_ring_mask(kCount), 0);
  io_uring_buf_ring_advance(ring_, 1);
}

void Inbox::Push(InboxBuffers& buffers, uint16_t buffer, uint32_t size) {
  buffers.filled(buffer) = {.size = size};
  (waiting == 0 ? first : buffers.filled(last).next) = buffer;
  last = buffer;
  ++waiting;
}

void Inbox::PopFirst(InboxBuffers& buffers) {
  const uint16_t buffer = first;
  first = buffers.filled(buffer).next;
  taken_of_first = 0;
  --waiting;
  buffers.Release(buffer);
}

size_t Inbox::Take(InboxBuffers& buffers, MutableBytes into) {
  size_t taken = 0;
  while (waiting > 0 && taken < into.size()) {
    const uint32_t rest = buffers.filled(first).size - taken_of_first;
    const size_t size = std::min<size_t>(rest, into.size() - taken);
    std::memcpy(into.data() + taken, buffers.At(first) + taken_of_first, size);
    taken += size;
    taken_of_first += static_cast<uint32_t>(size);
    if (size == rest) PopFirst(buffers);
  }
  return taken;
}

void Inbox::Drop(InboxBuffers& buffers) {
  while (waiting > 0) PopFirst(buffers);
}

}  // namespace forebay::platform
