// One node: attachments, metadata, blocks; fills from origins and writes to them. Every door (the
// binary protocol, HTTP, POSIX, S3) is a thin layer over this class, and carries what the gate gave
// it. The same code runs on the Linux platform and in the simulator.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "src/base/block_key.h"
#include "src/cell/view.h"
#include "src/core/names/name_cache.h"
#include "src/node/attachment.h"
#include "src/node/cell_requests.h"
#include "src/node/counters.h"
#include "src/node/foresee.h"
#include "src/node/gate.h"
#include "src/node/trace.h"
#include "src/origin/origin.h"
#include "src/registry/registry.h"
#include "src/runtime/env.h"
#include "src/store/store.h"

namespace forebay {

class NameCache;
class Peers;

/// An object at one version, as its name resolved to it.
struct ResolvedObject {
  std::shared_ptr<const Attachment> attachment;
  std::string key;  // within the attachment
  VersionId version;
  ObjectInfo info;
  Instant fresh_until;  // when its name must be asked for again
};

/// An object pinned to a version: what an open file is. Cheap; may be kept for long.
/// Its readahead is its own: every reader that reads in an order of its own opens one.
class Handle;

/// What the handle was opened as.
const ResolvedObject& ObjectOf(const Handle& handle);

inline constexpr uint32_t kMaxReadBytes = 4u << 20;
/// Every object is cached in blocks of this size; the last one ends where the object does.
inline constexpr uint32_t kBlockBytes = 1u << 20;

/// Bytes of an object where they lie in the store, pinned while this lives: one piece a block.
struct ReadResult {
  struct Piece {
    View view;
    BlockKey key;         // what the pages' checksums are bound to
    uint32_t offset = 0;  // of the view within its block
  };
  static constexpr size_t kMaxPieces = kMaxReadBytes / kBlockBytes + 1;
  std::array<Piece, kMaxPieces> pieces;
  size_t count = 0;
  uint64_t size = 0;  // less than was asked for only where the object ends
  std::span<const Piece> all() const { return {pieces.data(), count}; }
  /// Pins nothing any more.
  void Clear() {
    for (size_t i = 0; i < count; ++i) pieces[i].view.Reset();
    count = 0;
    size = 0;
  }
};

/// What another node gets: bytes, or the index of who is to be asked instead, or of two.
struct PeerGiven {
  ReadResult bytes;
  uint32_t elsewhere = UINT32_MAX;
  uint32_t or_else = UINT32_MAX;
};

/// What one get finds: what the name means now, and bytes of that.
struct GetResult {
  AttachmentId attachment = 0;
  KnownName object;
  ReadResult bytes;
};

struct NodeOptions {
  StoreOptions store;
  uint64_t metadata_bytes = 256ull << 20;  // of names, listings and negatives
  Duration negative_ttl = std::chrono::seconds(5);
  uint64_t fill_budget_bytes = 512ull << 20;  // in flight from all origins together
  uint32_t max_origin_requests = 256;         // in progress
  uint32_t max_waiting = 16'384;              // requests that wait for a fill; then kOverloaded
  uint64_t max_origin_range_bytes = 32ull << 20;
  uint64_t random_fill_bytes = 64ull << 10;         // what a read out of order brings in, at least
  Duration slow_request = std::chrono::seconds(1);  // logged with where its time went
  Duration origin_timeout = std::chrono::seconds(30);  // without a sign of life from an origin
};

/// Makes the driver for "file:///dir", "azure://…", "s3://…".
using OriginFactory =
    std::function<Result<std::unique_ptr<Origin>>(const AttachmentConfig& config)>;

/// Tasks are for the loop that opened the node; what is not a task may be called from any thread. A
/// door on a loop of its own tries there, and asks here for what that cannot answer.
class Node {
 public:
  /// All parts outlive the node. Takes up the attachments that the registry knows, and follows it.
  /// Without peers it stands alone.
  static Task<Result<std::unique_ptr<Node>>> Open(Env& env, NodeOptions options, Gate& gate,
                                                  Registry& registry, OriginFactory origins,
                                                  Peers* peers = nullptr);
  ~Node();
  /// Lets what is in progress end within `grace`, cancels the rest, brings blocks to the disks.
  /// New requests get kUnavailable.
  Task<void> Close(Duration grace);

