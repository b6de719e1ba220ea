#include "src/front/native/out_queue.h"

namespace forebay {

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
