// Reading: at once where the bytes are in memory, as a task where they are not.
#include <fmt/format.h>

#include "src/base/units.h"
#include "src/front/native/session.h"
#include "src/origin/folder_mark.h"
#include "src/wire/pieces.h"

namespace forebay {
namespace {

using wire::MessageType;

/// Up to so many bytes a copy costs less than one more part of the send.
constexpr uint64_t kCopyBytes = 1u << 10;
constexpr size_t kMaxPieces = kMaxReadBytes / kPageBytes + 1;
/// Of one get: the name is looked up anew once, and what memory lost is brought in again.
constexpr int kGetAttempts = 3;
/// Items of one GetMany that wait for the origin at the same time.
constexpr size_t kParallelGets = 16;
static_assert(wire::kMaxDataBytes == kMaxReadBytes);

/// The checksum of a page, or a part of it, once the page itself was found to be what came in. The
/// rest of the page lies beside the view: pages are filled whole.
bool CheckedCrc(const ReadResult::Piece& piece, uint32_t at, uint32_t size, uint32_t page_end,
                uint32_t* crc) {
  const uint32_t offset = piece.offset + at;  // in the block
  const uint32_t page = offset / kPageBytes;
  const std::byte* bytes = piece.view.bytes().data() + at;
  const Bytes whole(bytes - (offset - page * kPageBytes), page_end - page * kPageBytes);
  if (PageCrc(piece.key, page, whole) != piece.view.PageChecksum(offset)) return false;
  *crc = PageCrc(piece.key, page, {bytes, size});
  return true;
}

/// One checksum for each page that the result, which begins at `offset` of the object, touches: the
/// store's own, but where a page is sent in part or is to be checked. False: a page in memory is
/// not what came in.
bool PieceCrcs(const ReadResult& result, uint64_t offset, uint64_t object_size, bool check_all,
               uint32_t* crcs) {
  const uint64_t block_begin = offset / kBlockBytes * kBlockBytes;
  for (size_t i = 0; i < result.count; ++i) {
    const ReadResult::Piece& piece = result.pieces[i];
    const auto size = static_cast<uint32_t>(piece.view.bytes().size());
    const uint64_t block_length =
        std::min<uint64_t>(kBlockBytes, object_size - (block_begin + i * kBlockBytes));
    for (uint32_t at = 0; at < size;) {
      const uint32_t begin = piece.offset + at;  // in the block
      const uint32_t page_begin = begin / kPageBytes * kPageBytes;
      const auto page_end =
          static_cast<uint32_t>(std::min<uint64_t>(page_begin + kPageBytes, block_length));
      const uint32_t length = std::min(size - at, page_end - begin);
      if (!check_all && begin == page_begin && length == page_end - page_begin) {
        *crcs++ = piece.view.PageChecksum(begin);
      } else if (!CheckedCrc(piece, at, length, page_end, crcs++)) {
        return false;
      }
      at += length;
    }
  }
  return true;
}

Error NotOpen(uint32_t handle) {
  return Error(Code::kInvalidArgument,
               fmt::format("handle {} is not open on this connection", handle));
}

Result<void> CheckSize(uint32_t size, uint32_t max) {
  if (size <= max) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("a read of {} bytes; at most {} at a time", size, max));
}

}  // namespace

uint32_t Session::FreshForMs(Instant fresh_until) const {
  if (fresh_until == Instant::Never()) return ~0u;
  const int64_t left = (fresh_until - door_.env.clock.Now()).count() / 1'000'000;
  return static_cast<uint32_t>(std::clamp<int64_t>(left, 0, ~0u - 1));
}

wire::Info Session::InfoOf(const ResolvedObject& object) const {
  return {.version = object.version,
          .size = object.info.size,
          .modified_ns = object.info.modified_ns,
          .attachment_id = object.attachment->config.id,
          .fresh_for_ms = FreshForMs(object.fresh_until),
          .block_bytes = kBlockBytes,
          .etag = object.info.etag};
}

