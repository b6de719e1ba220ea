// Uploads in parts. All state is the origin's: an upload is there for every node, and outlives
// them.
#include <fmt/format.h>

#include <charconv>
#include <map>

#include "src/base/units.h"
#include "src/front/s3/write_request.h"
#include "src/front/s3/writing.h"
#include "src/origin/http/text.h"

namespace forebay::s3door {
namespace {

constexpr uint64_t kMinPartBytes = 5 * kMiB;
constexpr size_t kMaxPartListBytes = size_t{4} << 20;
constexpr uint32_t kMostParts = 1000;  // of one listing
constexpr Duration kCommitTime = std::chrono::minutes(30);

/// As the client has it.
std::string ShownId(const Exchange& x) {
  return x.request.QueryOr("uploadId", "");
}

S3Error NoSuchUpload(const Exchange& x) {
  S3Error missing(kinds::kNoSuchUpload);
  return std::move(missing.With("UploadId", ShownId(x)));
}

/// As the origin has it; kNoSuchUpload where nobody here gave it out for this key.
Outcome<std::string> UploadId(const Exchange& x, Rights needed) {
  FB_ASSIGN(const auto bucket, BucketOf(x, needed));
  auto id = x.door.shared.upload_ids.Open(bucket->config.id, x.request.key, ShownId(x));
  if (!id) return std::unexpected(NoSuchUpload(x));
  return *std::move(id);
}

/// What is not there is the upload, unless the bucket is not.
S3Error UploadError(const Exchange& x, const Error& error) {
  S3Error told = ObjectError(x, error);
  return told.kind.code == kinds::kNoSuchKey.code ? NoSuchUpload(x) : told;
}

using PartMap = std::map<uint32_t, UploadedPart>;

Task<Outcome<PartMap>> PartsOf(Exchange& x, std::string upload) {
  const auto parts =
      co_await x.node().ListParts(*x.who, x.request.NodePath(), std::move(upload), x.call());
  if (!parts) co_return std::unexpected(UploadError(x, parts.error()));
  PartMap map;
  for (const UploadedPart& part : *parts) map[part.number] = part;
  co_return map;
}

S3Error BadPart(const NamedPart& part) {
  S3Error error(kinds::kInvalidPart);
  error.With("PartNumber", std::to_string(part.number)).With("ETag", part.etag);
  return error;
}

/// The origin's own names for the parts that the client named.
Outcome<std::vector<UploadedPart>> Choose(const std::vector<NamedPart>& named,
                                          const PartMap& there) {
  std::vector<UploadedPart> chosen;
  for (const NamedPart& part : named) {
    const auto found = there.find(part.number);
    if (found == there.end() || ShownEtag(found->second.etag) != part.etag) {
      return std::unexpected(BadPart(part));
    }
    chosen.push_back(found->second);
  }
  for (size_t i = 0; i + 1 < chosen.size(); ++i) {
    if (chosen[i].size >= kMinPartBytes) continue;
    S3Error error(kinds::kEntityTooSmall);
    error.With("ProposedSize", std::to_string(chosen[i].size))
        .With("MinSizeAllowed", std::to_string(kMinPartBytes))
        .With("PartNumber", std::to_string(chosen[i].number))
        .With("ETag", named[i].etag);
    return std::unexpected(std::move(error));
  }
  return chosen;
}

Outcome<void> CheckSize(const Request& request, const std::vector<UploadedPart>& parts) {
  const std::string_view said = request.Header("x-amz-mp-object-size");
  if (said.empty()) return {};
  uint64_t size = 0;
  for (const UploadedPart& part : parts) size += part.size;
  if (said == std::to_string(size)) return {};
  return Refuse(kinds::kInvalidRequest,
                fmt::format("The provided 'x-amz-mp-object-size' header value {} does not match "
                            "what was computed: {}",
                            said, size));
}

Outcome<uint32_t> NumberOr(const Request& request, std::string_view name, uint32_t otherwise,
                           uint32_t most) {
  const std::string* text = request.Query(name);
  if (text == nullptr || text->empty()) return otherwise;
  uint32_t number = 0;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size()) {
    return Refuse(kinds::kInvalidArgument, fmt::format("{} is no number", name));
  }
  return std::min(number, most);
}

/// A completion names the checksum of the object there, not of its own body.
Outcome<void> CheckNoChecksum(const Request& request) {
  for (const http::Header* const header : request.AllHeaders()) {
    if (!AlgorithmOfHeader(header->name)) continue;
    return Refuse(kinds::kNotImplemented,
                  fmt::format("{} of a whole upload is not implemented; those of its parts are",
                              header->name));
  }
  return {};
}

std::string Quoted(std::string_view etag) {
  return fmt::format("\"{}\"", etag);
}

/// nullopt: the source has changed meanwhile, and no part was written.
Task<Outcome<std::optional<Reply>>> TryPartCopy(Exchange& x, bool afresh) {
  FB_CO_ASSIGN(const uint32_t number, ReadPartNumber(x.request));
  FB_CO_TRY(CheckWriteHeaders(x.request));
  FB_CO_ASSIGN(std::string id, UploadId(x, kWrite));
  FB_CO_ASSIGN(std::optional<Source> source, co_await OpenSource(x, afresh));
  if (!source) co_return std::nullopt;
  auto upload =
      co_await x.node().PutPart(*x.who, x.request.NodePath(), std::move(id), number, x.call());
  if (!upload) co_return std::unexpected(UploadError(x, upload.error()));
  const auto info = co_await Copy(x, *std::move(source), **upload, nullptr, nullptr);
  if (!info && info.error().kind.code == kinds::kNoSuchKey.code) {
    co_return std::unexpected(NoSuchUpload(x));
  }
  if (!info) co_return std::unexpected(info.error());
  if (!*info) co_return std::nullopt;
  XmlWriter xml;
  xml.Root("CopyPartResult").Text("LastModified", IsoDate((*info)->modified_ns));
  xml.Text("ETag", Quoted(ShownEtag((*info)->etag)));
  co_return Reply::Xml(xml.Close("CopyPartResult").Take());
}

}  // namespace

