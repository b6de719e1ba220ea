#include "src/front/s3/door.h"

#include <fmt/format.h>

#include "src/base/units.h"
#include "src/front/s3/auth.h"
#include "src/front/s3/exchange.h"
#include "src/origin/http/text.h"

namespace forebay::s3door {
namespace {

/// The longest that S3 takes: 8 KiB of headers, and keys and signatures in a query.
constexpr size_t kHeaderBytes = 32 * kKiB;
/// A request is refused before its body was read: what is not longer is read away, so that clients
/// that send before they listen hear why.
constexpr uint64_t kUnreadBodyBytes = 16 * kMiB;
/// What is being written holds memory, here and at its origin: it has to get on.
constexpr uint64_t kLeastBodyRate = 4 * kKiB;

std::string RequestId(uint64_t number) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string id(16, '0');
  for (size_t at = id.size(); at-- > 0; number >>= 4) id[at] = kDigits[number & 15];
  return id;
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
    case Op::kGetObjectTagging:
      return GetObjectTagging(x);
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
  FB_CO_TRY(CheckOwner(x.request));
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

Call Exchange::call(Duration time) {
  if (!cancel_there) cancel_there.emplace(door.shared.node_loop, env().executor, cancel);
  return {env().clock.Now() + time, cancel_there->token(), trace};
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
  ((head.lines += "Date: ") += door.date) += "\r\n";
  for (const std::string_view name : {"x-amz-request-id: ", "x-amz-id-2: "}) {
    ((head.lines += name) += id) += "\r\n";
  }
  return head;
}

/// The door on one loop.
class S3Door::OneLoop final : public http::HttpService {
 public:
  OneLoop(Env& env, Shared& shared) : parts_(env, shared) {}
  Task<void> Serve(http::HttpConnection& connection, CancelToken cancel) override;
  Env& env() { return parts_.env; }

 private:
  Parts parts_;
};

S3Door::S3Door(Env& env, Node& node, S3DoorOptions options, const std::vector<Env*>& further)
    : shared_(new Shared{.node = node, .node_loop = env.executor, .options = std::move(options)}) {
  loops_.push_back(std::make_unique<OneLoop>(env, *shared_));
  for (Env* one : further) loops_.push_back(std::make_unique<OneLoop>(*one, *shared_));
}
S3Door::~S3Door() = default;

std::vector<http::HttpLoop> S3Door::loops() {
  std::vector<http::HttpLoop> all;
  all.reserve(loops_.size());
  for (const auto& loop : loops_) all.push_back({.env = loop->env(), .service = *loop});
  return all;
}

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
  return shared_->pinned_bytes.load(std::memory_order_relaxed);
}

Task<void> S3Door::OneLoop::Serve(http::HttpConnection& connection, CancelToken cancel) {
  const Hash128 trace{.hi = parts_.env.rng.Next(), .lo = parts_.env.rng.Next()};
  Exchange x{.door = parts_,
             .connection = connection,
             .cancel = cancel,
             .id = RequestId(trace.lo),
             .trace = trace};
  Answer answer = co_await Handle(x);
  // Nobody is at work for it on the node's loop any more.
  if (x.cancel_there) co_await x.cancel_there->Join();
  if (answer && answer->sent) co_return;
  Reply reply = answer ? *std::move(answer) : ErrorReply(x, answer.error());
  const std::string body = std::exchange(reply.body, {});
  if (!reply.length) reply.length = body.size();
  const Bytes parts[] = {AsBytes(body)};
  // Whether it arrived is the client's business.
  static_cast<void>(co_await connection.Respond(x.HeadOf(std::move(reply)), parts, cancel));
}

}  // namespace forebay::s3door