wire::Info Session::InfoOf(AttachmentId attachment, const KnownName& object) const {
  return {.version = object.version,
          .size = object.size,
          .modified_ns = object.modified_ns,
          .attachment_id = attachment,
          .fresh_for_ms = FreshForMs({object.fresh_until_ns}),
          .block_bytes = kBlockBytes,
          .etag = object.etag};
}

Result<std::shared_ptr<Handle>> Session::HandleOf(uint32_t number) const {
  const auto* handle = handles_.Find(number);
  if (handle == nullptr) return Fail(NotOpen(number));
  return *handle;
}

/// What a read may bring into the queue.
uint64_t Session::BytesToReserve(const wire::FrameHeader& header, Bytes body) const {
  if (header.type == MessageType::kRead) {
    const auto read = wire::DecodeMeta<wire::ReadRequest>(header.type, body);
    return read ? std::min(read->size, kMaxReadBytes) : 0;
  }
  if (header.type == MessageType::kPeerRead) {
    const auto read = wire::DecodeMeta<wire::PeerReadRequest>(header.type, body);
    return read ? std::min(read->size, kMaxReadBytes) : 0;
  }
  if (header.type == MessageType::kGet) {
    const auto get = wire::DecodeMeta<wire::GetRequest>(header.type, body);
    return get ? std::min(get->size, kMaxReadBytes) : 0;
  }
  return 0;
}

/// Queues head, checksums and bytes. False where memory does not hold what came in; then the block
/// is forgotten, and reading it again brings it anew.
template <class M>
bool Session::AnswerData(const wire::FrameHeader& request, uint64_t object_size, uint64_t offset,
                         ReadResult& result, M answer, uint8_t flags) {
  std::array<uint32_t, kMaxPieces> crcs;
  if (!PieceCrcs(result, offset, object_size, (request.flags & wire::kCheckFirst) != 0,
                 crcs.data())) {
    for (const ReadResult::Piece& piece : result.all()) door_.node.store().Erase(piece.key);
    return false;
  }
  const size_t pieces = wire::PieceCount(offset, result.size);
  answer.crcs = std::as_bytes(std::span(crcs).first(pieces));
  const size_t room = wire::kHeaderBytes + 512 + answer.crcs.size();
  const size_t size = EncodeAnswer(batch().Room(room), request, door_.queue_depth(), answer,
                                   static_cast<uint32_t>(result.size), flags);
  FB_ASSERT(size > 0);
  Queued(size);
  const bool copy = result.size <= kCopyBytes;
  for (size_t i = 0; i < result.count; ++i) {
    View& view = result.pieces[i].view;
    const Bytes bytes = view.bytes();
    if (copy) {
      batch().Copy(bytes);
    } else {
      batch().Refer(std::move(view), bytes);
    }
  }
  queued_bytes_ += result.size;
  door_.queued_bytes += result.size;
  return true;
}

bool Session::TryRead(const wire::FrameHeader& header, Bytes body) {
  const auto request = wire::DecodeMeta<wire::ReadRequest>(header.type, body);
  if (!request || request->size > kMaxReadBytes) return false;
  const auto* handle = handles_.Find(request->handle);
  if (handle == nullptr) return false;
  auto result = door_.node.TryRead(*who_, **handle, request->offset, request->size);
  if (!result) return false;
  if (!*result) {
    AnswerError(header, result->error());
    return true;
  }
  return AnswerData(header, ObjectOf(**handle).info.size, request->offset, **result,
                    wire::ReadAnswer{});
}

bool Session::TryGet(const wire::FrameHeader& header, Bytes body) {
  const auto request = wire::DecodeMeta<wire::GetRequest>(header.type, body);
  if (!request || request->size > kMaxReadBytes || !request->if_match.empty()) return false;
  GetResult& got = door_.got;
  const auto tried = door_.node.TryGet(*who_, request->path, request->offset, request->size, &got);
  if (!tried || !*tried) return false;
  const bool answered =
      AnswerData(header, got.object.size, request->offset, got.bytes,
                 wire::GetAnswer{.info = InfoOf(got.attachment, got.object), .crcs = {}});
  got.bytes.Clear();
  return answered;
}

