// Writing. Data wait in memory only until the origin's driver takes them; messages of one upload
// are served one after the other, in the order in which they came.
#include <fmt/format.h>

#include "src/front/native/session.h"

namespace forebay {
namespace {

Condition ConditionOf(const wire::PutCondition& condition) {
  return {.if_absent = condition.if_absent, .if_match = std::string(condition.if_match)};
}

wire::PutAnswer AnswerOf(const ObjectInfo& info) {
  return {.size = info.size, .modified_ns = info.modified_ns, .etag = info.etag};
}

Result<void> CheckData(const SlowRequest& slow, uint32_t crc) {
  if (wire::FrameCrc(slow.data.bytes()) == crc) return {};
  return Fail(Code::kCorrupt, fmt::format("{}: data do not match their checksum: send them again",
                                          NameOf(slow.header.type)));
}

Error NoUpload(uint32_t number) {
  return Error(Code::kInvalidArgument,
               fmt::format("upload {} is not open on this connection", number));
}

/// Writes all of `data`, or what went wrong.
Task<Result<void>> WriteData(OriginUpload& upload, Bytes data, Call call) {
  if (data.empty()) co_return Result<void>{};
  co_return co_await upload.Write(std::span(&data, 1), call);
}

}  // namespace

/// A turn at an upload; gives it back at its end.
class UploadTurn {
 public:
  explicit UploadTurn(std::shared_ptr<UploadInProgress> upload) : upload_(std::move(upload)) {}
  UploadTurn(const UploadTurn&) = delete;
  UploadTurn& operator=(const UploadTurn&) = delete;
  ~UploadTurn() { upload_->turn.Release(); }

 private:
  std::shared_ptr<UploadInProgress> upload_;
};

Result<Session::UploadPtr> Session::UploadOf(uint32_t number) const {
  const auto found = uploads_.find(number);
  if (found == uploads_.end()) return Fail(NoUpload(number));
  return found->second;
}

Result<void> Session::CheckUploadRoom() const {
  if (uploads_.size() + uploads_opening_ < door_.options.limits.max_uploads) return {};
  return Fail(Code::kOverloaded, fmt::format("{} uploads are open on this connection, as many as "
                                             "it may have",
                                             uploads_.size()));
}

void Session::AddUpload(const SlowRequest& slow, std::unique_ptr<OriginUpload> upload) {
  const uint32_t number = ++last_upload_;
  uploads_.emplace(number,
                   std::make_shared<UploadInProgress>(door_.env.executor, std::move(upload)));
  Answer(slow.header, wire::UploadAnswer{.upload = number});
}

Task<Result<void>> Session::Put(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::PutRequest>());
  FB_CO_TRY(CheckData(slow, request.crc));
  FB_CO_ASSIGN(const auto upload,
               co_await door_.node.Put(*who_, std::string(request.path),
                                       ConditionOf(request.condition), slow.call));
  const auto written = co_await WriteData(*upload, slow.data.bytes(), slow.call);
  if (!written) {
    co_await upload->Abort();
    co_return Fail(written.error());
  }
  const auto info = co_await upload->Commit(slow.call);
  if (!info) {
    co_await upload->Abort();
    co_return Fail(info.error());
  }
  Answer(slow.header, AnswerOf(*info));
  co_return Result<void>{};
}

Task<Result<void>> Session::PutBegin(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::PutBeginRequest>());
  FB_CO_TRY(CheckUploadRoom());
  ++uploads_opening_;
  auto upload = co_await door_.node.Put(*who_, std::string(request.path),
                                        ConditionOf(request.condition), slow.call);
  --uploads_opening_;
  if (!upload) co_return Fail(upload.error());
  AddUpload(slow, std::move(*upload));
  co_return Result<void>{};
}

