// The node's side of one attachment's window: it publishes names and blocks into the table, and
// lets no memory be reused that a client has pinned.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "src/runtime/memory.h"
#include "src/store/frame_watcher.h"
#include "src/store/store.h"
#include "src/window/layout.h"

namespace forebay::window {

/// What a name resolved to, as a client needs it to open without asking.
struct NameInfo {
  VersionId version;
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;     // since 1970
  int64_t fresh_until_ns = 0;  // of the monotonic clock
  std::string_view etag;
};

struct TableOptions {
  uint64_t block_bytes = kMiB;      // how objects are cut
  uint64_t max_block_bytes = kMiB;  // longer blocks are not published: a client could pin too much
  uint64_t block_lines = 16384;     // a power of two: the blocks that it holds well, 64 bytes each
  uint64_t names = 65536;           // a power of two, 192 bytes each
};

/// What the clients did since the last time.
struct LocalReads {
  uint64_t hits = 0;
  uint64_t bytes = 0;
};

/// The memory that a slot of the table stands for.
struct SegmentGrant {
  uint64_t number = 0;
  std::shared_ptr<SharedMemory> memory;
};

/// The page of one client, and what the node knows of it.
struct ClientPage {
  std::unique_ptr<SharedMemory> memory;
  Page page;
  struct Told {
    uint64_t hits = 0, bytes = 0, recent = 0;
  };
  std::vector<Told> told;  // by slot: up to where it was read; guarded by drain_mutex_
};

/// Any thread. Its locks come after all of the store's, but for Drain and DropPage, which call the
/// store under none.
class WindowWriter final : public FrameWatcher {
 public:
  /// kUnsupported where memory cannot be shared.
  static Result<std::unique_ptr<WindowWriter>> Create(Memory& memory, Store& store,
                                                      AttachmentId attachment,
                                                      TableOptions options);
  ~WindowWriter() override;

  /// A client may pin so many blocks at a time from now on, until its page is dropped.
  Result<std::shared_ptr<ClientPage>> AddPage(uint32_t slots);
  /// The client is gone, and its pins with it.
  void DropPage(const std::shared_ptr<ClientPage>& page);
  /// The same while the client lives, once that takes nothing from it: after End, when no block is
  /// left to pin, and it has none. False: not yet.
  bool DropPageIfOver(const std::shared_ptr<ClientPage>& page);

  /// `name` as NameHash makes it.
  void PublishName(const Hash128& name, const NameInfo& info);
  /// When it returns no client finds the name any more.
  void WithdrawName(const Hash128& name);

  /// The attachment is no more: no name is found any more, no block but those that are pinned, and
  /// nothing is published.
  void End();

  /// kNotFound where nothing is there (any more).
  Result<SegmentGrant> Segment(uint32_t slot) const;

  /// Tells the store what clients read, and frees what they have let go. Call it often.
  LocalReads Drain();

  SharedMemory& table_memory() { return *memory_; }
  AttachmentId attachment() const { return attachment_; }
  /// Blocks that found no place in the table, ever.
  uint64_t crowded() const { return crowded_.load(std::memory_order_relaxed); }

  void Readable(const Frame& frame) override;
  bool IsRead(const Frame& frame) override;
  bool LetGo(const Frame& frame) override;
  bool Dropped(Frame& frame) override;
  void SegmentGone(uint64_t number) override;

 private:
  WindowWriter(Memory& memory, Store& store, AttachmentId attachment, TableOptions options,
               std::unique_ptr<SharedMemory> table);

  BlockEntry* Find(const BlockKey& key);
  void WithdrawAllUnpinned();
  bool Withdraw(const BlockKey& key, uint64_t* use);
  bool Pinned(uint64_t use) const;
  bool SegmentSlot(uint64_t number, uint32_t* slot);
  NameEntry& NamePlace(const Hash128& name);
  void ReleaseOrphans();
  void DrainPage(ClientPage& client, LocalReads* reads, std::vector<BlockKey>* read);

  Memory& memory_source_;
  Store& store_;
  const AttachmentId attachment_;
  const TableOptions options_;
  const std::unique_ptr<SharedMemory> memory_;
  const Table table_;
  std::atomic<uint64_t> crowded_{0};

  mutable std::mutex mutex_;  // of everything up to the next mutex, and of writing blocks
  uint64_t next_use_ = 1;
  std::vector<std::shared_ptr<ClientPage>> pages_;
  std::map<uint64_t, uint32_t> segment_slots_;  // by number
  std::vector<uint32_t> free_segments_;
  struct Orphan {
    Frame* frame;
    uint64_t use;
  };
  std::vector<Orphan> orphans_;  // dropped, but still seen by a client
  uint64_t published_ = 0;       // blocks in the table
  bool ended_ = false;

  std::mutex names_mutex_;  // of writing names
  uint64_t next_victim_ = 0;
  bool names_ended_ = false;
  std::mutex drain_mutex_;
};

}  // namespace forebay::window
