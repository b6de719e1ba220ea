// Many objects at once: as many as go into one message.
#include <fmt/format.h>

#include <algorithm>

#include "src/client/file.h"

namespace forebay::client {
namespace {

/// Of one message: answers that nobody takes keep the node from working on the next.
constexpr uint64_t kBatchBytes = 16ull << 20;
constexpr size_t kItemOverhead = 14;  // of a GetItem beside its path
constexpr size_t kMetaForItems = wire::kMaxMetaBytes - 64;

using Slots = std::span<wire::GetSlot* const>;

/// Takes the answers of one message. A slot has its size when all of its bytes were found right.
class BatchExchange final : public wire::Exchange {
 public:
  explicit BatchExchange(Slots slots) : slots_(slots), answered_(slots.size()) {}

  Result<MutableBytes> OnAnswer(const wire::FrameHeader& header, Bytes meta) override {
    if (!header.more_follow()) {
      FB_TRY(wire::DecodeAnswer<wire::GetManyEnd>(header, meta));
      if (header.data_size > 0) return Fail(Code::kCorrupt, "GetMany: data behind the last item");
      data_ = {};
      return MutableBytes{};
    }
    FB_ASSIGN(const auto answer, wire::DecodeAnswer<wire::GetManyAnswer>(header, meta));
    if (answer.index >= slots_.size() || answered_[answer.index]) {
      return Fail(Code::kCorrupt, fmt::format("GetMany: an answer for item {}", answer.index));
    }
    answered_[answer.index] = true;
    wire::GetSlot& slot = *slots_[answer.index];
    if (answer.status != wire::kStatusOk) {
      slot.size = Fail(wire::CodeOf(answer.status), std::string(answer.message));
      return data_.Expect({}, kPageBytes, 0, header.data_size, {}, {});
    }
    return ExpectData(slot, answer, header.data_size);
  }

  Result<void> OnData(size_t received) override {
    FB_TRY(data_.Check(received));
    if (current_ != nullptr && received == expected_) current_->size = expected_;
    return {};
  }

  bool answered(size_t index) const { return answered_[index]; }
  /// Whose bytes came last.
  const wire::GetSlot* current() const { return current_; }

 private:
  Result<MutableBytes> ExpectData(wire::GetSlot& slot, const wire::GetManyAnswer& answer,
                                  uint32_t size) {
    const uint64_t there = answer.info.size - std::min(answer.info.size, slot.offset);
    FB_TRY(CheckWhole(size, std::min<uint64_t>(there, slot.into.size())));
    FB_ASSIGN(const MutableBytes into, data_.Expect(answer.info.version, answer.info.block_bytes,
                                                    slot.offset, size, slot.into, answer.crcs));
    current_ = &slot;
    expected_ = size;
    if (size == 0) slot.size = 0u;
    return into;
  }

  const Slots slots_;
  std::vector<bool> answered_;
  wire::GetSlot* current_ = nullptr;
  uint32_t expected_ = 0;
  wire::ArrivingData data_;
};

wire::GetManyRequest Gather(Slots waiting, const wire::Limits& limits) {
  wire::GetManyRequest request;
  size_t meta = 0;
  uint64_t bytes = 0;
  const size_t most = std::clamp<size_t>(limits.max_get_many, 1, wire::kMaxGetManyItems);
  for (const wire::GetSlot* slot : waiting.first(std::min(waiting.size(), most))) {
    meta += kItemOverhead + slot->path.size();
    bytes += slot->into.size();
    if (!request.items.empty() && (meta > kMetaForItems || bytes > kBatchBytes)) break;
    request.items.push_back({.offset = slot->offset,
                             .size = static_cast<uint32_t>(slot->into.size()),
                             .path = slot->path});
  }
  return request;
}

/// Of one batch, in the node's memory; neighbours are mostly of one attachment.
class LocalBatch {
 public:
  LocalBatch(Windows* windows, Instant now, Instant until)
      : windows_(windows), now_(now), until_(until) {}

  /// Fills in the slot's size where all of its bytes were here.
  bool Get(wire::GetSlot& slot) {
    const PathParts parts = PathParts::Of(slot.path);
    if (windows_ == nullptr || parts.key.empty() || !Select(parts.attachment)) return false;
    const auto name = window_->reader().FindName(parts.key, now_.ns);
    if (!name || slot.into.size() > UINT32_MAX) return false;
    const uint64_t there = name->size_bytes - std::min(name->size_bytes, slot.offset);
    const MutableBytes into = slot.into.first(std::min<uint64_t>(there, slot.into.size()));
    if (window_->ReadRange(name->version, slot.offset, into, until_) < into.size()) return false;
    slot.size = static_cast<uint32_t>(into.size());
    return true;
  }
  /// Whether what was read since the last change of windows counts.
  bool Confirm() { return !window_ || window_->Alive(); }
  bool Changes(std::string_view path) const {
    return window_ && PathParts::Of(path).attachment != attachment_;
  }