Task<Result<void>> Session::Open(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::OpenRequest>());
  FB_CO_ASSIGN(auto handle, co_await door_.node.Open(*who_, std::string(request.path),
                                                     {.if_match = std::string(request.if_match)},
                                                     slow.call, &slow.trace));
  const ResolvedObject& object = ObjectOf(*handle);
  const wire::Info info = InfoOf(object);
  const auto keep = handle;
  FB_CO_ASSIGN(const uint32_t number, handles_.Add(std::move(handle)));
  Answer(slow.header, wire::OpenAnswer{.handle = number, .info = info});
  co_return Result<void>{};
}

Task<Result<void>> Session::Read(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::ReadRequest>());
  FB_CO_TRY(CheckSize(request.size, kMaxReadBytes));
  FB_CO_ASSIGN(const auto handle, HandleOf(request.handle));
  for (int attempt = 0; attempt < 2; ++attempt) {
    FB_CO_ASSIGN(ReadResult result, co_await door_.node.Read(*who_, handle, request.offset,
                                                             request.size, slow.call, &slow.trace));
    if (AnswerData(slow.header, ObjectOf(*handle).info.size, request.offset, result,
                   wire::ReadAnswer{})) {
      co_return Result<void>{};
    }
  }
  co_return Fail(Code::kCorrupt, "memory of the node changes what is stored in it");
}

namespace {

PeerRead PeerReadOf(const wire::PeerReadRequest& request) {
  return {.attachment = request.attachment_id,
          .key = request.key,
          .etag = request.etag,
          .object_size = request.object_size,
          .modified_ns = request.modified_ns,
          .offset = request.offset,
          .until = request.until,
          .size = request.size,
          .asker = request.asker,
          .held_only = (request.flags & wire::kHeldOnly) != 0,
          .or_coming = (request.flags & wire::kOrComing) != 0};
}

}  // namespace

bool Session::AnswerPeer(const wire::FrameHeader& header, const wire::PeerReadRequest& request,
                         PeerGiven& given) {
  if (given.elsewhere != wire::kNoNode) {
    const bool either = (request.flags & wire::kEither) != 0 && given.or_else != wire::kNoNode;
    const auto other = std::as_bytes(std::span(&given.or_else, either ? 1 : 0));
    Answer(header, wire::PeerReadAnswer{.elsewhere = given.elsewhere, .crcs = other});
    return true;
  }
  return AnswerData(header, request.object_size, request.offset, given.bytes,
                    wire::PeerReadAnswer{.elsewhere = given.elsewhere, .crcs = {}});
}

bool Session::TryPeerRead(const wire::FrameHeader& header, Bytes body) {
  const auto request = wire::DecodeMeta<wire::PeerReadRequest>(header.type, body);
  if (!request) return false;
  auto given = door_.node.TryReadForPeer(*who_, PeerReadOf(*request));
  return given && AnswerPeer(header, *request, *given);
}

Task<Result<void>> Session::PeerRead(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::PeerReadRequest>());
  for (int attempt = 0; attempt < 2; ++attempt) {
    FB_CO_ASSIGN(PeerGiven given, co_await door_.node.ReadForPeer(*who_, PeerReadOf(request),
                                                                  slow.call, &slow.trace));
    if (AnswerPeer(slow.header, request, given)) co_return Result<void>{};
  }
  co_return Fail(Code::kCorrupt, "memory of the node changes what is stored in it");
}

Task<Result<void>> Session::PeerResolve(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::PeerResolveRequest>());
  FB_CO_ASSIGN(const KnownName known,
               co_await door_.node.ResolveForPeer(
                   *who_, request.attachment_id, std::string(request.key), request.to_read,
                   std::string(request.asker), slow.call, &slow.trace));
  Answer(slow.header, wire::PeerResolveAnswer{.exists = known.exists,
                                              .info = InfoOf(request.attachment_id, known)});
  co_return Result<void>{};
}

Task<Result<void>> Session::PeerForget(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::PeerForgetRequest>());
  FB_CO_TRY(co_await door_.node.ForgetForPeer(
      *who_, request.attachment_id, std::string(request.key), request.pass_on, slow.call));
  Answer(slow.header, wire::PeerForgetAnswer{});
  co_return Result<void>{};
}

