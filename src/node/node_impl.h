// The parts of a node together; node.cc, reads.cc, writes.cc and admin.cc are its methods.
#pragma once

#include <functional>
#include <mutex>

#include "src/core/heat/recruits.h"
#include "src/node/attachments.h"
#include "src/node/cell_names.h"
#include "src/node/handle.h"
#include "src/node/listings.h"
#include "src/node/lookups.h"

namespace forebay {

class Node::Impl {
 public:
  Impl(Env& env, NodeOptions options, Gate& gate, Registry& registry, OriginFactory origins,
       Peers* peers)
      : context(env, std::move(options), gate, peers),
        flights(context),
        lookups(context, flights),
        listings(context, lookups),
        cell_names(context, lookups, listings),
        attachments(context, registry, std::move(origins)),
        load_requests(context.origin_requests.all()) {
    attachments.OnEnd([this](std::shared_ptr<const Attachment> ended) { End(std::move(ended)); });
  }

  struct Target {
    std::shared_ptr<const Attachment> attachment;
    std::string key;
  };
  /// Who may do what with which object: the way of every operation on a path.
  Result<Target> Admit(const Authenticated& who, Rights needed, std::string_view path);
  Result<std::shared_ptr<const Attachment>> AdmitTo(const Authenticated& who, Rights needed,
                                                    std::string_view name);

  // -- Reading.
  /// Whether a reader holds blocks while it waits for the next.
  enum class Hands : uint8_t { kEmpty, kFull };
  ReadaheadLimits Limits() const;
  Result<void> CheckHandle(const Authenticated& who, const Handle& handle) const;
  std::optional<Result<void>> TryResolve(const Authenticated& who, std::string_view path,
                                         std::shared_ptr<const Attachment>* attachment,
                                         std::string_view* key, KnownName* known);
  bool Collect(const VersionId& version, uint64_t object_size, ByteRange range, ReadResult* result);
  bool AllCached(const ResolvedObject& object, ByteRange range);
  Task<Result<ReadResult>> ReadWhenThere(std::shared_ptr<Handle> handle, uint64_t offset,
                                         uint32_t size, Call call, Trace* trace);
  Task<Result<ReadResult>> ReadSlowly(std::shared_ptr<Handle> handle, ByteRange range, Call call,
                                      Trace* trace);
  Task<Result<void>> PinPiece(std::shared_ptr<Handle> handle, ByteRange part, ByteRange demand,
                              ReadResult::Piece* piece, Call call, Trace* trace,
                              Flights::Way way = Flights::Way::kAny, Hands hands = Hands::kEmpty);
  Task<Result<void>> BringPiece(const ResolvedObject& object, ByteRange part, ByteRange demand,
                                Call call, Trace* trace, Flights::Way way);
  Result<std::shared_ptr<const Attachment>> AttachmentOfPeer(const Authenticated& who,
                                                             AttachmentId id,
                                                             std::string_view key) const;
  Result<ResolvedObject> ObjectOfPeer(const Authenticated& who, const PeerRead& read) const;
  bool Holds(const ResolvedObject& object, ByteRange range);
  Task<Result<void>> AwaitComing(const ResolvedObject& object, ByteRange range, Call call);
  void Recruit(const VersionId& version, const PeerRead& read, PeerGiven* given);
  void NoteName(const ResolvedObject& object);
  void CountGiven(const PeerGiven& given);
  struct BringingUp {
    bool done = false;
    Result<void> result;
    Waiters waiters;
  };
  std::shared_ptr<BringingUp> StartBringUp(const BlockKey& key);
  void ReadAhead(Handle& handle, ByteRange range, const Hash128& trace);
  void BringUpAhead(const ResolvedObject& object, ByteRange range);
  Task<Result<bool>> BringUp(const ResolvedObject& object, uint64_t number, Call call,
                             Trace* trace);
  Task<void> RunBringUp(BlockKey key);
  Task<Result<void>> FetchPart(std::shared_ptr<Handle> handle, ByteRange part, Call call,
                               Trace* trace, Flights::Way way = Flights::Way::kAny);
  /// A part of one version, from the origin or its former owner, for the cell.
  Task<Result<void>> BringIn(std::shared_ptr<const Attachment> attachment, const PeerLoadItem* item,
                             Call call);
  /// The same for many, some at a time: how each ended.
  Task<std::vector<Result<void>>> BringInAll(std::shared_ptr<const Attachment> attachment,
                                             const std::vector<PeerLoadItem>* items, Call call);
  Task<Result<LoadReport>> LoadAll(std::shared_ptr<const Attachment> attachment,
                                   std::vector<LoadItem> items, Call call);
  void AddHeldRuns(const NameCache::Named& name, ByteRange chunk, std::vector<LoadItem>* runs);
  Task<std::vector<LoadItem>> FormerlyOwned(const Attachment* attachment, uint32_t stripe);
  void AddHeld(const BlockKey& key, HeldBytes* held);
  Task<HeldBytes> HeldOf(VersionId version, ByteRange range);
  /// Whether a request that failed should be tried again; waits a while if so.
  Task<Result<void>> Again(const Attachment& attachment, Error error, int attempt, Call call);
  /// A request that stands alone: within the limit of requests, and counted.
  Task<Result<Units>> TakeRequest(const Attachment& attachment, Call call);
  Task<uint64_t> Drop(std::shared_ptr<const Attachment> attachment, std::string prefix);
  Task<uint64_t> DropBlocks(AttachmentId attachment, std::function<bool(const BlockKey&)> wanted);
  /// An attachment is no more: what is cached of it goes, beside whatever else is done.
  void End(std::shared_ptr<const Attachment> attachment);
  Task<void> DropAll(std::shared_ptr<const Attachment> attachment);
  void NoteSlow(std::string_view what, const Attachment& attachment, std::string_view key,
                Instant began, const Call& call, const Trace* trace);

  NodeContext context;
  Flights flights;
  Lookups lookups;
  Listings listings;
  CellNames cell_names;
  AttachmentTable attachments;
  HandlePool handles;
  /// Requests to origins, of this node and others, by loads that were asked for here: as many as of
  /// readers. Not the same budget: two nodes that load by each other would wait for each other.
  Budget load_requests;
  std::map<BlockKey, std::shared_ptr<BringingUp>> bringing_up;
  std::mutex recruits_mutex;
  Recruits recruits;

  uint32_t operations = 0;  // in progress
  Waiters idle;
  CancelSource stop_following;
  std::function<void(AttachmentId)> on_detached;
};

/// An operation in progress: Close waits for it, and may end it.
class Operation {
 public:
  Operation(Node::Impl& node, const Call& call)
      : node_(node), linked_(call, node.context.stop.token()) {
    ++node_.operations;
  }
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  ~Operation() {
    if (--node_.operations == 0) node_.idle.WakeAll();
  }

  /// kUnavailable where the node is stopping.
  Result<void> Check() const {
    if (!node_.context.closing) return {};
    return Fail(Code::kUnavailable, "the node is stopping");
  }
  Call call() { return linked_.call(); }

 private:
  Node::Impl& node_;
  LinkedCall linked_;
};

}  // namespace forebay