 private:
  bool Select(std::string_view attachment) {
    if (attachment == attachment_) return window_ != nullptr;
    attachment_ = attachment;
    window_ = windows_->Find(attachment);
    return window_ != nullptr;
  }

  Windows* const windows_;
  const Instant now_;
  const Instant until_;
  std::string_view attachment_;
  WindowPtr window_;
};

Error NotAnswered() {
  return Error(Code::kInternal, "not answered");
}

/// One message. Takes what was answered off the front part of `waiting`, also where it fails; what
/// did not match its checksums goes to `suspect`.
Result<void> GetBatch(Link& link, std::vector<wire::GetSlot*>& waiting,
                      std::vector<wire::GetSlot*>& suspect, Instant until) {
  if (waiting.empty()) return {};
  const wire::GetManyRequest request = Gather(waiting, link.info().limits);
  const size_t count = request.items.size();
  BatchExchange exchange(Slots(waiting).first(count));
  Result<void> done;
  {
    Ticket ticket(exchange);
    done = link.Start(ticket, request, until);
    if (done) done = link.Await(ticket, until);
  }
  const bool mismatch = !done && done.error().code() == Code::kCorrupt && !link.broken() &&
                        exchange.current() != nullptr && !exchange.current()->size;
  std::vector<wire::GetSlot*> left;
  for (size_t i = 0; i < count; ++i) {
    const bool had_end = exchange.answered(i) &&
                         (waiting[i]->size || waiting[i]->size.error().code() != Code::kInternal);
    if (!had_end && mismatch && waiting[i] == exchange.current()) {
      suspect.push_back(waiting[i]);
      continue;
    }
    if (!had_end && !done) left.push_back(waiting[i]);
    if (!had_end && done && !exchange.answered(i)) {
      waiting[i]->size = Fail(Code::kCorrupt, "the node left this item out");
    }
  }
  left.insert(left.end(), waiting.begin() + static_cast<ptrdiff_t>(count), waiting.end());
  waiting = std::move(left);
  if (mismatch) return {};
  return done;
}

}  // namespace

/// What a batch cannot carry.
Result<uint32_t> Client::GetLong(const wire::GetSlot& slot) {
  if (slot.into.size() > UINT32_MAX) {
    return Fail(Code::kInvalidArgument,
                "a batch takes items of less than 4 GiB: read it as a file");
  }
  FB_ASSIGN(const auto file, Open(slot.path));
  FB_ASSIGN(const uint64_t size, file->Read(slot.offset, slot.into));
  return static_cast<uint32_t>(size);
}

/// Those that the node's memory does not hold; where it went away meanwhile, all.
std::vector<wire::GetSlot*> GetLocal(std::span<wire::GetSlot> slots, LocalBatch local) {
  std::vector<wire::GetSlot*> rest;
  size_t unconfirmed = 0;
  const auto confirm = [&](size_t end) {
    const bool good = local.Confirm();
    for (; unconfirmed < end; ++unconfirmed) {
      wire::GetSlot& slot = slots[unconfirmed];
      if (slot.size && !good) slot.size = Fail(NotAnswered());
      if (!slot.size) rest.push_back(&slot);
    }
  };
  for (size_t i = 0; i < slots.size(); ++i) {
    slots[i].size = Fail(NotAnswered());
    if (local.Changes(slots[i].path)) confirm(i);
    local.Get(slots[i]);
  }
  confirm(slots.size());
  return rest;
}

size_t Client::GetMany(std::span<wire::GetSlot> slots) {
  Core& core = impl_->core();
  const Instant until = core.Deadline();
  std::vector<wire::GetSlot*> waiting;
  for (wire::GetSlot* slot : GetLocal(slots, {impl_->windows(), core.Now(), until})) {
    if (slot->path.size() > wire::kMaxPathBytes) {
      slot->size = Fail(Code::kInvalidArgument, "a path is longer than the protocol allows");
    } else if (slot->into.size() > wire::kMaxDataBytes) {
      slot->size = GetLong(*slot);
    } else {
      waiting.push_back(slot);
    }
  }
  std::vector<wire::GetSlot*> suspect;
  while (!waiting.empty()) {
    const auto done = core.Retry(core.NextSlot(), until, [&](const auto& link, Instant end) {
      return GetBatch(*link, waiting, suspect, end);
    });
    if (done) continue;
    for (wire::GetSlot* slot : waiting) slot->size = Fail(done.error());
    break;
  }
  for (wire::GetSlot* slot : suspect) slot->size = GetLong(*slot);
  return static_cast<size_t>(
      std::ranges::count_if(slots, [](const auto& slot) { return slot.size.has_value(); }));
}

}  // namespace forebay::client
