#include "src/window/window_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "src/base/assert.h"

namespace forebay::window {
namespace {

constexpr uint32_t kProbes = kBlockProbes * kBlocksPerLine;
/// What one slot can have read between two looks at it; more is made up by its client.
constexpr uint64_t kMaxHitsTold = uint64_t{1} << 32;

/// Words that others copy meanwhile: each store comes after all before it, so who sees it and then
/// looks at the word that guards it (use, sequence) sees that changed, too.
void Set(Word& word, uint64_t value) {
  word.store(value, std::memory_order_release);
}
uint64_t Get(const Word& word) {
  return word.load(std::memory_order_relaxed);
}

/// Whether one of the uses in a client's page is so.
bool AnyUse(const ClientPage& client, const auto& is) {
  const Page& page = client.page;
  const uint64_t used = std::min<uint64_t>(page.header->used.load(), page.slots);
  for (uint64_t slot = 0; slot < used; ++slot) {
    if (is(page.hazards[slot].use.load())) return true;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<WindowWriter>> WindowWriter::Create(Memory& memory, forebay::Store& store,
                                                           AttachmentId attachment,
                                                           TableOptions options) {
  FB_ASSIGN(auto table, memory.Reserve(fmt::format("window:{}", attachment),
                                       Table::BytesFor(options.block_lines, options.names)));
  if (table->ReadOnlyDescriptor() < 0) {
    return Fail(Code::kUnsupported, "memory cannot be shared with other processes here");
  }
  std::unique_ptr<WindowWriter> writer(
      new WindowWriter(memory, store, attachment, options, std::move(table)));
  FB_TRY(store.Watch(attachment, *writer));
  return writer;
}

WindowWriter::WindowWriter(Memory& memory, forebay::Store& store, AttachmentId attachment,
                           TableOptions options, std::unique_ptr<SharedMemory> table)
    : memory_source_(memory),
      store_(store),
      attachment_(attachment),
      options_(options),
      memory_(std::move(table)),
      table_(Table::Make(memory_->bytes(), attachment, options.block_bytes, options.block_lines,
                         options.names)) {
  for (uint32_t slot = kSegmentSlots; slot-- > 0;) free_segments_.push_back(slot);
}

WindowWriter::~WindowWriter() {
  FB_ASSERT(pages_.empty());
  store_.Unwatch(attachment_, *this);
  ReleaseOrphans();
  FB_ASSERT(orphans_.empty());
}

// -- Clients

Result<std::shared_ptr<ClientPage>> WindowWriter::AddPage(uint32_t slots) {
  auto client = std::make_shared<ClientPage>();
  FB_ASSIGN(client->memory,
            memory_source_.Reserve(fmt::format("pins:{}", attachment_), Page::BytesFor(slots)));
  if (client->memory->WritableDescriptor() < 0) {
    return Fail(Code::kUnsupported, "memory cannot be shared with other processes here");
  }
  client->page = Page::Over(client->memory->bytes());
  client->told.resize(client->page.slots);
  const std::scoped_lock lock(mutex_);
  pages_.push_back(client);
  return client;
}

void WindowWriter::DropPage(const std::shared_ptr<ClientPage>& page) {
  {
    const std::scoped_lock lock(mutex_);
    std::erase(pages_, page);
  }
  ReleaseOrphans();
}

/// A client that pins from now on finds, when it looks again, that the block was withdrawn before:
/// as in Pinned.
bool WindowWriter::DropPageIfOver(const std::shared_ptr<ClientPage>& client) {
  const std::scoped_lock lock(mutex_);
  if (!ended_ || published_ > 0) return false;
  if (AnyUse(*client, [](uint64_t use) { return use != 0; })) return false;
  std::erase(pages_, client);
  return true;
}

/// Whether any client has `use` in its page. After the entry was withdrawn: who is not seen here
/// will see that, for both sides write first and look then, in the one order of all seq_cst.
bool WindowWriter::Pinned(uint64_t use) const {
  return std::ranges::any_of(pages_, [use](const auto& client) {
    return AnyUse(*client, [use](uint64_t pinned) { return pinned == use; });
  });
}

void WindowWriter::ReleaseOrphans() {
  std::vector<Frame*> free;
  {
    const std::scoped_lock lock(mutex_);
    std::erase_if(orphans_, [&](const Orphan& orphan) {
      if (Pinned(orphan.use)) return false;
      free.push_back(orphan.frame);
      return true;
    });
  }
  for (Frame* frame : free) store_.Unpin(*frame);
}

// -- Blocks

BlockEntry* WindowWriter::Find(const BlockKey& key) {
  const uint64_t spread = key.Spread();
  for (uint32_t n = 0; n < kProbes; ++n) {
    BlockEntry& entry = table_.BlockOf(spread, n);
    if (Get(entry.use) != 0 && Get(entry.key_lo) == key.hash.lo &&
        Get(entry.key_hi) == key.hash.hi) {
      return &entry;
    }
  }
  return nullptr;
}

/// False: no slot is left.
bool WindowWriter::SegmentSlot(uint64_t number, uint32_t* slot) {
  if (const auto known = segment_slots_.find(number); known != segment_slots_.end()) {
    *slot = known->second;
    return true;
  }
  if (free_segments_.empty()) return false;
  *slot = free_segments_.back();
  free_segments_.pop_back();
  segment_slots_.emplace(number, *slot);
  Set(table_.segments[*slot], number);
  return true;
}

void WindowWriter::Readable(const Frame& frame) {
  if (frame.length > options_.max_block_bytes) return;
  const std::scoped_lock lock(mutex_);
  if (ended_) return;
  Place place{.page = frame.run.extent.first, .length = frame.length};
  if (!SegmentSlot(frame.run.segment->number, &place.segment)) return;
  if (const BlockEntry* known = Find(frame.key)) {
    FB_ASSERT(Get(known->place) == place.Pack());
    return;
  }
  const uint64_t spread = frame.key.Spread();
  for (uint32_t n = 0; n < kProbes; ++n) {
    BlockEntry& entry = table_.BlockOf(spread, n);
    if (Get(entry.use) != 0) continue;
    Set(entry.key_hi, frame.key.hash.hi);
    Set(entry.key_lo, frame.key.hash.lo);
    Set(entry.place, place.Pack());
    Set(entry.use, next_use_++);
    ++published_;
    return;
  }
  crowded_.fetch_add(1, std::memory_order_relaxed);
}

bool WindowWriter::IsRead(const Frame& frame) {
  const std::scoped_lock lock(mutex_);
  const BlockEntry* entry = Find(frame.key);
  return entry != nullptr && Pinned(Get(entry->use));
}

/// What comes too late for the store to drop it with the rest would stay. All withdrawals are
/// before all looks, as in Pinned.
void WindowWriter::WithdrawAllUnpinned() {
  if (published_ == 0) return;
  std::vector<std::pair<BlockEntry*, uint64_t>> withdrawn;
  for (uint64_t n = 0; n < table_.entries(); ++n) {
    const uint64_t use = table_.blocks[n].use.exchange(0);
    if (use != 0) withdrawn.emplace_back(&table_.blocks[n], use);
  }
  std::set<uint64_t> pinned;
  for (const auto& client : pages_) {
    AnyUse(*client, [&pinned](uint64_t use) {
      pinned.insert(use);
      return false;
    });
  }
  for (const auto& [entry, use] : withdrawn) {
    if (pinned.contains(use)) {
      Set(entry->use, use);
    } else {
      --published_;
    }
  }
}

bool WindowWriter::LetGo(const Frame& frame) {
  const std::scoped_lock lock(mutex_);
  BlockEntry* entry = Find(frame.key);
  if (entry == nullptr) return true;
  const uint64_t use = Get(entry->use);
  entry->use.store(0);
  if (Pinned(use)) {
    Set(entry->use, use);
    return false;
  }
  --published_;
  return true;
}

bool WindowWriter::Dropped(Frame& frame) {
  const std::scoped_lock lock(mutex_);
  BlockEntry* entry = Find(frame.key);
  if (entry == nullptr) return false;
  const uint64_t use = entry->use.exchange(0);
  --published_;
  if (!Pinned(use)) return false;
  orphans_.push_back({&frame, use});
  return true;
}

void WindowWriter::SegmentGone(uint64_t number) {
  const std::scoped_lock lock(mutex_);
  const auto known = segment_slots_.find(number);
  if (known == segment_slots_.end()) return;
  Set(table_.segments[known->second], 0);
  free_segments_.push_back(known->second);
  segment_slots_.erase(known);
  table_.header->segments_gone.fetch_add(1, std::memory_order_release);
}

Result<SegmentGrant> WindowWriter::Segment(uint32_t slot) const {
  SegmentGrant grant;
  if (slot < kSegmentSlots) grant.number = table_.segments[slot].load();
  if (grant.number != 0) grant.memory = store_.SegmentOf(attachment_, grant.number);
  if (grant.memory == nullptr) {
    return Fail(Code::kNotFound,
                fmt::format("no memory of attachment {} is in slot {} of its window (any more)",
                            attachment_, slot));
  }
  return grant;
}

// -- Names

/// The entry of `name`, or one to give up for it: a free one, or any in turn, for whoever misses a
/// name asks the node.
NameEntry& WindowWriter::NamePlace(const Hash128& name) {
  NameEntry* free = nullptr;
  for (uint32_t n = 0; n < kNameProbes; ++n) {
    NameEntry& entry = table_.NameOf(name, n);
    if (Get(entry.name_lo) == name.lo && Get(entry.name_hi) == name.hi) return entry;
    if (free == nullptr && Get(entry.fresh_until_ns) == 0) free = &entry;
  }
  return free != nullptr ? *free : table_.NameOf(name, next_victim_++ % kNameProbes);
}

void WindowWriter::PublishName(const Hash128& name, const NameInfo& info) {
  if (info.etag.size() > kMaxEtagBytes || info.fresh_until_ns <= 0) return WithdrawName(name);
  uint64_t etag[16] = {};
  auto* etag_bytes = reinterpret_cast<char*>(etag);
  etag_bytes[0] = static_cast<char>(info.etag.size());
  info.etag.copy(etag_bytes + 1, info.etag.size());

  const std::scoped_lock lock(names_mutex_);
  if (names_ended_) return;
  NameEntry& entry = NamePlace(name);
  const uint64_t sequence = Get(entry.sequence);
  Set(entry.sequence, sequence + 1);
  Set(entry.name_hi, name.hi);
  Set(entry.name_lo, name.lo);
  Set(entry.version_hi, info.version.hash.hi);
  Set(entry.version_lo, info.version.hash.lo);
  Set(entry.size, info.size_bytes);
  Set(entry.modified_ns, static_cast<uint64_t>(info.modified_ns));
  Set(entry.fresh_until_ns, static_cast<uint64_t>(info.fresh_until_ns));
  for (size_t i = 0; i < std::size(etag); ++i) Set(entry.etag[i], etag[i]);
  Set(entry.sequence, sequence + 2);
}

void WindowWriter::WithdrawName(const Hash128& name) {
  const std::scoped_lock lock(names_mutex_);
  NameEntry& entry = NamePlace(name);
  if (Get(entry.name_lo) != name.lo || Get(entry.name_hi) != name.hi) return;
  const uint64_t sequence = Get(entry.sequence);
  Set(entry.sequence, sequence + 1);
  Set(entry.fresh_until_ns, 0);
  Set(entry.sequence, sequence + 2);
}

void WindowWriter::End() {
  {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    WithdrawAllUnpinned();
    table_.header->over.store(1);
  }
  const std::scoped_lock lock(names_mutex_);
  names_ended_ = true;
  for (uint64_t n = 0; n <= table_.name_mask; ++n) {
    NameEntry& entry = table_.names[n];
    const uint64_t sequence = Get(entry.sequence);
    if (sequence == 0) continue;  // never used
    Set(entry.sequence, sequence + 1);
    Set(entry.fresh_until_ns, 0);
    Set(entry.sequence, sequence + 2);
  }
}

// -- What clients tell

LocalReads WindowWriter::Drain() {
  LocalReads reads;
  std::vector<BlockKey> read;
  {
    const std::scoped_lock drain(drain_mutex_);
    std::vector<std::shared_ptr<ClientPage>> pages;
    {
      const std::scoped_lock lock(mutex_);
      pages = pages_;
    }
    for (const auto& client : pages) DrainPage(*client, &reads, &read);
  }
  for (const BlockKey& key : read) store_.NoteRead(key);
  ReleaseOrphans();
  return reads;
}

/// Whatever the page says is taken as a hint about blocks of the same attachment, and no more.
void WindowWriter::DrainPage(ClientPage& client, LocalReads* reads, std::vector<BlockKey>* read) {
  const Page& page = client.page;
  const uint64_t used = std::min<uint64_t>(page.header->used.load(), page.slots);
  for (uint64_t slot = 0; slot < used; ++slot) {
    const HazardSlot& from = page.hazards[slot];
    ClientPage::Told& told = client.told[slot];
    const uint64_t count = from.recent_count.load(std::memory_order_acquire);
    const uint64_t hits = Get(from.hits), bytes = Get(from.bytes);
    const uint64_t new_hits = std::min(hits - told.hits, kMaxHitsTold);
    reads->hits += new_hits;
    reads->bytes += std::min(bytes - told.bytes, new_hits * options_.max_block_bytes);
    const uint64_t fresh = std::min<uint64_t>(count - told.recent, kRecent);
    for (uint64_t i = count - fresh; i != count; ++i) {
      const uint64_t word = Get(page.recent[slot * kRecent + i % kRecent]);
      const uint64_t number = word & 0xffff'ffff;
      if (number >= table_.entries()) continue;
      const BlockEntry& entry = table_.blocks[number];
      if ((Get(entry.use) & 0xffff'ffff) != word >> 32) continue;
      read->push_back({{.hi = Get(entry.key_hi), .lo = Get(entry.key_lo)}});
    }
    told = {.hits = hits, .bytes = bytes, .recent = count};
  }
}

}  // namespace forebay::window
