#include "src/client/windows.h"

#include <algorithm>
#include <tuple>

#include "src/wire/admin_messages.h"

namespace forebay::client {
namespace {

using window::Found;

/// Segments come and go: a block may be in another one when the first is mapped.
constexpr int kMapTries = 3;
/// A node of this machine answers these at once, or is not well.
constexpr Duration kPatience = std::chrono::seconds(2);
constexpr Duration kRetryAfter = std::chrono::milliseconds(500);
constexpr Duration kRetryUnsupported = std::chrono::seconds(60);

/// An answer with descriptors.
template <class M>
Result<std::vector<std::unique_ptr<Descriptor>>> AskForDescriptors(Link& link, const M& request,
                                                                   size_t count, Instant until,
                                                                   std::vector<std::byte>* meta) {
  wire::MetaExchange exchange;
  Ticket ticket(exchange);
  FB_TRY(link.Start(ticket, request, until));
  FB_TRY(link.Await(ticket, until));
  if (ticket.descriptors().size() != count) {
    return Fail(Code::kCorrupt, "the node sent another number of descriptors than it should");
  }
  *meta = std::move(exchange.meta());
  return std::move(ticket.descriptors());
}

}  // namespace

PathParts PathParts::Of(std::string_view path) {
  if (!path.starts_with('/')) return {};
  const size_t slash = path.find('/', 1);
  if (slash == path.npos || slash + 1 == path.size()) return {};
  return {.attachment = path.substr(1, slash - 1), .key = path.substr(slash + 1)};
}

// ---- One window.

bool LocalWindow::Alive() {
  if (dead()) return false;
  Channel& channel = link_->channel();
  if (channel.Wait(Channel::kToRecv, Instant{}) == Channel::kNothing) return true;
  // Answers that nobody waits for any more, or the end.
  link_->Pump();
  if (link_->broken()) dead_ = true;
  return !dead() && channel.Wait(Channel::kToRecv, Instant{}) == Channel::kNothing;
}

bool LocalWindow::MapSegment(uint32_t slot, Instant until) {
  until = std::min(until, outside_.dialer.Now() + kPatience);
  std::vector<std::byte> meta;
  const auto descriptors = AskForDescriptors(
      *link_, wire::WindowSegmentRequest{.attachment_id = attachment(), .segment = slot}, 1, until,
      &meta);
  if (!descriptors || meta.size() != sizeof(uint64_t)) return false;
  auto memory = outside_.memory.Map(descriptors->front()->number(), MapAccess::kRead);
  if (!memory) return false;
  reader_->AddSegment(LoadFrom<uint64_t>(meta.data()), std::move(*memory));
  return true;
}

Found LocalWindow::Read(const BlockKey& key, uint64_t offset, MutableBytes into, Instant until) {
  uint32_t slot = 0;
  for (int i = 0; i < kMapTries; ++i) {
    const Found found = reader_->Read(key, offset, into, &slot);
    if (found != Found::kUnknownSegment) return found;
    if (!MapSegment(slot, until)) break;
  }
  return Found::kNotHere;
}

Found LocalWindow::Pin(const BlockKey& key, window::PinnedBlock* block, Instant until) {
  uint32_t slot = 0;
  for (int i = 0; i < kMapTries; ++i) {
    const Found found = reader_->Pin(key, block, &slot);
    if (found != Found::kUnknownSegment) return found;
    if (!MapSegment(slot, until)) break;
  }
  return Found::kNotHere;
}

size_t LocalWindow::ReadRange(const VersionId& version, uint64_t offset, MutableBytes into,
                              Instant until) {
  const uint64_t block_bytes = reader_->block_bytes();
  size_t done = 0;
  while (done < into.size()) {
    const uint64_t at = offset + done;
    const size_t size = std::min<uint64_t>(into.size() - done, block_bytes - at % block_bytes);
    const BlockKey key = BlockKey::Of(version, static_cast<uint32_t>(at / block_bytes));
    if (Read(key, at % block_bytes, into.subspan(done, size), until) != Found::kHere) break;
    done += size;
  }
  return done;
}

// ---- All of them.

WindowPtr Windows::Find(std::string_view attachment) {
  const std::shared_lock lock(mutex_);
  const auto found = entries_.find(attachment);
  if (found == entries_.end() || !found->second.window) return nullptr;
  return found->second.window->dead() ? nullptr : found->second.window;
}

WindowPtr Windows::FindOrOpen(std::string_view attachment, uint64_t id) {
  if (WindowPtr found = Find(attachment); found && found->attachment() == id) return found;
  const Instant now = core_.Now();
  std::vector<WindowPtr> over;  // unmapped after the lock
  {
    const std::unique_lock lock(mutex_);
    std::erase_if(entries_, [&](const auto& other) {
      const WindowPtr& window = other.second.window;
      if (other.first == attachment || other.second.opening || !window) return false;
      if (!window->dead() && !window->reader().over()) return false;
      over.push_back(window);
      return true;
    });
    Entry& entry = entries_[std::string(attachment)];
    if (entry.opening || now < entry.retry_at) return nullptr;
    entry.opening = true;
  }
  auto opened = Open(id, now + kPatience);
  const std::unique_lock lock(mutex_);
  Entry& entry = entries_[std::string(attachment)];
  entry.opening = false;
  const bool never = !opened && opened.error().code() == Code::kUnsupported;
  entry.retry_at = core_.Now() + (never ? kRetryUnsupported : kRetryAfter);
  // Who reads on from an attachment that is gone has none; others of its name keep theirs.
  if (!opened && entry.window && !entry.window->dead() && entry.window->attachment() != id) {
    return nullptr;
  }
  entry.window = opened ? *opened : nullptr;
  return entry.window;
}

Result<std::shared_ptr<Link>> Windows::TheLink(Instant until) {
  const std::lock_guard lock(link_mutex_);
  if (link_ && !link_->broken()) return link_;
  link_.reset();
  FB_ASSIGN(auto link, Link::Connect(core_.outside(), core_.options(), 0, until));
  if (!link->channel().is_unix() || (link->info().features & wire::kFeatureWindow) == 0) {
    return Fail(Code::kUnsupported, "this node shares no memory with us");
  }
  link_ = std::move(link);
  return link_;
}

Result<WindowPtr> Windows::Open(uint64_t id, Instant until) {
  FB_ASSIGN(const auto link, TheLink(until));
  const uint64_t pin_bytes = core_.options().pin_bytes;
  const wire::WindowRequest request{.attachment_id = id,
                                    .request = std::as_bytes(std::span(&pin_bytes, 1))};
  std::vector<std::byte> meta;
  FB_ASSIGN(const auto descriptors, AskForDescriptors(*link, request, 2, until, &meta));
  Memory& memory = core_.outside().memory;
  FB_ASSIGN(auto table, memory.Map(descriptors[0]->number(), MapAccess::kRead));
  FB_ASSIGN(auto page, memory.Map(descriptors[1]->number(), MapAccess::kReadWrite));
  FB_ASSIGN(auto reader, window::WindowReader::Create(std::move(table), std::move(page)));
  return std::make_shared<LocalWindow>(core_.outside(), link, std::move(reader));
}

ViewRecord* Windows::TakeRecord() {
  const std::lock_guard lock(records_mutex_);
  ViewRecord* record = nullptr;
  if (free_records_.empty()) {
    record = &records_.emplace_back();
    free_records_.reserve(records_.size());  // giving it back must not fail
  } else {
    record = free_records_.back();
    free_records_.pop_back();
  }
  record->generation = generation;
  return record;
}

void Windows::GiveRecord(ViewRecord* record) {
  if (record->window) record->window->reader().Unpin(record->pin);
  record->window.reset();
  record->copy.reset();
  const std::lock_guard lock(records_mutex_);
  free_records_.push_back(record);
}

}  // namespace forebay::client