Task<Answer> CreateMultipartUpload(Exchange& x) {
  FB_CO_TRY(CheckWriteHeaders(x.request));
  FB_CO_ASSIGN(const auto bucket, BucketOf(x, kWrite));
  ObjectAttributes attributes = AttributesOf(x.request);
  FB_CO_TRY(CheckAttributes(attributes));
  if (!bucket->origin->capabilities().attributes && !HasUserMetadata(attributes)) {
    attributes.clear();
  }
  const auto id = co_await x.node().CreateMultipart(*x.who, x.request.NodePath(), x.call(),
                                                    std::move(attributes));
  if (!id) co_return std::unexpected(ObjectError(x, id.error()));
  XmlWriter xml;
  xml.Root("InitiateMultipartUploadResult").Text("Bucket", x.request.bucket);
  xml.Text("Key", x.request.key);
  xml.Text("UploadId", x.door.shared.upload_ids.Seal(bucket->config.id, x.request.key, *id));
  co_return Reply::Xml(xml.Close("InitiateMultipartUploadResult").Take());
}

Task<Answer> UploadPart(Exchange& x) {
  FB_CO_ASSIGN(const uint32_t number, ReadPartNumber(x.request));
  FB_CO_TRY(CheckWriteHeaders(x.request));
  FB_CO_ASSIGN(std::string id, UploadId(x, kWrite));
  FB_CO_ASSIGN(const auto payload, OpenPayload(x));
  auto upload =
      co_await x.node().PutPart(*x.who, x.request.NodePath(), std::move(id), number, x.call());
  if (!upload) co_return std::unexpected(UploadError(x, upload.error()));
  const auto info = co_await Receive(x, *payload, **upload, nullptr);
  if (!info && info.error().kind.code == kinds::kNoSuchKey.code) {
    co_return std::unexpected(NoSuchUpload(x));
  }
  if (!info) co_return std::unexpected(info.error());
  Reply reply = Reply::Empty();
  reply.headers = {{"ETag", Quoted(ShownEtag(info->etag))}};
  AddChecksum(*payload, reply);
  co_return reply;
}