/// What a path stands for now, or at `if_match`, in one frame. A name that was known may turn out
/// to be old when its bytes are fetched: it was forgotten then, and is looked up anew, once.
template <class MakeAnswer>
Task<Result<void>> Session::AnswerObject(SlowRequest& slow, wire::GetItem item,
                                         std::string if_match, MakeAnswer make, uint8_t flags) {
  FB_CO_TRY(CheckSize(item.size, kMaxReadBytes));
  bool may_be_old = if_match.empty();
  for (int attempt = 0; attempt < kGetAttempts; ++attempt) {
    FB_CO_ASSIGN(const auto handle,
                 co_await door_.node.Open(*who_, std::string(item.path), {.if_match = if_match},
                                          slow.call, &slow.trace));
    auto result =
        co_await door_.node.Read(*who_, handle, item.offset, item.size, slow.call, &slow.trace);
    if (!result) {
      const bool old = result.error().code() == Code::kVersionChanged;
      if (!old || !std::exchange(may_be_old, false)) co_return Fail(result.error());
      continue;
    }
    const ResolvedObject& object = ObjectOf(*handle);
    if (AnswerData(slow.header, object.info.size, item.offset, *result, make(InfoOf(object)),
                   flags)) {
      co_return Result<void>{};
    }
  }
  co_return Fail(Code::kCorrupt, "memory of the node changes what is stored in it");
}

Task<Result<void>> Session::Get(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::GetRequest>());
  const auto make = [](wire::Info info) { return wire::GetAnswer{.info = info, .crcs = {}}; };
  co_return co_await AnswerObject(
      slow, {.offset = request.offset, .size = request.size, .path = request.path},
      std::string(request.if_match), make, 0);
}

// ---- Many at once.

/// Opens and reads one item and queues its frame. Errors are the item's.
Task<Result<void>> Session::GetOne(SlowRequest& slow, const wire::GetItem& item, uint16_t index) {
  const auto make = [index](wire::Info info) {
    return wire::GetManyAnswer{.index = index, .message = {}, .info = info, .crcs = {}};
  };
  co_return co_await AnswerObject(slow, item, {}, make, wire::kMoreFollow);
}

bool Session::TryGetOne(SlowRequest& slow, const wire::GetItem& item, uint16_t index) {
  if (item.size > kMaxReadBytes) return false;
  GetResult& got = door_.got;
  const auto tried = door_.node.TryGet(*who_, item.path, item.offset, item.size, &got);
  if (!tried || !*tried) return false;
  const bool answered = AnswerData(
      slow.header, got.object.size, item.offset, got.bytes,
      wire::GetManyAnswer{
          .index = index, .message = {}, .info = InfoOf(got.attachment, got.object), .crcs = {}},
      wire::kMoreFollow);
  got.bytes.Clear();
  return answered;
}

/// Takes items that were not in memory until there is none left.
Task<void> Session::GetRest(SlowRequest* slow, const std::vector<wire::GetItem>* items,
                            const std::vector<uint16_t>* rest, size_t* next) {
  while (*next < rest->size() && !ended_) {
    const uint16_t index = (*rest)[(*next)++];
    co_await AwaitRoom();
    const auto done = co_await GetOne(*slow, (*items)[index], index);
    if (ended_) break;
    if (!done) {
      const wire::GetManyAnswer failed{
          .index = index,
          .status = wire::StatusOf(done.error().code()),
          .message = std::string_view(done.error().message()).substr(0, wire::kMaxErrorBytes),
          .info = {},
          .crcs = {}};
      Queued(EncodeAnswer(batch().Room(wire::kHeaderBytes + wire::kMaxErrorBytes + 256),
                          slow->header, door_.queue_depth(), failed, 0, wire::kMoreFollow));
    }
    // Not with the last one: what is queued holds memory that the others may wait for.
    if (!sending_) co_await Flush();
  }
}

void Session::Foresee(std::span<const wire::GetItem> items) {
  std::array<ComingGet, kMaxComingGets> gets;
  const size_t count = std::min(items.size(), gets.size());
  for (size_t i = 0; i < count; ++i) gets[i] = {.path = items[i].path, .offset = items[i].offset};
  if (count > 1) door_.node.Foresee(std::span(gets).first(count));
}

