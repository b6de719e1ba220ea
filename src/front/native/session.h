// One connection of the native door, from its handshake to its end.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/front/native/door_state.h"
#include "src/front/native/handle_table.h"
#include "src/front/native/window_host.h"
#include "src/runtime/sync.h"
#include "src/wire/admin_messages.h"
#include "src/wire/inbox.h"
#include "src/wire/peer_messages.h"
#include "src/wire/write_messages.h"

namespace forebay {

/// A request that could not be answered at once. Lives in the task that answers it.
struct SlowRequest {
  wire::FrameHeader header;
  std::vector<std::byte> meta;  // what `body` and texts decoded from it point into
  Bytes body;
  wire::GrowingBuffer data;  // of Put and PutData
  CancelSource cancel;       // of the node's loop
  bool cancelled = false;    // asked for, here
  Call call;
  Instant began;
  Trace trace;
  uint64_t reserved_bytes = 0;  // of the session's queue

  template <class M>
  Result<M> Decode() const {
    return wire::DecodeMeta<M>(header.type, body);
  }
};

/// An object on its way in.
struct UploadInProgress {
  UploadInProgress(Executor& executor, std::unique_ptr<OriginUpload> upload)
      : to(std::move(upload)), turn(executor, 1) {}
  std::unique_ptr<OriginUpload> to;
  Semaphore turn;              // messages are served in the order in which they came
  uint64_t arrived_bytes = 0;  // of PutData, in order
  uint64_t window_bytes = 0;   // of which not answered yet
  bool failed = false;
  bool ended = false;  // committed or aborted
};

/// Used from one loop. All of it happens within Run.
class Session {
 public:
  Session(DoorState& door, std::unique_ptr<Stream> stream, bool is_unix);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  /// Serves until the peer ends, breaks the protocol or Shutdown is called.
  Task<void> Run();
  uint64_t number() const { return number_; }
  /// For a door that stops, and refuses what is new: whether all that it had begun is answered.
  bool Drained();
  void Shutdown();
  /// Ends what is silent, or takes nothing, for too long. Called now and then.
  void Watch(Instant now);

 private:
  // session.cc
  Task<Result<void>> Serve();
  Result<void> CheckLargeMeta();
  void EndLargeMeta();
  Task<Result<size_t>> Receive(MutableBytes into);
  Task<void> Flush();
  Task<void> AwaitRoom();
  bool HasRoom() const { return queued_bytes_ <= door_.options.max_queued_bytes; }
  bool AnnounceGets();
  void Dispatch();
  /// One that was answered at once. All of a receive count from its arrival to their common send,
  /// so that they cost one look at the clock.
  void NoteRead() { ++reads_answered_; }
  LatencyHistogram& latency() { return door_.node.counters().read.latency; }
  Result<void> CheckRoomFor(const SlowRequest& slow) const;
  void StartSlow(const wire::FrameHeader& header, Bytes meta, wire::GrowingBuffer data);
  Task<void> RunSlow(std::shared_ptr<SlowRequest> slow);
  void Cancel(const std::shared_ptr<SlowRequest>& slow);
  Task<Result<void>> Perform(SlowRequest& slow);
  Task<Result<void>> TakeData();
  Task<void> EndAll();
  /// Nothing is in progress and everything was sent.
  bool idle() const { return slow_.empty() && queued_bytes_ == 0; }

  // greet.cc
  Task<Result<void>> Greet();
  Task<Result<void>> ReceiveFrame(wire::MessageType type);
  Task<Result<std::vector<std::byte>>> SendWelcome(wire::Hello hello, uint8_t methods);
  Task<void> Refuse(Error error);
  Task<Result<void>> SendNow(Bytes frame);
  wire::Nonce DrawNonce();
  Result<uint8_t> AuthMethods() const;
  bool FromThisMachine() const;
  Result<Authenticated> Admit(const wire::Auth& auth, uint8_t methods, Bytes hello, Bytes welcome);

  // Answers.
  OutBatch& batch();
  template <class M>
  void Answer(const wire::FrameHeader& request, const M& answer) {
    for (const size_t room : {size_t{1024}, wire::kHeaderBytes + size_t{wire::kMaxMetaBytes}}) {
      const size_t size = EncodeAnswer(batch().Room(room), request, door_.queue_depth(), answer);
      if (size == 0) continue;
      Queued(size);
      return;
    }
    AnswerError(request, Error(Code::kInternal, "an answer does not fit into a frame"));
  }
  void AnswerError(const wire::FrameHeader& request, const Error& error);
  void Queued(size_t size);

