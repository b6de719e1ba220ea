// The windows of one node, as its door hands them out: a table an attachment, a page a client.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>

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
  /// The memory of a segment that the table names; ReadOnlyDescriptor gives what the client maps.
  /// kNotFound where it was given back meanwhile: the client looks the block up anew.
  Result<std::shared_ptr<SharedMemory>> Segment(uint64_t number) const;

 private:
  friend class WindowHost;
  WindowSession(WindowHost& host, std::shared_ptr<WindowWriter> writer,
                std::shared_ptr<ClientPage> page)
      : host_(host), writer_(std::move(writer)), page_(std::move(page)) {}

  WindowHost& host_;
  const std::shared_ptr<WindowWriter> writer_;
  const std::shared_ptr<ClientPage> page_;
};

/// Any thread. Outlives its sessions; the store and the memory outlive it.
class WindowHost {
 public:
  WindowHost(Memory& memory, Store& store, WindowOptions options);
  ~WindowHost();

  /// A window for one more client. The first of an attachment publishes all that memory holds of
  /// it. kOverloaded: the clients together may pin no more; this one reads by message.
  /// kUnsupported: no memory can be shared here.
  Result<std::unique_ptr<WindowSession>> Open(AttachmentId attachment);

  /// For a name that was resolved. Nothing where nobody has a window of the attachment.
  void PublishName(AttachmentId attachment, std::string_view key, const NameInfo& info);
  /// For a name that changed: when it returns, no client opens what it stood for.
  void WithdrawName(AttachmentId attachment, std::string_view key);

  /// Tells the policies what clients have read, and frees what they have let go. A door calls it
  /// some ten times a second.
  LocalReads Drain();

  /// The attachment is no more: its window ends with its last client.
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
  void GiveBack(uint32_t slots);

  Memory& memory_;
  Store& store_;
  const WindowOptions options_;
  mutable std::mutex mutex_;  // before all others
  std::map<AttachmentId, Window> windows_;
  uint32_t free_slots_;
};

}  // namespace forebay::window
