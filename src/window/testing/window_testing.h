// What the tests and figures of windows share.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "src/store/testing/patterns.h"
#include "src/window/window_host.h"
#include "src/window/window_reader.h"

namespace forebay::window_testing {

/// The node's own mapping taken for a client's, so that ThreadSanitizer sees both sides use one
/// memory.
class Borrowed final : public MappedMemory {
 public:
  explicit Borrowed(MutableBytes bytes, std::shared_ptr<SharedMemory> owner = nullptr)
      : owner_(std::move(owner)), bytes_(bytes) {}
  MutableBytes bytes() override { return bytes_; }

 private:
  const std::shared_ptr<SharedMemory> owner_;
  const MutableBytes bytes_;
};

inline bool Right(const BlockKey& key, uint32_t offset, Bytes bytes) {
  return std::ranges::equal(
      bytes, store_testing::Pattern(key, offset, static_cast<uint32_t>(bytes.size())));
}

/// A client in this process, with mappings of its own as another process has them.
class Client {
 public:
  Client(Memory& memory, std::unique_ptr<window::WindowSession> session)
      : memory_(memory),
        session_(std::move(session)),
        reader_(window::WindowReader::Create(
                    memory.Map(session_->table_descriptor(), MapAccess::kRead).value(),
                    memory.Map(session_->page_descriptor(), MapAccess::kReadWrite).value())
                    .value()) {}

  window::WindowReader& reader() { return *reader_; }
  window::WindowSession& session() { return *session_; }

  window::Found Pin(const BlockKey& key, window::PinnedBlock* block) {
    return Resolving([&](uint32_t* segment) { return reader_->Pin(key, block, segment); });
  }
  window::Found Read(const BlockKey& key, uint64_t offset, MutableBytes into) {
    return Resolving([&](uint32_t* segment) { return reader_->Read(key, offset, into, segment); });
  }
  /// The connection is lost.
  void Disconnect() { session_.reset(); }

 private:
  window::Found Resolving(auto look) {
    uint32_t segment = 0;
    window::Found found = look(&segment);
    if (found != window::Found::kUnknownSegment) return found;
    if (auto handed = session_->Segment(segment)) {
      const int descriptor = handed->memory->ReadOnlyDescriptor();
      reader_->AddSegment(handed->number, memory_.Map(descriptor, MapAccess::kRead).value());
    }
    return look(&segment);
  }

  Memory& memory_;
  std::unique_ptr<window::WindowSession> session_;
  const std::unique_ptr<window::WindowReader> reader_;
};

}  // namespace forebay::window_testing