Task<Result<void>> Session::PutData(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::PutDataRequest>());
  FB_CO_ASSIGN(const UploadPtr upload, UploadOf(request.upload));
  const uint64_t size = slow.data.size();
  if (upload->window_bytes + size > door_.options.limits.put_window_bytes) {
    co_return Fail(
        Code::kOverloaded,
        fmt::format("more than {} bytes of one upload are on their way: wait for answers",
                    door_.options.limits.put_window_bytes));
  }
  upload->window_bytes += size;
  co_await upload->turn.Acquire();
  const UploadTurn turn(upload);
  upload->window_bytes -= size;
  if (upload->ended || upload->failed) co_return Fail(NoUpload(request.upload));
  upload->failed = true;  // unless all of this goes well
  FB_CO_TRY(CheckData(slow, request.crc));
  if (request.offset != upload->arrived_bytes) {
    co_return Fail(Code::kInvalidArgument, fmt::format("data of offset {} where {} comes next",
                                                       request.offset, upload->arrived_bytes));
  }
  FB_CO_TRY(co_await WriteData(*upload->to, slow.data.bytes(), slow.call));
  upload->arrived_bytes += size;
  upload->failed = false;
  Answer(slow.header, wire::Empty{});
  co_return Result<void>{};
}

Task<Result<void>> Session::PutCommit(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::PutCommitRequest>());
  FB_CO_ASSIGN(const UploadPtr upload, UploadOf(request.upload));
  co_await upload->turn.Acquire();
  const UploadTurn turn(upload);
  if (upload->ended) co_return Fail(NoUpload(request.upload));
  Result<ObjectInfo> info =
      Fail(Code::kInvalidArgument,
           fmt::format("commit of {} bytes where {} came{}", request.size, upload->arrived_bytes,
                       upload->failed ? ", and writing some had failed" : ""));
  if (!upload->failed && upload->arrived_bytes == request.size) {
    info = co_await upload->to->Commit(slow.call);
  }
  upload->ended = true;
  uploads_.erase(request.upload);
  if (!info) {
    co_await upload->to->Abort();
    co_return Fail(info.error());
  }
  Answer(slow.header, AnswerOf(*info));
  co_return Result<void>{};
}

Task<Result<void>> Session::PutAbort(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::PutAbortRequest>());
  FB_CO_ASSIGN(const UploadPtr upload, UploadOf(request.upload));
  co_await upload->turn.Acquire();
  const UploadTurn turn(upload);
  if (!upload->ended) {
    upload->ended = true;
    uploads_.erase(request.upload);
    co_await upload->to->Abort();
  }
  Answer(slow.header, wire::Empty{});
  co_return Result<void>{};
}

Task<Result<void>> Session::Delete(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::DeleteRequest>());
  FB_CO_TRY(co_await door_.node.Delete(*who_, std::string(request.path),
                                       ConditionOf(request.condition), slow.call));
  Answer(slow.header, wire::Empty{});
  co_return Result<void>{};
}

Task<Result<void>> Session::MultipartCreate(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::MultipartCreateRequest>());
  FB_CO_ASSIGN(const std::string id,
               co_await door_.node.CreateMultipart(*who_, std::string(request.path), slow.call));
  Answer(slow.header, wire::MultipartCreateAnswer{.upload_id = id});
  co_return Result<void>{};
}

Task<Result<void>> Session::PartBegin(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::PartBeginRequest>());
  FB_CO_TRY(CheckUploadRoom());
  ++uploads_opening_;
  auto upload = co_await door_.node.PutPart(
      *who_, std::string(request.path), std::string(request.upload_id), request.number, slow.call);
  --uploads_opening_;
  if (!upload) co_return Fail(upload.error());
  AddUpload(slow, std::move(*upload));
  co_return Result<void>{};
}

Task<Result<void>> Session::MultipartComplete(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::MultipartCompleteRequest>());
  std::vector<UploadedPart> parts;
  for (const wire::Part& part : request.parts) {
    parts.push_back({.number = part.number, .etag = std::string(part.etag), .size = part.size});
  }
  FB_CO_ASSIGN(const ObjectInfo info,
               co_await door_.node.CompleteMultipart(
                   *who_, std::string(request.path), std::string(request.upload_id),
                   std::move(parts), ConditionOf(request.condition), slow.call));
  Answer(slow.header, AnswerOf(info));
  co_return Result<void>{};
}

Task<Result<void>> Session::MultipartAbort(SlowRequest& slow) {
  FB_CO_ASSIGN(const auto request, slow.Decode<wire::MultipartAbortRequest>());
  FB_CO_TRY(co_await door_.node.AbortMultipart(*who_, std::string(request.path),
                                               std::string(request.upload_id), slow.call));
  Answer(slow.header, wire::Empty{});
  co_return Result<void>{};
}

}  // namespace forebay