  // reads.cc
  bool TryRead(const wire::FrameHeader& header, Bytes body);
  bool TryGet(const wire::FrameHeader& header, Bytes body);
  bool TryPeerRead(const wire::FrameHeader& header, Bytes body);
  bool AnswerPeer(const wire::FrameHeader& header, const wire::PeerReadRequest& request,
                  PeerGiven& given);
  template <class M>
  bool AnswerData(const wire::FrameHeader& request, uint64_t object_size, uint64_t offset,
                  ReadResult& result, M answer, uint8_t flags = 0);
  wire::Info InfoOf(const ResolvedObject& object) const;
  wire::Info InfoOf(AttachmentId attachment, const KnownName& object) const;
  uint32_t FreshForMs(Instant fresh_until) const;
  Result<std::shared_ptr<Handle>> HandleOf(uint32_t number) const;
  uint64_t BytesToReserve(const wire::FrameHeader& header, Bytes body) const;
  Task<Result<void>> Open(SlowRequest& slow);
  Task<Result<void>> Read(SlowRequest& slow);
  Task<Result<void>> PeerRead(SlowRequest& slow);
  Task<Result<void>> PeerResolve(SlowRequest& slow);
  Task<Result<void>> PeerForget(SlowRequest& slow);
  template <class MakeAnswer>
  Task<Result<void>> AnswerObject(SlowRequest& slow, wire::GetItem item, std::string if_match,
                                  MakeAnswer make, uint8_t flags);
  Task<Result<void>> Get(SlowRequest& slow);
  Task<Result<void>> GetMany(SlowRequest& slow);
  Task<Result<void>> GetOne(SlowRequest& slow, const wire::GetItem& item, uint16_t index);
  void Foresee(std::span<const wire::GetItem> items);
  bool TryGetOne(SlowRequest& slow, const wire::GetItem& item, uint16_t index);
  Task<void> GetRest(SlowRequest* slow, const std::vector<wire::GetItem>* items,
                     const std::vector<uint16_t>* rest, size_t* next);
  Task<Result<void>> Stat(SlowRequest& slow);
  Task<Result<ListPage>> VisiblePage(SlowRequest& slow, std::string path, ListOptions options);
  static wire::ListAnswer PageOnWire(const ListPage& page);
  Task<Result<void>> List(SlowRequest& slow);
  Task<Result<void>> Fetch(SlowRequest& slow);

  // writes.cc
  using UploadPtr = std::shared_ptr<UploadInProgress>;
  Result<UploadPtr> UploadOf(uint32_t number) const;
  void AddUpload(const SlowRequest& slow, std::unique_ptr<OriginUpload> upload);
  Result<void> CheckUploadRoom() const;
  Task<Result<void>> Put(SlowRequest& slow);
  Task<Result<void>> PutBegin(SlowRequest& slow);
  Task<Result<void>> PutData(SlowRequest& slow);
  Task<Result<void>> PutCommit(SlowRequest& slow);
  Task<Result<void>> PutAbort(SlowRequest& slow);
  Task<Result<void>> Delete(SlowRequest& slow);
  Task<Result<void>> MultipartCreate(SlowRequest& slow);
  Task<Result<void>> PartBegin(SlowRequest& slow);
  Task<Result<void>> MultipartComplete(SlowRequest& slow);
  Task<Result<void>> MultipartAbort(SlowRequest& slow);

  // admin.cc
  Task<Result<void>> Attach(SlowRequest& slow);
  Task<Result<void>> Detach(SlowRequest& slow);
  Task<Result<void>> Attachments(SlowRequest& slow);
  Task<Result<void>> Evict(SlowRequest& slow);
  Task<Result<void>> Where(SlowRequest& slow);
  Task<Result<void>> Status(SlowRequest& slow);
  Task<Result<void>> Cell(SlowRequest& slow);
  Task<Result<std::string>> OwnStatus();
  Result<void> CheckWindow() const;
  Task<Result<void>> SendGrant(const SlowRequest& slow, WindowGrant grant);
  Task<Result<void>> Window(SlowRequest& slow);
  Task<Result<void>> WindowSegment(SlowRequest& slow);

  // cell.cc
  Task<Result<void>> PerformByCell(SlowRequest& slow);
  Task<Result<void>> HandOver(SlowRequest& slow);
  Task<Result<void>> Load(SlowRequest& slow);
  Task<Result<void>> PeerList(SlowRequest& slow);
  Task<Result<void>> PeerForgetPages(SlowRequest& slow);
  Task<Result<void>> PeerFollows(SlowRequest& slow);
  Task<Result<void>> PeerLoad(SlowRequest& slow);
  Task<Result<void>> Owners(SlowRequest& slow);
  Task<Result<void>> PeerHeld(SlowRequest& slow);
  Task<Result<void>> CellStatus(SlowRequest& slow);
  Task<Result<void>> PeerStatus(SlowRequest& slow);

  DoorState& door_;
  std::unique_ptr<Stream> stream_;
  const bool is_unix_;
  const uint64_t number_;
  TaskGroup group_;
  std::optional<Authenticated> who_;  // once the handshake is over
  HandleTable handles_;
  wire::Inbox inbox_;
  size_t receive_bytes_;
  size_t foreseen_ = 0;          // frames in the inbox of which the gets were announced
  bool yielding_ = false;        // lets others go first
  Instant arrived_;              // the first receive with reads that were answered and not sent
  uint64_t reads_answered_ = 0;  // since then
  std::map<uint64_t, std::shared_ptr<SlowRequest>> slow_;
  std::map<uint32_t, UploadPtr> uploads_;
  uint32_t last_upload_ = 0;
  uint32_t uploads_opening_ = 0;
  bool uses_window_ = false;
  bool large_meta_ = false;  // is coming in

  std::unique_ptr<OutBatch> batch_;  // null: nothing to send
  bool sending_ = false;
  uint64_t queued_bytes_ = 0;  // in batches, and reserved by slow requests
  uint64_t batches_sent_ = 0;
  std::optional<uint64_t> drained_at_;  // once stopping: the batch with the last of what was begun
  Signal changed_;                      // room in the queue, or the end of sending

  bool ended_ = false;
  Instant greet_until_;
  Instant receiving_since_ = Instant::Never();  // Never: not waiting for the peer
  Instant send_until_ = Instant::Never();
};

}  // namespace forebay
