// CreateBucket and DeleteBucket: attachments below one origin, which the operator names.
#include <fmt/format.h>

#include "src/front/s3/listing.h"
#include "src/front/s3/writing.h"
#include "src/origin/http/xml.h"
#include "src/origin/origin_url.h"

namespace forebay::s3door {
namespace {

constexpr std::string_view kFileScheme = "file://";
constexpr size_t kMaxConfigurationBytes = size_t{64} << 10;

std::unexpected<S3Error> NoRoot(const Exchange& x) {
  return Refuse(kinds::kNotImplemented,
                fmt::format("{} needs an origin to make buckets in: start the node with "
                            "--s3-bucket-root ORIGIN, or use `forebay attach`",
                            x.operation.name));
}

/// The origin of a bucket; kInvalidArgument where the root is none.
Result<std::string> OriginOf(const std::string& root, std::string_view bucket) {
  if (root.starts_with(kFileScheme)) {
    return fmt::format("{}{}{}", root, root.ends_with('/') ? "" : "/", bucket);
  }
  FB_ASSIGN(OriginUrl url, OriginUrl::Parse(root));
  if (!url.path.empty() && !url.path.ends_with('/')) url.path += '/';
  url.path += bucket;
  return url.ToString();
}

Outcome<void> CheckConfiguration(const Exchange& x, std::string_view body) {
  for (const std::string_view header :
       {"x-amz-bucket-object-lock-enabled", "x-amz-grant-full-control", "x-amz-grant-read",
        "x-amz-grant-write", "x-amz-grant-read-acp", "x-amz-grant-write-acp"}) {
    const std::string_view value = x.request.Header(header);
    if (value.empty() || value == "false") continue;
    return Refuse(kinds::kNotImplemented, fmt::format("{} is not implemented", header));
  }
  const std::string_view acl = x.request.Header("x-amz-acl");
  if (!acl.empty() && acl != "private") {
    return Refuse(kinds::kNotImplemented, fmt::format("x-amz-acl: {} is not implemented", acl));
  }
  if (body.empty()) return {};
  const auto root = http_origin::ParseXml(body);
  if (!root || root->name != "CreateBucketConfiguration") return Refuse(kinds::kMalformedXml);
  const std::string_view place = root->Text("LocationConstraint");
  if (place.empty() || place == x.door.options.region) return {};
  return Refuse({"IllegalLocationConstraintException", 400,
                 "The specified location constraint is incompatible for the region specific "
                 "endpoint this request was sent to."});
}

Outcome<void> CheckIsNew(const Exchange& x) {
  if (!IsBucketName(x.request.bucket)) {
    S3Error error(kinds::kInvalidBucketName);
    return std::unexpected(std::move(error.With("BucketName", x.request.bucket)));
  }
  const auto there = BucketOf(x, kRead);
  const auto& kind = there ? kinds::kBucketAlreadyOwnedByYou : kinds::kBucketAlreadyExists;
  if (!there && there.error().kind.code == kinds::kNoSuchBucket.code) return {};
  S3Error error(kind);
  return std::unexpected(std::move(error.With("BucketName", x.request.bucket)));
}

}  // namespace

Task<Answer> CreateBucket(Exchange& x) {
  const std::string& root = x.door.options.bucket_root;
  FB_CO_TRY(CheckIsNew(x));
  if (root.empty()) co_return NoRoot(x);
  const auto allowed = x.node().gate().CheckAdmin(*x.who);
  if (!allowed) co_return std::unexpected(S3Error(allowed.error()));
  std::string body;
  if (x.request.head->has_body) {
    FB_CO_ASSIGN(const auto payload, OpenPayload(x));
    FB_CO_ASSIGN(body, co_await payload->ReadAll(kMaxConfigurationBytes, x.cancel));
  }
  FB_CO_TRY(CheckConfiguration(x, body));
  auto origin = OriginOf(root, x.request.bucket);
  if (!origin) co_return std::unexpected(S3Error(origin.error()));
  if (origin->starts_with(kFileScheme)) {
    const auto made = co_await x.env().disk.MakeDirectory(origin->substr(kFileScheme.size()));
    if (!made) co_return std::unexpected(S3Error(made.error()));
  }
  AttachmentConfig config{.name = x.request.bucket, .origin = std::move(*origin)};
  const auto attached = co_await x.node().Attach(*x.who, std::move(config), x.call());
  if (!attached && attached.error().code() == Code::kAlreadyExists) {
    co_return Refuse(kinds::kBucketAlreadyOwnedByYou);
  }
  if (!attached) co_return std::unexpected(S3Error(attached.error()));
  Reply reply = Reply::Empty();
  reply.headers = {{"Location", "/" + x.request.bucket}};
  co_return reply;
}

Task<Answer> DeleteBucket(Exchange& x) {
  FB_CO_ASSIGN(const auto bucket, BucketOf(x, kList));
  const std::string& root = x.door.options.bucket_root;
  if (root.empty()) co_return NoRoot(x);
  const auto allowed = x.node().gate().CheckAdmin(*x.who);
  if (!allowed) co_return std::unexpected(S3Error(allowed.error()));
  const auto origin = OriginOf(root, x.request.bucket);
  if (!origin || bucket->config.origin != *origin) {
    co_return Refuse(kinds::kAccessDenied,
                     "this bucket was attached, not created here: use `forebay detach`");
  }
  FB_CO_ASSIGN(const Listed listed, co_await ListNames(x, {.limit = 1}));
  if (!listed.entries.empty()) {
    S3Error error(kinds::kBucketNotEmpty);
    co_return std::unexpected(std::move(error.With("BucketName", x.request.bucket)));
  }
  const auto detached = co_await x.node().Detach(*x.who, x.request.bucket, x.call());
  if (!detached) co_return std::unexpected(ObjectError(x, detached.error()));
  co_return Reply::Empty(204);
}

}  // namespace forebay::s3door