  // -- Names. A path is "/ATTACHMENT/KEY".

  Task<Result<ResolvedObject>> Stat(Authenticated who, std::string path, Call call, Trace* trace);
  /// Every name once, in byte order, page by page; what it tells goes into the metadata cache.
  Task<Result<ListPage>> List(Authenticated who, std::string path, ListOptions options, Call call,
                              Trace* trace);

  // -- Reading.

  struct OpenOptions {
    std::string if_match;  // pin this version or fail with kVersionChanged
  };
  Task<Result<std::shared_ptr<Handle>>> Open(Authenticated who, std::string path,
                                             OpenOptions options, Call call, Trace* trace);
  /// What its writer said of the object beside its bytes; asks the origin each time.
  Task<Result<ObjectAttributes>> Attributes(Authenticated who, std::shared_ptr<Handle> handle,
                                            Call call);
  /// At most kMaxReadBytes; the rights of `who` are asked again. Without suspension, and without
  /// allocation, where the bytes are in memory: try TryRead first where a coroutine would cost.
  Task<Result<ReadResult>> Read(Authenticated who, std::shared_ptr<Handle> handle, uint64_t offset,
                                uint32_t size, Call call, Trace* trace);
  /// nullopt: not all in memory, or a decision that needs waiting; ask Read.
  std::optional<Result<ReadResult>> TryRead(const Authenticated& who, Handle& handle,
                                            uint64_t offset, uint32_t size);
  /// Resolves a name from the metadata cache alone. nullopt: ask Open.
  std::optional<Result<std::shared_ptr<Handle>>> TryOpen(const Authenticated& who,
                                                         std::string_view path);
  /// Both at once, without a handle, from memory alone. nullopt: ask Open and Read.
  std::optional<Result<void>> TryGet(const Authenticated& who, std::string_view path,
                                     uint64_t offset, uint32_t size, GetResult* got);
  /// Before several TryGet (foresee.h); changes nothing.
  void Foresee(std::span<const ComingGet> gets);
  /// For another node, never by way of a third. What `read` points to must live until it is done.
  Task<Result<PeerGiven>> ReadForPeer(Authenticated who, PeerRead read, Call call, Trace* trace);
  /// nullopt: not all in memory.
  std::optional<PeerGiven> TryReadForPeer(const Authenticated& who, const PeerRead& read);
  /// What a name means, for another node of the cell, which is told of writes from now on.
  Task<Result<KnownName>> ResolveForPeer(Authenticated who, AttachmentId attachment,
                                         std::string key, bool to_read, std::string asker,
                                         Call call, Trace* trace);
  /// Another node wrote a name; `pass_on`: those who asked here what it means must hear of it.
  Task<Result<void>> ForgetForPeer(Authenticated who, AttachmentId attachment, std::string key,
                                   bool pass_on, Call call);
  /// A page of a folder that this node lists for the cell; and who may tell of what was written.
  Task<Result<ListPage>> ListForPeer(Authenticated who, AttachmentId attachment,
                                     ListOptions options, Call call);
  Task<Result<void>> ForgetPagesForPeer(Authenticated who, AttachmentId attachment, std::string key,
                                        size_t folder_bytes, Call call);
  Task<Result<Followed>> FollowedForPeer(Authenticated who, uint64_t epoch, Call call);
  /// Until a range is in the cache, or on a disk where memory is small: for `load` and `prefetch`.
  Task<Result<uint64_t>> Fetch(Authenticated who, std::shared_ptr<Handle> handle, uint64_t offset,
                               uint64_t size, Call call, Trace* trace);

  // -- By the whole cell (cell_load.cc, cell_owners.cc).

