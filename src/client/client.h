// The client of one node: the C++ under the C ABI, and what the ABI does not have (administration).
// The ABI's forebay_connect makes one wired to this machine; ClientOf (abi/client_of.h) gives it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/result.h"
#include "src/client/cell.h"
#include "src/runtime/channel.h"
#include "src/runtime/memory.h"
#include "src/wire/admin_messages.h"
#include "src/wire/handshake.h"
#include "src/wire/write_messages.h"

namespace forebay::client {

inline constexpr uint32_t kMaxConnections = 16;

struct ClientOptions {
  std::string node;  // "unix:PATH" or "HOST:PORT"
  std::optional<wire::Token> token;
  Duration timeout = std::chrono::seconds(30);  // of every call, reconnecting included
  uint32_t connections = 2;                     // at most kMaxConnections
  uint64_t pin_bytes = 256ull << 20;            // of views held at one time; past it they copy
  bool shared_memory = true;
};

/// What the library gets from outside itself; outlives every client. Any thread.
struct Outside {
  Dialer& dialer;
  Memory& memory;
};

/// What must hold for a write or a removal to happen.
using PutCondition = wire::PutCondition;

struct PutInfo {
  uint64_t size = 0;
  int64_t modified_ns = 0;
  std::string etag;
};

struct ListedEntry {
  std::string path;  // "/ATTACHMENT/KEY"; of a prefix: with the delimiter at its end
  std::string etag;
  uint64_t size = 0;
  int64_t modified_ns = 0;
  bool is_prefix = false;
};
struct ListedPage {
  std::vector<ListedEntry> entries;  // in byte order
  bool more = false;                 // the next page is after the last entry
};

struct UploadedPart {
  uint32_t number = 0;
  uint64_t size = 0;
  std::string etag;
};

/// An attachment's settings, as people write them; see wire::AttachmentFields.
struct AttachmentSettings {
  uint64_t id = 0;  // given by the node
  uint64_t chunk_bytes = 0;
  bool read_only = false;
  std::string name;
  std::string origin;
  std::string freshness;
  std::string allow;
};

struct Whereabouts {
  ObjectInfo info;
  uint64_t memory_bytes = 0;
  uint64_t disk_bytes = 0;
};

struct Completion {
  void* tag = nullptr;
  Result<uint64_t> bytes = Fail(Code::kInternal, "not done");
};

/// Bytes where they lie, or a private copy of them; good until File::Release.
struct BlockView {
  Bytes bytes;
  uint64_t handle = 0;  // of the file's own; 0: nothing to release
};

class Core;

/// An object at the version that it was opened at. Any thread; before its client.
class File {
 public:
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  const std::string& path() const;
  const ObjectInfo& info() const;

  /// Fewer bytes than asked for only where the object ends. kVersionChanged: the object is another
  /// one by now and what was not read before is gone; open it anew.
  Result<uint64_t> Read(uint64_t offset, MutableBytes into);
  /// Client::Collect tells how it ended; `into` must live until then. kOverloaded: collect first.
  Result<void> Submit(uint64_t offset, MutableBytes into, void* tag);
  /// At most up to the end of the block that `offset` is in.
  Result<BlockView> View(uint64_t offset, uint64_t size);
  void Release(BlockView& view);

 private:
  friend class Client;
  friend class Queue;
  friend class Submission;
  struct Impl;
  explicit File(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;  // reads that were submitted keep it, too
};

/// An object or a part on its way in, over one connection: if that breaks, the upload has failed
/// and left nothing. One thread at a time; before its client.
class Upload {
 public:
  ~Upload();  // aborts what was not committed
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  Result<void> Write(Bytes bytes);
  /// kUnavailable says where the outcome is not known.
  Result<PutInfo> Commit();
  void Abort();

 private:
  friend class Client;
  struct Impl;
  explicit Upload(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Any thread. Every call waits at most ClientOptions::timeout; a node that restarts is waited for
/// within that.
class Client {
 public:
  /// Connects and shakes hands once, so that wrong addresses and tokens show here.
  static Result<std::unique_ptr<Client>> Connect(Outside outside, ClientOptions options);
  /// Ends what is in progress with kCancelled. Files and uploads must be gone.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  const ClientOptions& options() const;

  // -- Names. A path is "/ATTACHMENT/KEY".

  Result<ObjectInfo> Stat(std::string_view path);
  /// One page of the names that begin with `path`, after the full path `after`; delimiter "" or
  /// "/".
  Result<ListedPage> List(std::string_view path, std::string_view delimiter, std::string_view after,
                          uint32_t limit = 1000);

  // -- Reading.

  /// `if_match`: this version (etag) or kVersionChanged.
  Result<std::unique_ptr<File>> Open(std::string_view path, std::string_view if_match = {});
  /// Fills in every slot's size; the number of those that succeeded.
  size_t GetMany(std::span<wire::GetSlot> slots);
  /// Brings a range (size 0: all) into the cache; the bytes that are there.
  Result<uint64_t> Prefetch(std::string_view path, uint64_t offset, uint64_t size);

  // -- Completion queue.

  /// What File::Submit began. Waits up to `wait` for at least one; fewer than asked for are normal,
  /// 0 after the wait.
  Result<size_t> Collect(std::span<Completion> into, Duration wait);
  /// Readable when there is something to collect or to receive.
  Result<int> EventDescriptor();

  // -- Writing: done when the origin has it.

  Result<PutInfo> Put(std::string_view path, Bytes data, const PutCondition& condition);
  Result<std::unique_ptr<Upload>> PutBegin(std::string_view path, const PutCondition& condition);
  Result<void> Delete(std::string_view path, const PutCondition& condition);

  Result<std::string> MultipartBegin(std::string_view path);
  Result<std::unique_ptr<Upload>> PartBegin(std::string_view path, std::string_view upload_id,
                                            uint32_t number);
  Result<PutInfo> MultipartCommit(std::string_view path, std::string_view upload_id,
                                  std::span<const UploadedPart> parts,
                                  const PutCondition& condition);
  Result<void> MultipartAbort(std::string_view path, std::string_view upload_id);

  // -- Administration.

  Result<void> Ping();
  Result<void> Attach(const AttachmentSettings& settings);
  Result<void> Detach(std::string_view name);
  Result<std::vector<AttachmentSettings>> Attachments();
  /// Forgets what is cached under a path prefix; the bytes.
  Result<uint64_t> Evict(std::string_view path);
  Result<Whereabouts> Where(std::string_view path);
  Result<std::string> StatusJson();
  /// What the node knows of its cell once the action is done: docs/PROTOCOL.md, Cell.
  Result<std::string> CellText(wire::CellAction action);

  // -- By the whole cell; a node that stands alone is a cell of one.

  /// Has every owner bring in its parts of objects of one attachment; at most wire::kMaxLoadItems
  /// and kMaxLoadBytes at a time.
  Result<Loaded> Load(std::string_view attachment, std::span<const LoadPart> parts);
  Result<ChunkOwners> Owners(std::string_view path, uint64_t first_chunk);
  /// Of what the node owned before its map changed, gives some to those who own it now.
  Result<HandedOver> HandOver(uint32_t stripe, uint32_t skip);
  /// Of all nodes, by name.
  Result<std::vector<NodeStatus>> StatusOfAll();

  /// Ends what is in progress with kCancelled, and whatever is asked from now on; so do the nodes
  /// that work for it.
  void Interrupt();

 private:
  friend class File;
  friend class Upload;
  struct Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  Result<uint32_t> GetLong(const wire::GetSlot& slot);
  std::unique_ptr<Impl> impl_;
};

}  // namespace forebay::client
