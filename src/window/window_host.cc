#include "src/window/window_host.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <vector>

#include "src/base/assert.h"

namespace forebay::window {
namespace {

/// A client gets at most this part of what is left, so that there is always some for the next.
constexpr uint32_t kShareOfTheRest = 4;
constexpr uint32_t kFewestSlots = 4;
constexpr uint64_t kBytesALine = 64 * kKiB;  // of the memory tier
constexpr uint64_t kFewestLines = 1024, kMostLines = uint64_t{1} << 20;

}  // namespace

WindowOptions WindowOptions::For(const DramOptions& dram) {
  WindowOptions options;
  options.table.block_lines =
      std::bit_ceil(std::clamp(dram.capacity_bytes / kBytesALine, kFewestLines, kMostLines));
  return options;
}

WindowSession::~WindowSession() {
  writer_->DropPage(page_);
  host_.GiveBack(page_->page.slots);
}

Result<std::shared_ptr<SharedMemory>> WindowSession::Segment(uint64_t number) const {
  auto memory = host_.store_.SegmentOf(writer_->attachment(), number);
  if (memory == nullptr) {
    return Fail(Code::kNotFound, fmt::format("memory segment {} of attachment {} is gone", number,
                                             writer_->attachment()));
  }
  return memory;
}

WindowHost::WindowHost(Memory& memory, Store& store, WindowOptions options)
    : memory_(memory), store_(store), options_(options) {
  const auto capacity = static_cast<double>(store.stats().memory_capacity_bytes);
  const auto image = static_cast<double>(
      ImageLayout(static_cast<uint32_t>(options_.table.max_block_bytes)).total_bytes());
  free_slots_ = static_cast<uint32_t>(std::min(capacity * options_.pin_share / image, 1e9));
}

WindowHost::~WindowHost() {
  for (const auto& [attachment, window] : windows_) FB_ASSERT(window.writer.use_count() <= 1);
}

void WindowHost::GiveBack(uint32_t slots) {
  const std::scoped_lock lock(mutex_);
  free_slots_ += slots;
}

uint32_t WindowHost::free_slots() const {
  const std::scoped_lock lock(mutex_);
  return free_slots_;
}

/// With mutex_ held.
Result<std::shared_ptr<WindowWriter>> WindowHost::FindOrMake(AttachmentId attachment) {
  Window& window = windows_[attachment];
  // One that was forgotten lives while its clients do: a second one would not see their pins.
  if (auto writer = window.writer.lock()) return writer;
  FB_ASSIGN(window.kept, WindowWriter::Create(memory_, store_, attachment, options_.table));
  window.writer = window.kept;
  return window.kept;
}

Result<std::unique_ptr<WindowSession>> WindowHost::Open(AttachmentId attachment) {
  const std::scoped_lock lock(mutex_);
  const auto wanted =
      static_cast<uint32_t>(options_.client_pin_bytes / options_.table.max_block_bytes);
  const uint32_t slots = std::min(wanted, free_slots_ / kShareOfTheRest);
  if (slots < kFewestSlots) {
    return Fail(Code::kOverloaded,
                "the processes of this machine may pin no more memory; raise --dram, or read by "
                "message");
  }
  FB_ASSIGN(auto writer, FindOrMake(attachment));
  FB_ASSIGN(auto page, writer->AddPage(slots));
  free_slots_ -= page->page.slots;
  return std::unique_ptr<WindowSession>(
      new WindowSession(*this, std::move(writer), std::move(page)));
}

std::shared_ptr<WindowWriter> WindowHost::Find(AttachmentId attachment) {
  const std::scoped_lock lock(mutex_);
  const auto found = windows_.find(attachment);
  return found == windows_.end() ? nullptr : found->second.writer.lock();
}

void WindowHost::PublishName(AttachmentId attachment, std::string_view key, const NameInfo& info) {
  if (const auto writer = Find(attachment)) writer->PublishName(key, info);
}

void WindowHost::WithdrawName(AttachmentId attachment, std::string_view key) {
  if (const auto writer = Find(attachment)) writer->WithdrawName(key);
}

LocalReads WindowHost::Drain() {
  std::vector<std::shared_ptr<WindowWriter>> writers;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [attachment, window] : windows_) {
      if (auto writer = window.writer.lock()) writers.push_back(std::move(writer));
    }
  }
  LocalReads reads;
  for (const auto& writer : writers) {
    const LocalReads more = writer->Drain();
    reads.hits += more.hits;
    reads.bytes += more.bytes;
  }
  return reads;
}

void WindowHost::Forget(AttachmentId attachment) {
  std::shared_ptr<WindowWriter> last;  // dies outside of the lock
  const std::scoped_lock lock(mutex_);
  const auto found = windows_.find(attachment);
  if (found != windows_.end()) last = std::move(found->second.kept);
  std::erase_if(windows_, [](const auto& entry) { return entry.second.writer.expired(); });
}

}  // namespace forebay::window
