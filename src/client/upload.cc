// Objects on their way in. The bytes are with the kernel when Write returns; what the node says of
// them is waited for when its window is full, and at the commit.
#include <deque>

#include "src/client/file.h"

namespace forebay::client {
namespace {

struct PieceOnItsWay {
  explicit PieceOnItsWay(size_t of) : size(of), ticket(exchange) {}
  const size_t size;
  wire::MetaExchange exchange;
  Ticket ticket;
};

PutInfo InfoOf(const wire::PutAnswer& answer) {
  return {.size = answer.size, .modified_ns = answer.modified_ns, .etag = std::string(answer.etag)};
}

Error Over() {
  return Error(Code::kInvalidArgument, "the upload has ended");
}

}  // namespace

struct Upload::Impl {
  Impl(Client::Impl& of, std::string named, std::shared_ptr<Link> on, uint32_t id)
      : client(of),
        path(std::move(named)),
        link(std::move(on)),
        number(id),
        generation(client.outside.dialer.Generation()) {}

  bool of_this_process() const { return generation == client.outside.dialer.Generation(); }
  Result<void> Write(Bytes bytes);
  Result<void> WritePiece(Bytes piece, Instant until);
  Result<void> AwaitOldest(Instant until);
  Result<PutInfo> Commit();
  void Abort();
  /// What broke it is what every later call says.
  Result<void> Note(Result<void> result) {
    if (!result && !failed) failed = result.error().Within("write " + path);
    if (failed) return Fail(*failed);
    return {};
  }

  Client::Impl& client;
  const std::string path;
  std::shared_ptr<Link> link;
  const uint32_t number;
  const uint64_t generation;
  uint64_t sent_bytes = 0;
  size_t unanswered_bytes = 0;
  std::deque<PieceOnItsWay> on_its_way;
  std::optional<Error> failed;
  bool ended = false;
};

Result<void> Upload::Impl::AwaitOldest(Instant until) {
  PieceOnItsWay& oldest = on_its_way.front();
  auto done = link->Await(oldest.ticket, until);
  unanswered_bytes -= oldest.size;
  on_its_way.pop_front();
  return done;
}

Result<void> Upload::Impl::WritePiece(Bytes piece, Instant until) {
  const size_t window = link->info().limits.put_window_bytes;
  while (!on_its_way.empty() && unanswered_bytes + piece.size() > window) {
    FB_TRY(AwaitOldest(until));
  }
  PieceOnItsWay& added = on_its_way.emplace_back(piece.size());
  unanswered_bytes += piece.size();
  const wire::PutDataRequest request{
      .upload = number, .crc = wire::FrameCrc(piece), .offset = sent_bytes};
  FB_TRY(link->Start(added.ticket, request, until, piece));
  sent_bytes += piece.size();
  return {};
}

Result<void> Upload::Impl::Write(Bytes bytes) {
  if (ended || !of_this_process()) return Fail(Over());
  FB_TRY(Note({}));
  const Core& core = client.core();
  const wire::Limits& limits = link->info().limits;
  const size_t most = std::max<size_t>(1, std::min(limits.max_put_bytes, limits.put_window_bytes));
  while (!bytes.empty()) {
    const Bytes piece = bytes.first(std::min(bytes.size(), most));
    // Each piece has the client's timeout: a long upload is no reason to end it.
    FB_TRY(Note(WritePiece(piece, core.Deadline())));
    bytes = bytes.subspan(piece.size());
  }
  return {};
}

Result<PutInfo> Upload::Impl::Commit() {
  if (ended || !of_this_process()) return Fail(Over());
  const Core& core = client.core();
  while (!failed && !on_its_way.empty()) std::ignore = Note(AwaitOldest(core.Deadline()));
  if (failed) {
    Abort();
    return Fail(*failed);
  }
  ended = true;
  auto answer = link->Ask<wire::PutAnswer>(
      wire::PutCommitRequest{.upload = number, .size = sent_bytes}, core.Deadline());
  if (!answer) return Fail(Core::Unknown(answer.error().Within("write " + path), *link));
  return InfoOf(answer->value);
}

void Upload::Impl::Abort() {
  if (!of_this_process()) {
    // The parent's tickets and connection: forgotten, not touched.
    std::ignore = new std::deque<PieceOnItsWay>(std::move(on_its_way));
    std::ignore = new std::shared_ptr<Link>(std::move(link));
    return;
  }
  on_its_way.clear();
  if (ended || link->broken()) return;
  ended = true;
  std::ignore =
      link->Ask<wire::Empty>(wire::PutAbortRequest{.upload = number}, client.core().Deadline());
}

Upload::Upload(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Upload::~Upload() {
  impl_->Abort();
}
Result<void> Upload::Write(Bytes bytes) {
  return impl_->Write(bytes);
}
Result<PutInfo> Upload::Commit() {
  return impl_->Commit();
}
void Upload::Abort() {
  impl_->Abort();
}

// ---- Of the client.

namespace {

/// Begins an upload: what a lost answer leaves behind, the node clears away with the connection.
template <class M>
Result<std::pair<std::shared_ptr<Link>, uint32_t>> Begin(Core& core, const M& request) {
  std::shared_ptr<Link> link;
  FB_ASSIGN(const auto answer, core.Retry(core.NextSlot(), core.Deadline(),
                                          [&](const std::shared_ptr<Link>& on, Instant until) {
                                            link = on;
                                            return on->Ask<wire::UploadAnswer>(request, until);
                                          }));
  return std::pair(std::move(link), answer.value.upload);
}

}  // namespace

Result<std::unique_ptr<Upload>> Client::PutBegin(std::string_view path,
                                                 const PutCondition& condition) {
  const wire::PutBeginRequest request{.condition = condition, .path = path};
  FB_ASSIGN(auto begun, Begin(impl_->core(), request));
  return std::unique_ptr<Upload>(new Upload(std::make_unique<Upload::Impl>(
      *impl_, std::string(path), std::move(begun.first), begun.second)));
}

Result<std::unique_ptr<Upload>> Client::PartBegin(std::string_view path, std::string_view upload_id,
                                                  uint32_t number) {
  const wire::PartBeginRequest request{.number = number, .path = path, .upload_id = upload_id};
  FB_ASSIGN(auto begun, Begin(impl_->core(), request));
  return std::unique_ptr<Upload>(new Upload(std::make_unique<Upload::Impl>(
      *impl_, std::string(path), std::move(begun.first), begun.second)));
}

Result<PutInfo> Client::Put(std::string_view path, Bytes data, const PutCondition& condition) {
  Core& core = impl_->core();
  FB_ASSIGN(const auto link, core.Acquire(core.NextSlot(), core.Deadline()));
  if (data.size() <= link->info().limits.max_put_bytes) {
    FB_ASSIGN(
        const auto answer,
        core.AskOnce<wire::PutAnswer>(
            wire::PutRequest{.crc = wire::FrameCrc(data), .condition = condition, .path = path},
            data));
    return InfoOf(answer.value);
  }
  FB_ASSIGN(const auto upload, PutBegin(path, condition));
  FB_TRY(upload->Write(data));
  return upload->Commit();
}

}  // namespace forebay::client
