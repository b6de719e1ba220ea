// CopyObject, and what it shares with UploadPartCopy: bytes go through this node's cache.
#include <fmt/format.h>

#include "src/base/units.h"
#include "src/front/s3/write_request.h"
#include "src/front/s3/writing.h"
#include "src/origin/http/text.h"

namespace forebay::s3door {
namespace {

constexpr uint64_t kStepBytes = 2 * kMiB;
constexpr Duration kCommitTime = std::chrono::minutes(30);

bool Replaces(const Request& request) {
  return request.Header("x-amz-metadata-directive") == "REPLACE";
}

Outcome<void> CheckDirectives(const Request& request) {
  const std::string_view metadata = request.Header("x-amz-metadata-directive");
  if (!metadata.empty() && metadata != "COPY" && metadata != "REPLACE") {
    return Refuse(kinds::kInvalidArgument, "Unknown metadata directive.");
  }
  const std::string_view tagging = request.Header("x-amz-tagging-directive");
  // No object has tags, and x-amz-tagging is refused: both come to the same.
  if (!tagging.empty() && tagging != "COPY" && tagging != "REPLACE") {
    return Refuse(kinds::kInvalidArgument, "Unknown tagging directive.");
  }
  if (!request.Header("x-amz-copy-source-range").empty()) {
    return Refuse(kinds::kInvalidArgument, "A part of an object is copied by UploadPartCopy.");
  }
  return {};
}

/// What the client asks for; else that of the source, whose copy has the same bytes.
Outcome<std::optional<NamedSum>> ChecksumOfCopy(const Request& request, const Described& source) {
  const std::string_view named = request.Header("x-amz-checksum-algorithm");
  auto algorithm = AlgorithmNamed(named);
  if (!named.empty() && !algorithm) {
    return Refuse(kinds::kInvalidRequest, "Checksum algorithm provided is unsupported.");
  }
  for (const auto& [name, value] : source.attributes) {
    if (!algorithm) algorithm = AlgorithmOfHeader(name);
  }
  if (!algorithm) return std::nullopt;
  return NamedSum{.algorithm = *algorithm, .value = {}};
}

/// False: the source is another by now.
Task<Outcome<bool>> WriteAll(Exchange& x, Source source, OriginUpload& upload,
                             Description* description, std::optional<NamedSum>* checksum) {
  std::optional<Checksum> md5, sum;
  if (description != nullptr && description->keep_sums) {
    md5.emplace(Algorithm::kMd5);
    if (*checksum) sum.emplace((*checksum)->algorithm);
  }
  for (uint64_t at = source.span.begin; at < source.span.end;) {
    const auto size = std::min(kStepBytes, source.span.end - at);
    const auto window = co_await ReadObject(x, source.handle, at, size);
    if (!window && window.error().code() == Code::kVersionChanged) co_return false;
    if (!window) co_return std::unexpected(S3Error(window.error()));
    std::vector<Bytes> pieces;
    for (const ReadResult::Piece& piece : window->all()) pieces.push_back(piece.view.bytes());
    for (const Bytes piece : pieces) {
      if (md5) md5->Add(piece);
      if (sum) sum->Add(piece);
    }
    const auto written = co_await upload.Write(pieces, x.call());
    if (!written) co_return std::unexpected(ObjectError(x, written.error()));
    at += size;
  }
  if (!md5) co_return true;
  if (sum) (*checksum)->value = http_origin::Base64(AsBytes(sum->Finish()));
  FB_CO_TRY(co_await DescribeSums(x, upload, *description, http_origin::Hex(AsBytes(md5->Finish())),
                                  *checksum));
  co_return true;
}

/// Without the sums, which are made anew.
ObjectAttributes AttributesOfCopy(const Request& request, const Described& source) {
  if (Replaces(request)) return AttributesOf(request);
  ObjectAttributes attributes = source.attributes;
  std::erase_if(attributes, [](const auto& one) {
    return one.first == kMd5Attribute || one.first.starts_with(kChecksumPrefix);
  });
  return attributes;
}

/// nullopt: the source has changed meanwhile, and nothing was written.
Task<Outcome<std::optional<Reply>>> TryCopy(Exchange& x, bool afresh) {
  FB_CO_TRY(CheckWriteHeaders(x.request));
  FB_CO_TRY(CheckDirectives(x.request));
  FB_CO_ASSIGN(const CopySource named, ReadCopySource(x.request));
  if (named.bucket == x.request.bucket && named.key == x.request.key && !Replaces(x.request)) {
    co_return Refuse(kinds::kInvalidRequest,
                     "This copy request is illegal because it is trying to copy an object to "
                     "itself without changing the object's metadata, storage class, website "
                     "redirect location or encryption attributes.");
  }
  FB_CO_ASSIGN(const auto bucket, BucketOf(x, kWrite));
  FB_CO_ASSIGN(const std::optional<Source> source, co_await OpenSource(x, afresh));
  if (!source) co_return std::nullopt;
  FB_CO_ASSIGN(Condition condition, co_await WriteCondition(x));
  const auto kept = co_await DescriptionOf(x, source->handle);
  if (!kept && kept.error().code() == Code::kVersionChanged) co_return std::nullopt;
  if (!kept) co_return std::unexpected(S3Error(kept.error()));
  FB_CO_ASSIGN(std::optional<NamedSum> checksum, ChecksumOfCopy(x.request, **kept));
  Description description = Description::Of(*bucket, AttributesOfCopy(x.request, **kept));
  auto upload = co_await x.node().Put(*x.who, x.request.NodePath(), std::move(condition), x.call());
  if (!upload) co_return std::unexpected(ObjectError(x, upload.error()));
  const auto described = co_await Describe(x, **upload, description.attributes);
  if (!described) {
    co_await (*upload)->Abort();
    co_return std::unexpected(described.error());
  }
  FB_CO_ASSIGN(const auto info, co_await Copy(x, *source, **upload, &description, &checksum));
  if (!info) co_return std::nullopt;
  XmlWriter xml;
  xml.Root("CopyObjectResult").Text("LastModified", IsoDate(info->modified_ns));
  xml.Text("ETag", fmt::format("\"{}\"", description.etag(*info)));
  if (checksum && !description.md5.empty()) {
    WriteChecksum(xml, checksum->algorithm, checksum->value);
  }
  co_return Reply::Xml(xml.Close("CopyObjectResult").Take());
}

}  // namespace

Task<Outcome<std::optional<Source>>> OpenSource(Exchange& x, bool afresh) {
  FB_CO_ASSIGN(const CopySource named, ReadCopySource(x.request));
  const std::string path = fmt::format("/{}/{}", named.bucket, StoredKey(named.key));
  const auto handle = co_await OpenObject(x, path, afresh);
  if (!handle) {
    // Errors of the source are told as those of an object that is read.
    Exchange source{.door = x.door,
                    .connection = x.connection,
                    .cancel = x.cancel,
                    .id = x.id,
                    .trace = x.trace};
    source.request.bucket = named.bucket;
    source.request.key = named.key;
    co_return std::unexpected(ObjectError(source, handle.error()));
  }
  const ObjectInfo& info = ObjectOf(**handle).info;
  const auto etag = co_await EtagOf(x, *handle);
  if (!etag && (!afresh || etag.error().code() == Code::kVersionChanged)) co_return std::nullopt;
  if (!etag) co_return std::unexpected(S3Error(etag.error()));
  const ObjectState state{.etag = *etag, .size = info.size, .modified_ns = info.modified_ns};
  if (Decide(Conditions::OfCopySource(x.request), state, nullptr) != Verdict::kProceed) {
    if (!afresh) co_return std::nullopt;
    co_return Refuse(kinds::kPreconditionFailed);
  }
  Source source{.handle = *handle, .span = {0, info.size}};
  if (const auto range = x.request.Header("x-amz-copy-source-range"); !range.empty()) {
    FB_CO_ASSIGN(const auto span, ReadCopyRange(range, info.size));
    source.span = {span.first, span.second};
  }
  if (source.span.end - source.span.begin > kMaxPutBytes) {
    co_return Refuse(kinds::kInvalidRequest,
                     "The specified copy source is larger than the maximum allowable size for a "
                     "copy source: 5368709120");
  }
  co_return source;
}

Task<Outcome<std::optional<ObjectInfo>>> Copy(Exchange& x, Source source, OriginUpload& upload,
                                              Description* description,
                                              std::optional<NamedSum>* checksum) {
  const auto written = co_await WriteAll(x, std::move(source), upload, description, checksum);
  if (!written || !*written) {
    co_await upload.Abort();
    if (!written) co_return std::unexpected(written.error());
    co_return std::nullopt;
  }
  auto info = co_await upload.Commit(x.call(kCommitTime));
  if (info) co_return std::move(*info);
  co_await upload.Abort();
  co_return std::unexpected(ObjectError(x, info.error()));
}

Task<Answer> CopyObject(Exchange& x) {
  return UntilItStays(x, TryCopy);
}

}  // namespace forebay::s3door
