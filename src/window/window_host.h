// The windows of one node, as its door hands them out: a table an attachment, a page a client.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>

#include "src/core/names/name_cache.h"
#include "src/runtime/memory.h"
#include "src/store/store.h"
#include "src/window/window_writer.h"

namespace forebay::window {

struct WindowOptions {
  TableOptions table;
  /// Of the memory tier, what all clients together may keep from being reused.
  double pin_share = 0.5;
  /// What one client may, at most: so many times the longest block.
  uint64_t client_pin_bytes = 256 * kMiB;

  /// Tables of a size that suits a memory tier.
  static WindowOptions For(const DramOptions& dram);
};

class WindowHost;

/// One client's share of one attachment's window. Its end is the end of the client's pins: a door
/// keeps it with the connection, and hands its descriptors only to who may read the attachment.
/// Any thread.
class WindowSession {
 public:
  ~WindowSession();
  WindowSession(const WindowSession&) = delete;
  WindowSession& operator=(const WindowSession&) = delete;

  /// For reading alone. Owned by the session.
  int table_descriptor() const { return writer_->table_memory().ReadOnlyDescriptor(); }
  /// For reading and writing. Owned by the session.
  int page_descriptor() const { return page_->memory->WritableDescriptor(); }
  /// What a slot of the table stands for; its ReadOnlyDescriptor is what the client maps. kNotFound
  /// where it was given back meanwhile: the client looks the block up anew.
  Result<SegmentGrant> Segment(uint32_t slot) const { return writer_->Segment(slot); }

  /// True once the attachment is no more and the client holds nothing of it: it may be destroyed
  /// while the client lives, which finds nothing in it any more.
  bool EndIfOver();

 private:
  friend class WindowHost;
  WindowSession(WindowHost& host, std::shared_ptr<WindowWriter> writer,
                std::shared_ptr<ClientPage> page)
      : host_(host), writer_(std::move(writer)), page_(std::move(page)) {}

  WindowHost& host_;
  const std::shared_ptr<WindowWriter> writer_;
  const std::shared_ptr<ClientPage> page_;
};

/// Any thread. Outlives its sessions; the store and the memory outlive it. As a watcher of a
/// NameCache it publishes what that learns: with freshness, so that what is not fresh any more is
/// not found, and withdrawn when the cache forgets it, before a writer has its answer.
class WindowHost final : public NameWatcher {
 public:
  WindowHost(Memory& memory, Store& store, WindowOptions options);
  ~WindowHost() override;

  /// A window for one more client. The first of an attachment publishes all that memory holds of
  /// it. kOverloaded: the clients together may pin no more; this one reads by message.
  /// kUnsupported: no memory can be shared here. `pin_bytes` is what the client asks for; it may
  /// get less.
  Result<std::unique_ptr<WindowSession>> Open(AttachmentId attachment,
                                              uint64_t pin_bytes = ~uint64_t{0});

  /// Nothing where nobody has a window of the attachment, or the name is of nothing.
  void Learned(AttachmentId attachment, const Hash128& name, const KnownName& known) override;
  void Forgotten(AttachmentId attachment, const Hash128& name) override;

  /// Tells the policies what clients have read, and frees what they have let go. A door calls it
  /// some ten times a second.
  LocalReads Drain();

  /// The attachment is no more: no name of it is found, and its window ends with its last client.
  void Forget(AttachmentId attachment);

  uint32_t free_slots() const;

 private:
  friend class WindowSession;
  struct Window {
    std::shared_ptr<WindowWriter> kept;  // until it is forgotten
    std::weak_ptr<WindowWriter> writer;  // until its last client has gone
  };

  std::shared_ptr<WindowWriter> Find(AttachmentId attachment);
  Result<std::shared_ptr<WindowWriter>> FindOrMake(AttachmentId attachment);
  Result<uint32_t> TakeSlots(uint64_t pin_bytes);
  void GiveBack(uint32_t slots);

  Memory& memory_;
  Store& store_;
  const WindowOptions options_;
  std::mutex open_mutex_;     // of making windows, which takes long; before all others
  mutable std::mutex mutex_;  // of what follows; nothing is called under it
  std::map<AttachmentId, Window> windows_;
  uint32_t free_slots_;
};

}  // namespace forebay::window
