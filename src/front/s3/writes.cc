// PutObject, and how bodies get into uploads.
#include <fmt/format.h>

#include "src/front/s3/text.h"
#include "src/front/s3/write_request.h"
#include "src/front/s3/writing.h"

namespace forebay::s3door {
namespace {

constexpr std::string_view kUserPrefix = "x-amz-meta-";
constexpr size_t kMaxUserBytes = 2048;
constexpr std::string_view kKept[] = {"cache-control",    "content-disposition", "content-encoding",
                                      "content-language", "content-type",        "expires"};
/// Writing the last of an object may take long: parts are put together.
constexpr Duration kCommitTime = std::chrono::minutes(30);

/// "aws-chunked,gzip" is "gzip": the first is gone by the time the object is there.
std::string WithoutFraming(std::string_view encodings) {
  std::string rest;
  while (!encodings.empty()) {
    std::string_view one = encodings.substr(0, encodings.find(','));
    encodings.remove_prefix(std::min(encodings.size(), one.size() + 1));
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (one.empty() || one == "aws-chunked") continue;
    rest += (rest.empty() ? "" : ",") + std::string(one);
  }
  return rest;
}

Task<Outcome<void>> WriteAll(Exchange& x, Payload& payload, OriginUpload& upload) {
  for (;;) {
    FB_CO_ASSIGN(const Bytes piece, co_await payload.Next(x.cancel));
    if (piece.empty()) co_return Outcome<void>();
    const auto written = co_await upload.Write(std::span(&piece, 1), x.call());
    if (!written) co_return std::unexpected(ObjectError(x, written.error()));
  }
}

}  // namespace

ObjectAttributes AttributesOf(const Request& request) {
  ObjectAttributes attributes;
  for (const http::Header* const sent : request.AllHeaders()) {
    const http::Header& header = *sent;
    const std::string name = Lower(header.name);
    const bool kept = std::ranges::find(kKept, name) != std::end(kKept);
    if (!kept && !name.starts_with(kUserPrefix)) continue;
    std::string value = name == "content-encoding" ? WithoutFraming(header.value) : header.value;
    const auto same = std::ranges::find(attributes, name, &ObjectAttributes::value_type::first);
    if (same != attributes.end()) {
      if (!value.empty()) same->second += "," + value;
    } else if (!value.empty() || name.starts_with(kUserPrefix)) {
      attributes.emplace_back(name, std::move(value));
    }
  }
  std::ranges::sort(attributes);
  return attributes;
}

bool HasUserMetadata(const ObjectAttributes& attributes) {
  return std::ranges::any_of(attributes,
                             [](const auto& one) { return one.first.starts_with(kUserPrefix); });
}

Outcome<void> CheckAttributes(const ObjectAttributes& attributes) {
  size_t bytes = 0;
  for (const auto& [name, value] : attributes) {
    if (name.starts_with(kUserPrefix)) bytes += name.size() - kUserPrefix.size() + value.size();
  }
  if (bytes <= kMaxUserBytes) return {};
  return Refuse(
      {"MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size"});
}

Task<Outcome<void>> Describe(Exchange& x, OriginUpload& upload, ObjectAttributes attributes) {
  FB_CO_TRY(CheckAttributes(attributes));
  const bool of_the_user = HasUserMetadata(attributes);
  const auto described = co_await upload.Describe(std::move(attributes), x.call());
  if (described || (described.error().code() == Code::kUnsupported && !of_the_user)) {
    co_return Outcome<void>();
  }
  co_return std::unexpected(S3Error(described.error()));
}

Task<Outcome<Condition>> WriteCondition(Exchange& x) {
  const std::string_view none = x.request.Header("If-None-Match");
  const std::string_view match = x.request.Header("If-Match");
  if (!none.empty() && (none != "*" || !match.empty())) {
    co_return Refuse(kinds::kNotImplemented,
                     "of writes, If-None-Match: * and If-Match: ETAG are implemented, one of them");
  }
  if (!none.empty()) co_return Condition{.if_absent = true};
  if (match.empty()) co_return Condition{};
  // The origin decides by its own name for the state, which what we show is only made of.
  const auto handle = co_await OpenObject(x, x.request.NodePath(), true);
  if (!handle) co_return std::unexpected(ObjectError(x, handle.error()));
  const auto shown = co_await EtagOf(x, *handle);
  if (!shown) co_return std::unexpected(ObjectError(x, shown.error()));
  if (NamesEtag(match, *shown)) co_return Condition{.if_match = ObjectOf(**handle).info.etag};
  S3Error error(kinds::kPreconditionFailed);
  co_return std::unexpected(std::move(error.With("Condition", "If-Match")));
}

Outcome<std::unique_ptr<Payload>> OpenPayload(Exchange& x) {
  FB_ASSIGN(PayloadPlan plan, PlanPayload(x.request, x.payload));
  const http::RequestHead& head = *x.request.head;
  if (!head.content_length && !head.has_body) return Refuse(kinds::kMissingContentLength);
  if (plan.size && *plan.size > kMaxPutBytes) {
    S3Error error(kinds::kEntityTooLarge);
    error.With("ProposedSize", std::to_string(*plan.size));
    error.With("MaxSizeAllowed", std::to_string(kMaxPutBytes));
    return std::unexpected(std::move(error));
  }
  return std::make_unique<Payload>(x.connection, std::move(plan), x.signing);
}

Task<Outcome<void>> DescribeSums(Exchange& x, OriginUpload& upload, Description& description,
                                 std::string md5, const std::optional<NamedSum>& checksum) {
  ObjectAttributes attributes = description.attributes;
  attributes.emplace_back(kMd5Attribute, md5);
  if (checksum) attributes.emplace_back(HeaderOf(checksum->algorithm), checksum->value);
  const auto described = co_await upload.Describe(std::move(attributes), x.call());
  if (described) description.md5 = std::move(md5);
  if (described || described.error().code() == Code::kUnsupported) co_return Outcome<void>();
  co_return std::unexpected(S3Error(described.error()));
}

Task<Outcome<ObjectInfo>> Receive(Exchange& x, Payload& payload, OriginUpload& upload,
                                  Description* description) {
  const bool keep_sums = description != nullptr && description->keep_sums;
  if (keep_sums) payload.WantMd5();
  auto written = co_await WriteAll(x, payload, upload);
  if (written && keep_sums) {
    std::optional<NamedSum> checksum;
    if (payload.checksum()) checksum.emplace(*payload.checksum(), payload.checksum_value());
    written = co_await DescribeSums(x, upload, *description, payload.md5(), checksum);
  }
  if (!written) {
    co_await upload.Abort();
    co_return std::unexpected(written.error());
  }
  auto info = co_await upload.Commit(x.call(kCommitTime));
  if (info) co_return std::move(*info);
  co_await upload.Abort();
  co_return std::unexpected(ObjectError(x, info.error()));
}

void AddChecksum(const Payload& payload, Reply& reply) {
  if (!payload.checksum()) return;
  reply.headers.push_back({std::string(HeaderOf(*payload.checksum())), payload.checksum_value()});
  reply.headers.push_back({"x-amz-checksum-type", "FULL_OBJECT"});
}

Task<Answer> PutObject(Exchange& x) {
  FB_CO_ASSIGN(const auto bucket, BucketOf(x, kWrite));
  FB_CO_TRY(CheckWriteHeaders(x.request));
  FB_CO_ASSIGN(const auto payload, OpenPayload(x));
  FB_CO_ASSIGN(Condition condition, co_await WriteCondition(x));
  auto upload = co_await x.node().Put(*x.who, x.request.NodePath(), std::move(condition), x.call());
  if (!upload) co_return std::unexpected(ObjectError(x, upload.error()));
  Description description = Description::Of(*bucket, AttributesOf(x.request));
  const auto described = co_await Describe(x, **upload, description.attributes);
  if (!described) {
    co_await (*upload)->Abort();
    co_return std::unexpected(described.error());
  }
  FB_CO_ASSIGN(const ObjectInfo info, co_await Receive(x, *payload, **upload, &description));
  Reply reply = Reply::Empty();
  reply.headers = {{"ETag", fmt::format("\"{}\"", description.etag(info))}};
  AddChecksum(*payload, reply);
  co_return reply;
}

}  // namespace forebay::s3door
