// Answers on their way out: collected, then sent with one call.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "src/store/view.h"
#include "src/wire/codec.h"
#include "src/wire/growing_buffer.h"

namespace forebay {

/// What is sent together: heads and small data lie in one buffer, large data in the store, pinned.
class OutBatch {
 public:
  bool empty() const { return parts_.empty(); }
  uint64_t bytes() const { return bytes_; }

  /// Where to encode a frame's head; then Added(size).
  MutableBytes Room(size_t at_least) { return arena_.Room(at_least); }
  void Added(size_t size);
  /// Small data behind what was added last.
  void Copy(Bytes data);
  /// Data that are sent from where they lie.
  void Refer(View view, Bytes data);

  /// Good until the batch changes.
  std::span<const Bytes> Parts();
  void Clear();
  /// How much memory it keeps for the next time.
  size_t kept_bytes() const { return arena_.capacity(); }

 private:
  struct Part {
    const std::byte* data = nullptr;  // null: in the arena, which may move while it grows
    size_t arena_offset = 0;
    size_t size = 0;
  };
  wire::GrowingBuffer arena_;
  std::vector<Part> parts_;
  std::vector<View> pins_;
  std::vector<Bytes> spans_;
  uint64_t bytes_ = 0;
};

/// Batches to use again, so that idle connections hold none.
class BatchPool {
 public:
  std::unique_ptr<OutBatch> Take() {
    if (free_.empty()) return std::make_unique<OutBatch>();
    auto batch = std::move(free_.back());
    free_.pop_back();
    return batch;
  }
  void Give(std::unique_ptr<OutBatch> batch) {
    batch->Clear();
    if (free_.size() < kKept && batch->kept_bytes() <= kKeptBytes)
      free_.push_back(std::move(batch));
  }

 private:
  static constexpr size_t kKept = 128;
  static constexpr size_t kKeptBytes = 512u << 10;
  std::vector<std::unique_ptr<OutBatch>> free_;
};

}  // namespace forebay