Task<Answer> UploadPartCopy(Exchange& x) {
  return UntilItStays(x, TryPartCopy);
}

Task<Answer> CompleteMultipartUpload(Exchange& x) {
  FB_CO_ASSIGN(const std::string id, UploadId(x, kWrite));
  FB_CO_TRY(CheckNoChecksum(x.request));
  FB_CO_ASSIGN(const auto payload, OpenPayload(x));
  FB_CO_ASSIGN(const std::string body, co_await payload->ReadAll(kMaxPartListBytes, x.cancel));
  FB_CO_ASSIGN(const auto named, ReadPartList(body));
  FB_CO_ASSIGN(const PartMap there, co_await PartsOf(x, id));
  FB_CO_ASSIGN(auto parts, Choose(named, there));
  FB_CO_TRY(CheckSize(x.request, parts));
  FB_CO_ASSIGN(Condition condition, co_await WriteCondition(x));
  const auto info =
      co_await x.node().CompleteMultipart(*x.who, x.request.NodePath(), id, std::move(parts),
                                          std::move(condition), x.call(kCommitTime));
  if (!info && info.error().code() == Code::kInvalidArgument) {
    co_return Refuse(kinds::kInvalidPart, info.error().message());
  }
  if (!info) co_return std::unexpected(UploadError(x, info.error()));
  XmlWriter xml;
  xml.Root("CompleteMultipartUploadResult");
  xml.Text("Location", fmt::format("{}://{}/{}/{}", x.door.options.tls ? "https" : "http",
                                   x.request.Header("Host"), x.request.bucket,
                                   http_origin::PercentEncode(x.request.key, true)));
  xml.Text("Bucket", x.request.bucket).Text("Key", x.request.key);
  xml.Text("ETag", Quoted(ShownEtag(info->etag)));
  co_return Reply::Xml(xml.Close("CompleteMultipartUploadResult").Take());
}

Task<Answer> AbortMultipartUpload(Exchange& x) {
  FB_CO_ASSIGN(std::string id, UploadId(x, kWrite));
  const auto aborted =
      co_await x.node().AbortMultipart(*x.who, x.request.NodePath(), std::move(id), x.call());
  if (!aborted) co_return std::unexpected(UploadError(x, aborted.error()));
  co_return Reply::Empty(204);
}

Task<Answer> ListParts(Exchange& x) {
  FB_CO_ASSIGN(std::string id, UploadId(x, kList));
  FB_CO_ASSIGN(const uint32_t limit, NumberOr(x.request, "max-parts", kMostParts, kMostParts));
  FB_CO_ASSIGN(const uint32_t after, NumberOr(x.request, "part-number-marker", 0, UINT32_MAX));
  FB_CO_ASSIGN(const PartMap there, co_await PartsOf(x, std::move(id)));
  uint32_t count = 0, last = after;
  auto part = there.upper_bound(after);
  XmlWriter xml;
  std::string list;
  for (; part != there.end() && count < limit; ++part, ++count) {
    last = part->first;
    list += fmt::format(
        "<Part><PartNumber>{}</PartNumber><LastModified>{}</LastModified>"
        "<ETag>&quot;{}&quot;</ETag><Size>{}</Size></Part>",
        last, IsoDate(part->second.modified_ns), ShownEtag(part->second.etag), part->second.size);
  }
  xml.Root("ListPartsResult").Text("Bucket", x.request.bucket).Text("Key", x.request.key);
  xml.Text("UploadId", ShownId(x));
  xml.Number("PartNumberMarker", after).Number("NextPartNumberMarker", last);
  // Who asks for none would ask for ever.
  xml.Number("MaxParts", limit).Flag("IsTruncated", limit > 0 && part != there.end()).Raw(list);
  WriteOwner(xml, "Initiator");
  WriteOwner(xml);
  xml.Text("StorageClass", "STANDARD");
  co_return Reply::Xml(xml.Close("ListPartsResult").Take());
}

}  // namespace forebay::s3door
