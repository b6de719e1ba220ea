#include "src/front/native/out_queue.h"

#include <algorithm>
#include <cstring>

namespace forebay {
namespace {

constexpr size_t kLineBytes = 64;
constexpr size_t kAskedAhead = 4u << 10;

}  // namespace

void OutBatch::Added(size_t size) {
  const size_t offset = arena_.size();
  arena_.Added(size);
  bytes_ += size;
  if (!parts_.empty() && parts_.back().data == nullptr) {
    parts_.back().size += size;  // what lies together goes together
  } else {
    parts_.push_back({.arena_offset = offset, .size = size});
  }
}

void OutBatch::Copy(Bytes data) {
  if (data.empty()) return;
  std::memcpy(arena_.Room(data.size()).data(), data.data(), data.size());
  Added(data.size());
}

void OutBatch::Refer(View view, Bytes data) {
  // Small data are rarely in the processor's caches. Asked for now, they are there when the kernel
  // copies them at the end of the turn; long runs it fetches ahead by itself.
  const size_t wanted = std::min(data.size(), kAskedAhead);
  for (size_t at = 0; at < wanted; at += kLineBytes) __builtin_prefetch(data.data() + at);
  pins_.push_back(std::move(view));
  parts_.push_back({.data = data.data(), .size = data.size()});
  bytes_ += data.size();
}

std::span<const Bytes> OutBatch::Parts() {
  spans_.clear();
  for (const Part& part : parts_) {
    const std::byte* data = part.data != nullptr ? part.data : arena_.data() + part.arena_offset;
    spans_.push_back({data, part.size});
  }
  return spans_;
}

void OutBatch::Clear() {
  arena_.Clear();
  parts_.clear();
  pins_.clear();
  spans_.clear();
  bytes_ = 0;
}

}  // namespace forebay