  /// Has each part brought in by its owner; nothing comes here that this node does not own. Returns
  /// when all is there or could not be had.
  Task<Result<LoadReport>> Load(Authenticated who, std::string attachment,
                                std::vector<LoadItem> items, Call call);
  /// Gives what this node holds of what it owned before the map changed to those who own it now: of
  /// the names of one stripe, after `skip` parts, some 64 MiB. Admin.
  Task<Result<HandedOver>> HandOver(Authenticated who, uint32_t stripe, uint32_t skip, Call call);
  /// Loads for another node, by this one: how each item ended.
  Task<Result<std::vector<Result<void>>>> LoadForPeer(Authenticated who, AttachmentId attachment,
                                                      std::vector<PeerLoadItem> items, Call call);
  /// Of an object that Stat gave: chunks from `first` on, kMaxOwnersChunks at most.
  Task<Result<Owners>> OwnersOf(Authenticated who, ResolvedObject object, uint64_t first,
                                Call call);
  /// What this node has of chunks of one version, for another.
  Task<Result<std::vector<HeldBytes>>> HeldForPeer(Authenticated who, AttachmentId attachment,
                                                   std::string key, ObjectInfo info,
                                                   std::vector<uint64_t> chunks, Call call);
  /// Asks the others how they are; of those whose names are after `after`.
  Task<Result<PeerStatusPage>> StatusOfPeers(Authenticated who, std::string after, Call call);

  // -- Writing, write-through: done when the origin has it; the next read here sees it.

  Task<Result<std::unique_ptr<OriginUpload>>> Put(Authenticated who, std::string path,
                                                  Condition condition, Call call);
  Task<Result<void>> Delete(Authenticated who, std::string path, Condition condition, Call call);
  Task<Result<std::string>> CreateMultipart(Authenticated who, std::string path, Call call,
                                            ObjectAttributes attributes = {});
  Task<Result<std::unique_ptr<OriginUpload>>> PutPart(Authenticated who, std::string path,
                                                      std::string upload_id, uint32_t number,
                                                      Call call);
  Task<Result<std::vector<UploadedPart>>> ListParts(Authenticated who, std::string path,
                                                    std::string upload_id, Call call);
  /// Of the attachment that the path names, those of keys that begin with the rest of it; in no
  /// order.
  Task<Result<std::vector<PendingUpload>>> ListUploads(Authenticated who, std::string path,
                                                       Call call);
  Task<Result<ObjectInfo>> CompleteMultipart(Authenticated who, std::string path,
                                             std::string upload_id, std::vector<UploadedPart> parts,
                                             Condition condition, Call call);
  Task<Result<void>> AbortMultipart(Authenticated who, std::string path, std::string upload_id,
                                    Call call);

  // -- Administration.

  Task<Result<void>> Attach(Authenticated who, AttachmentConfig config, Call call);
  Task<Result<void>> Detach(Authenticated who, std::string name, Call call);
  std::vector<std::shared_ptr<const Attachment>> Attachments(const Authenticated& who);
  /// Forgets the cached blocks and names under a path prefix; returns the bytes. Of a whole
  /// attachment everything; below it the blocks whose names are known.
  Task<Result<uint64_t>> Evict(Authenticated who, std::string path, Call call);

  struct Where {
    ResolvedObject object;
    uint64_t memory_bytes = 0;
    uint64_t disk_bytes = 0;
  };
  Task<Result<Where>> Locate(Authenticated who, std::string path, Call call);

  Store& store();
  Gate& gate();
  Counters& counters();
  /// For whoever publishes what names mean to others: it watches this.
  NameCache& names();
  /// `gone` is called on the node's loop for each attachment that ends from now on, wherever it was
  /// detached. An empty one: nobody is called any more.
  void OnDetached(std::function<void(AttachmentId)> gone);
  /// Ready to serve: attachments are known and the node is not closing.
  bool ready() const;

  class Impl;  // the node's own files only

 private:
  explicit Node(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace forebay