Task<Result<void>> Session::GetMany(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::GetManyRequest>());
  std::vector<uint16_t> rest;
  for (uint16_t i = 0; i < request.items.size() && !ended_; ++i) {
    co_await AwaitRoom();
    if (i % kMaxComingGets == 0) Foresee(std::span(request.items).subspan(i));
    if (!TryGetOne(slow, request.items[i], i)) rest.push_back(i);
  }
  size_t next = 0;
  TaskGroup group(door_.env.executor);
  for (size_t i = 0; i < std::min(rest.size(), kParallelGets); ++i) {
    group.Spawn(GetRest(&slow, &request.items, &rest, &next));
  }
  co_await group.Join();
  Answer(slow.header, wire::GetManyEnd{});
  co_return Result<void>{};
}

// ---- Names.

Task<Result<void>> Session::Stat(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::StatRequest>());
  FB_CO_ASSIGN(const ResolvedObject object,
               co_await door_.node.Stat(*who_, std::string(request.path), slow.call, &slow.trace));
  Answer(slow.header, InfoOf(object));
  co_return Result<void>{};
}

/// Marks of folders are for clients of S3: to whoever walks files they would be files too many.
Task<Result<ListPage>> Session::VisiblePage(SlowRequest& slow, std::string path,
                                            ListOptions options) {
  for (;;) {
    FB_CO_ASSIGN(ListPage page,
                 co_await door_.node.List(*who_, path, options, slow.call, &slow.trace));
    if (!page.entries.empty()) options.after = page.entries.back().key;
    const size_t hidden = std::erase_if(page.entries, [](const ListEntry& entry) {
      return !entry.is_prefix && IsFolderMark(entry.key);
    });
    // Nothing but marks: the caller could not go on from there.
    if (hidden == 0 || !page.entries.empty() || !page.more) co_return page;
  }
}

/// As much of it as fits into an answer; the rest comes with the next page.
wire::ListAnswer Session::PageOnWire(const ListPage& page) {
  wire::ListAnswer answer{.more = page.more, .entries = {}};
  size_t bytes = 16;
  for (const ListEntry& entry : page.entries) {
    bytes += entry.key.size() + entry.info.etag.size() + 21;
    if (bytes > wire::kMaxMetaBytes) {
      answer.more = true;
      break;
    }
    answer.entries.push_back({.key = entry.key,
                              .etag = entry.info.etag,
                              .size = entry.info.size,
                              .modified_ns = entry.info.modified_ns,
                              .is_prefix = entry.is_prefix});
  }
  return answer;
}

Task<Result<void>> Session::List(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::ListRequest>());
  const uint32_t most = std::min<uint32_t>(door_.options.limits.max_list, wire::kMaxListEntries);
  ListOptions options{.prefix = {},
                      .delimiter = std::string(request.delimiter),
                      .after = std::string(request.after),
                      .limit = std::clamp<uint32_t>(request.limit, 1, most)};
  FB_CO_ASSIGN(const ListPage page,
               co_await VisiblePage(slow, std::string(request.path), std::move(options)));
  Answer(slow.header, PageOnWire(page));
  co_return Result<void>{};
}

Task<Result<void>> Session::Fetch(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::FetchRequest>());
  std::shared_ptr<Handle> handle;
  if (request.path.empty()) {
    FB_CO_ASSIGN(handle, HandleOf(request.handle));
  } else {
    FB_CO_ASSIGN(handle, co_await door_.node.Open(*who_, std::string(request.path), {}, slow.call,
                                                  &slow.trace));
  }
  const uint64_t size = request.size == 0 ? UINT64_MAX : request.size;
  FB_CO_ASSIGN(const uint64_t bytes, co_await door_.node.Fetch(*who_, handle, request.offset, size,
                                                               slow.call, &slow.trace));
  Answer(slow.header, wire::FetchAnswer{.bytes = bytes});
  co_return Result<void>{};
}

}  // namespace forebay
