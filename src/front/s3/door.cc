#include "src/front/s3/door.h"

#include <fmt/format.h>

#include <iterator>

#include "src/base/units.h"
#include "src/front/s3/auth.h"
#include "src/front/s3/exchange.h"
#include "src/origin/http/text.h"

namespace forebay::s3door {
namespace {

constexpr Duration kCallTime = std::chrono::minutes(2);  // of one step of an operation
/// The longest that S3 takes: 8 KiB of headers, and keys and signatures in a query.
constexpr size_t kHeaderBytes = 32 * kKiB;
/// A request is refused before its body was read: what is not longer is read away, so that clients
/// that send before they listen hear why.
constexpr uint64_t kUnreadBodyBytes = 16 * kMiB;
/// What is being written holds memory, here and at its origin: it has to get on.
constexpr uint64_t kLeastBodyRate = 4 * kKiB;

std::string NewRequestId(Rng& rng) {
  return fmt::format("{:016X}", rng.Next());
}

Task<Answer> RefuseByName(Exchange& x) {
  co_return Refuse(kinds::kNotImplemented, fmt::format("{} is not implemented", x.operation.name));
}

Task<Answer> Write(Exchange& x) {
  switch (x.operation.op) {
    case Op::kCreateBucket:
      return CreateBucket(x);
    case Op::kDeleteBucket:
      return DeleteBucket(x);
    case Op::kPutObject:
      return PutObject(x);
    case Op::kCopyObject:
      return CopyObject(x);
    case Op::kDeleteObject:
      return DeleteObject(x);
    case Op::kDeleteObjects:
      return DeleteObjects(x);
    case Op::kCreateMultipartUpload:
      return CreateMultipartUpload(x);
    case Op::kUploadPart:
      return UploadPart(x);
    case Op::kUploadPartCopy:
      return UploadPartCopy(x);
    case Op::kCompleteMultipartUpload:
      return CompleteMultipartUpload(x);
    case Op::kAbortMultipartUpload:
      return AbortMultipartUpload(x);
    case Op::kListParts:
      return ListParts(x);
    case Op::kListMultipartUploads:
      return ListMultipartUploads(x);
    default:
      return RefuseByName(x);
  }
}

Task<Answer> Run(Exchange& x) {
  switch (x.operation.op) {
    case Op::kListBuckets:
      return ListBuckets(x);
    case Op::kHeadBucket:
      return HeadBucket(x);
    case Op::kGetBucketLocation:
      return GetBucketLocation(x);
    case Op::kGetBucketVersioning:
    case Op::kGetBucketRequestPayment:
    case Op::kGetBucketEmptyConfiguration:
    case Op::kGetBucketNoConfiguration:
      return GetBucketSetting(x);
    case Op::kGetBucketAcl:
    case Op::kGetObjectAcl:
      return GetAcl(x);
    case Op::kListObjects:
      return ListObjects(x);
    case Op::kListObjectsV2:
      return ListObjectsV2(x);
    case Op::kListObjectVersions:
      return ListObjectVersions(x);
    case Op::kGetObject:
    case Op::kHeadObject:
      return GetObject(x);
    case Op::kGetObjectAttributes:
      return GetObjectAttributes(x);
    default:
      return Write(x);
  }
}

Task<Answer> Handle(Exchange& x) {
  FB_CO_ASSIGN(x.request, ParseRequest(x.connection.request(), x.door.options.domain));
  FB_CO_TRY(Authenticate(x));
  FB_CO_ASSIGN(x.operation, OperationOf(x.request));
  co_return co_await Run(x);
}

Reply ErrorReply(const Exchange& x, const S3Error& error) {
  Reply reply{.status = error.kind.status};
  // The request may be none; then only what was sent can be named.
  const std::string_view target = x.connection.request().path();
  reply.body = ErrorXml(error, x.request.path.empty() ? target : x.request.path, x.id);
  if (error.kind.status == 416) {
    for (const auto& [name, value] : error.details) {
      if (name == "ActualObjectSize") {
        reply.headers.push_back({"Content-Range", "bytes */" + value});
      }
    }
  }
  return reply;
}

}  // namespace

Call Exchange::call() const {
  return {.deadline = env().clock.Now() + kCallTime, .cancel = cancel};
}

http::ResponseHead Exchange::HeadOf(Reply reply) const {
  http::ResponseHead head{.status = reply.status,
                          .content_type = std::move(reply.content_type),
                          .headers = std::move(reply.headers),
                          .lines = std::move(reply.lines),
                          .content_length = reply.length.value_or(reply.body.size())};
  const int64_t now_ns = env().clock.WallNanos();
  if (now_ns / 1'000'000'000 != door.date_s) {
    door.date_s = now_ns / 1'000'000'000;
    door.date = http_origin::HttpDate(now_ns);
  }
  fmt::format_to(std::back_inserter(head.lines),
                 "Date: {}\r\nx-amz-request-id: {}\r\nx-amz-id-2: {}\r\n", door.date, id, id);
  return head;
}

S3Door::S3Door(Env& env, Node& node, S3DoorOptions options)
    : parts_(new Parts{.env = env, .node = node, .options = std::move(options)}) {}
S3Door::~S3Door() = default;

http::HttpLimits S3Door::Limits(size_t connections) {
  return {.connections = connections,
          .header_bytes = kHeaderBytes,
          .idle = std::chrono::minutes(3),
          .body_bytes_per_second = kLeastBodyRate,
          .send = std::chrono::seconds(60),
          .requests = SIZE_MAX,
          .unread_body_bytes = kUnreadBodyBytes};
}

uint64_t S3Door::pinned_bytes() const {
  return parts_->pinned_bytes;
}

Task<void> S3Door::Serve(http::HttpConnection& connection, CancelToken cancel) {
  Exchange x{.door = *parts_,
             .connection = connection,
             .cancel = cancel,
             .id = NewRequestId(parts_->env.rng)};
  Answer answer = co_await Handle(x);
  if (answer && answer->sent) co_return;
  Reply reply = answer ? *std::move(answer) : ErrorReply(x, answer.error());
  const std::string body = std::exchange(reply.body, {});
  if (!reply.length) reply.length = body.size();
  const Bytes parts[] = {AsBytes(body)};
  // Whether it arrived is the client's business.
  static_cast<void>(co_await connection.Respond(x.HeadOf(std::move(reply)), parts, cancel));
}

}  // namespace forebay::s3door
