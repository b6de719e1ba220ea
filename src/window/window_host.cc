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

bool WindowSession::EndIfOver() {
  return writer_->DropPageIfOver(page_);
}

WindowSession::~WindowSession() {
  writer_->DropPage(page_);
  host_.GiveBack(page_->page.slots);
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

/// With open_mutex_ held. One that was forgotten lives while its clients do, and is found: a second
/// one would not see their pins.
Result<std::shared_ptr<WindowWriter>> WindowHost::FindOrMake(AttachmentId attachment) {
  if (auto writer = Find(attachment)) return writer;
  FB_ASSIGN(std::shared_ptr<WindowWriter> made,
            WindowWriter::Create(memory_, store_, attachment, options_.table));
  const std::scoped_lock lock(mutex_);
  windows_[attachment] = {.kept = made, .writer = made};
  return made;
}

/// As many as a client may have that wants to pin so much.
Result<uint32_t> WindowHost::TakeSlots(uint64_t pin_bytes) {
  const uint64_t wanted =
      std::min(pin_bytes, options_.client_pin_bytes) / options_.table.max_block_bytes;
  const std::scoped_lock lock(mutex_);
  const uint32_t most = free_slots_ / kShareOfTheRest;
  if (most < kFewestSlots) {
    return Fail(Code::kOverloaded,
                "the processes of this machine may pin no more memory; raise --dram, or read by "
                "message");
  }
  const auto slots = static_cast<uint32_t>(std::clamp<uint64_t>(wanted, kFewestSlots, most));
  // As many as fill the page.
  const uint32_t whole = Page::SlotsIn(Page::BytesFor(slots));
  free_slots_ -= whole;
  return whole;
}

Result<std::unique_ptr<WindowSession>> WindowHost::Open(AttachmentId attachment,
                                                        uint64_t pin_bytes) {
  const std::scoped_lock lock(open_mutex_);
  FB_ASSIGN(auto writer, FindOrMake(attachment));
  FB_ASSIGN(const uint32_t slots, TakeSlots(pin_bytes));
  auto page = writer->AddPage(slots);
  if (!page) {
    GiveBack(slots);
    return Fail(page.error());
  }
  return std::unique_ptr<WindowSession>(
      new WindowSession(*this, std::move(writer), std::move(*page)));
}

std::shared_ptr<WindowWriter> WindowHost::Find(AttachmentId attachment) {
  const std::scoped_lock lock(mutex_);
  const auto found = windows_.find(attachment);
  return found == windows_.end() ? nullptr : found->second.writer.lock();
}

void WindowHost::Learned(AttachmentId attachment, const Hash128& name, const KnownName& known) {
  const auto writer = Find(attachment);
  if (writer == nullptr) return;
  if (!known.exists) return writer->WithdrawName(name);
  writer->PublishName(name, {.version = known.version,
                             .size_bytes = known.size,
                             .modified_ns = known.modified_ns,
                             .fresh_until_ns = known.fresh_until_ns,
                             .etag = known.etag});
}

void WindowHost::Forgotten(AttachmentId attachment, const Hash128& name) {
  if (const auto writer = Find(attachment)) writer->WithdrawName(name);
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
  // Neither dies under a lock: its end calls the store.
  const std::shared_ptr<WindowWriter> writer = Find(attachment);
  std::shared_ptr<WindowWriter> kept;
  if (writer != nullptr) writer->End();
  const std::scoped_lock lock(mutex_);
  const auto found = windows_.find(attachment);
  if (found != windows_.end()) kept = std::move(found->second.kept);
  std::erase_if(windows_, [](const auto& entry) { return entry.second.writer.expired(); });
}

}  // namespace forebay::window
