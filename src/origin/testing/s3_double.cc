#include "src/origin/testing/s3_double.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "src/base/assert.h"
#include "src/origin/http/text.h"
#include "src/origin/http/xml.h"

namespace forebay {

using http_origin::BareEtag;
using http_origin::HashSha256;
using http_origin::Hex;
using http_origin::HttpDate;
using http_origin::ParseXml;
using http_origin::PercentDecode;
using http_origin::PercentEncode;
using http_origin::QuotedEtag;
using http_origin::XmlElement;
using http_origin::XmlEscape;
using sim::FindHeader;
using sim::SimHttpReply;
using sim::SimHttpRequest;

namespace {

constexpr std::string_view kMetadata = "x-amz-meta-";
constexpr std::string_view kKept[] = {"cache-control",    "content-disposition", "content-encoding",
                                      "content-language", "content-type",        "expires"};

/// As of S3: the MD5 of those of the parts.
std::string EtagOfEtags(std::string_view etags, size_t parts) {
  std::string sums;
  for (size_t at = 0; at < etags.size(); at += 2) {
    sums += static_cast<char>(std::stoi(std::string(etags.substr(at, 2)), nullptr, 16));
  }
  std::array<std::byte, 16> sum{};
  FB_ASSERT(EVP_Digest(sums.data(), sums.size(), reinterpret_cast<unsigned char*>(sum.data()),
                       nullptr, EVP_md5(), nullptr) == 1);
  return fmt::format("{}-{}", Hex(sum), parts);
}

/// The same bytes, the same etag.
std::string EtagOf(std::string_view contents) {
  return Hex(HashSha256(AsBytes(contents))).substr(0, 32);
}

uint64_t Number(std::string_view text, uint64_t otherwise) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : otherwise;
}

std::map<std::string, std::string> Query(std::string_view text) {
  std::map<std::string, std::string> query;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const size_t equals = std::min(one.find('='), one.size());
    query[PercentDecode(one.substr(0, equals)).value()] =
        PercentDecode(one.substr(std::min(one.size(), equals + 1))).value();
  }
  return query;
}

std::string IsoDate(int64_t ns) {
  std::string basic = http_origin::BasicIsoDate(ns);
  for (const size_t at : {4, 7}) basic.insert(at, "-");
  for (const size_t at : {13, 16}) basic.insert(at, ":");
  basic.insert(19, ".000");
  return basic;
}

struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
};
/// nullopt: none of the object.
std::optional<Range> RangeOf(std::string_view header, uint64_t size) {
  if (header.empty()) return Range{0, size};
  header.remove_prefix(std::string_view("bytes=").size());
  const size_t dash = header.find('-');
  const uint64_t begin = Number(header.substr(0, dash), UINT64_MAX);
  const uint64_t last = Number(header.substr(dash + 1), UINT64_MAX - 1);
  if (begin >= size || last < begin) return std::nullopt;
  return Range{begin, std::min(size, last + 1)};
}

}  // namespace

SimHttpReply S3Error(int status, std::string_view code, std::string_view more) {
  return {.status = status,
          .headers = {{"Content-Type", "application/xml"}},
          .body = fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code>"
                              "<Message>The double says {}.</Message>{}<RequestId>R1</RequestId>"
                              "</Error>",
                              code, code, more)};
}

sim::HttpHandler S3Double::Handler() {
  return [this](const SimHttpRequest& request) { return Handle(request); };
}

uint64_t S3Double::Asked(const std::string& what) const {
  const auto found = asked_.find(what);
  return found == asked_.end() ? 0 : found->second;
}

std::string_view S3Double::Request::Header(std::string_view name) const {
  return FindHeader(http.headers, name);
}

std::string S3Double::Put(const std::string& key, std::string contents) {
  const std::string etag = EtagOf(contents);
  Store(key, {.contents = std::move(contents), .etag = etag});
  return etag;
}

void S3Double::PutTagged(const std::string& key, uint64_t tag, uint64_t size) {
  Store(key, {.etag = fmt::format("tag-{}", tag), .tag = tag, .tagged_size = size});
}

void S3Double::Store(const std::string& key, Object object) {
  object.modified_ns = Now();
  history_[key][object.etag] = object.contents;
  objects_[key] = std::move(object);
}

std::optional<std::string> S3Double::ContentsOf(const std::string& key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() ? std::nullopt : std::optional(found->second.contents);
}

bool S3Double::EverHad(const std::string& key, const std::string& etag) const {
  const auto found = history_.find(key);
  return found != history_.end() && found->second.contains(etag);
}

bool S3Double::IsRight(const std::string& key, const std::string& etag, uint64_t offset,
                       Bytes bytes) const {
  if (!EverHad(key, etag)) return false;
  const std::string& contents = history_.at(key).at(etag);
  return offset + bytes.size() <= contents.size() &&
         contents.compare(offset, bytes.size(), AsText(bytes)) == 0;
}

SimHttpReply S3Double::Ok(std::vector<HttpHeader> headers, std::string body) const {
  headers.push_back({"Date", HttpDate(Now())});
  return {.status = 200, .headers = std::move(headers), .body = std::move(body)};
}

SimHttpReply S3Double::Handle(const SimHttpRequest& request) {
  if (!scripted_.empty()) {
    SimHttpReply reply = std::move(scripted_.front());
    scripted_.erase(scripted_.begin());
    return reply;
  }
  if (auto refused = CheckSignature(request)) return std::move(*refused);
  std::string_view path = std::string_view(request.path).substr(0, request.path.find('?'));
  const size_t question = request.path.find('?');
  Request asked{.http = request};
  if (question != std::string::npos) asked.query = Query(request.path.substr(question + 1));
  if (path.starts_with('/')) path.remove_prefix(1);
  const size_t host = request.url.find("://") + 3;
  if (request.url.compare(host, options_.bucket.size() + 1, options_.bucket + ".") != 0) {
    const std::string_view bucket = path.substr(0, path.find('/'));
    if (bucket != options_.bucket) {
      if (request.method == "HEAD") return {.status = 404, .body = {}};  // without words
      return S3Error(404, "NoSuchBucket");
    }
    path.remove_prefix(std::min(path.size(), bucket.size() + 1));
  }
  asked.key = PercentDecode(path).value();
  return Dispatch(asked);
}

SimHttpReply S3Double::Dispatch(const Request& asked) {
  const std::string& method = asked.http.method;
  const auto count = [&](const std::string& what) { ++asked_[what]; };
  if (asked.key.empty() && asked.Has("uploads")) return count("list uploads"), Uploads(asked);
  if (asked.key.empty() && method == "HEAD") return count("HEAD bucket"), Ok({}, "");
  if (asked.key.empty()) return count("list"), List(asked);
  if (asked.Has("uploads")) return count("POST uploads"), CreateUpload(asked);
  if (asked.Has("uploadId")) {
    const std::string& id = asked.query.at("uploadId");
    const auto upload = uploads_.find(id);
    if (upload == uploads_.end() || upload->second.key != asked.key) {
      auto refused = options_.condition_before_upload ? CheckCondition(asked) : std::nullopt;
      return refused ? std::move(*refused) : S3Error(404, "NoSuchUpload");
    }
    if (method == "PUT") return count("PUT part"), PutPart(asked, upload->second);
    if (method == "GET") return count("GET parts"), Parts(asked, upload->second);
    if (method == "POST") return count("POST complete"), Complete(asked, id);
    count("DELETE upload");
    uploads_.erase(upload);
    return {.status = 204};
  }
  count(method);
  if (method == "GET") return Get(asked, true);
  if (method == "HEAD") return Get(asked, false);
  if (method == "PUT") return PutObject(asked);
  if (method == "DELETE") return Delete(asked);
  return S3Error(405, "MethodNotAllowed");
}

S3Double::Said S3Double::SaidIn(const Request& asked) {
  Said said;
  for (const HttpHeader& header : asked.http.headers) {
    const bool kept = std::ranges::find(kKept, header.name) != std::end(kKept);
    if (kept || header.name.starts_with(kMetadata)) said[header.name] = header.value;
  }
  return said;
}

SimHttpReply S3Double::Get(const Request& asked, bool with_body) {
  const auto found = objects_.find(asked.key);
  if (found == objects_.end()) return S3Error(404, "NoSuchKey");
  const Object& object = found->second;
  const std::string_view if_match = asked.Header("If-Match");
  if (!if_match.empty() && BareEtag(if_match) != object.etag) {
    return S3Error(412, "PreconditionFailed");
  }
  const uint64_t size = object.size();
  SimHttpReply reply = Ok({{"ETag", QuotedEtag(object.etag)},
                           {"Last-Modified", HttpDate(object.modified_ns)},
                           {"Accept-Ranges", "bytes"}});
  for (const auto& [name, value] : object.said) reply.headers.push_back({name, value});
  if (!with_body) {
    reply.headers.push_back({"Content-Length", std::to_string(size)});
    return reply;
  }
  const auto range = RangeOf(asked.Header("Range"), size);
  if (!range) return S3Error(416, "InvalidRange");
  const uint64_t length = range->end - range->begin;
  reply.body = object.tag ? sim::SimBody::Tagged(*object.tag, range->begin, length)
                          : sim::SimBody(object.contents.substr(range->begin, length));
  if (!asked.Header("Range").empty()) {
    reply.status = 206;
    reply.headers.push_back(
        {"Content-Range", fmt::format("bytes {}-{}/{}", range->begin, range->end - 1, size)});
  }
  return reply;
}

std::optional<SimHttpReply> S3Double::CheckCondition(const Request& asked) const {
  const auto found = objects_.find(asked.key);
  if (asked.Header("If-None-Match") == "*" && found != objects_.end()) {
    return S3Error(412, "PreconditionFailed");
  }
  const std::string_view if_match = asked.Header("If-Match");
  if (if_match.empty()) return std::nullopt;
  if (found == objects_.end()) return S3Error(404, "NoSuchKey");
  if (BareEtag(if_match) != found->second.etag) return S3Error(412, "PreconditionFailed");
  return std::nullopt;
}

SimHttpReply S3Double::PutObject(const Request& asked) {
  if (auto refused = CheckCondition(asked)) return std::move(*refused);
  Object object{
      .contents = asked.http.body, .etag = EtagOf(asked.http.body), .said = SaidIn(asked)};
  SimHttpReply reply = Ok({{"ETag", QuotedEtag(object.etag)}});
  Store(asked.key, std::move(object));
  return reply;
}

SimHttpReply S3Double::Delete(const Request& asked) {
  if (options_.knows_conditional_delete) {
    if (auto refused = CheckCondition(asked)) return std::move(*refused);
  }
  objects_.erase(asked.key);
  return {.status = 204};
}

SimHttpReply S3Double::CreateUpload(const Request& asked) {
  const std::string id = fmt::format("upload/{}+", ++last_upload_);
  uploads_[id] = {.key = asked.key, .said = SaidIn(asked), .parts = {}};
  return Ok({}, fmt::format("<InitiateMultipartUploadResult><UploadId>{}</UploadId>"
                            "</InitiateMultipartUploadResult>",
                            id));
}

SimHttpReply S3Double::Uploads(const Request& asked) const {
  const auto get = [&](const std::string& name) {
    const auto found = asked.query.find(name);
    return found == asked.query.end() ? std::string() : found->second;
  };
  std::vector<std::pair<std::string, std::string>> pending;  // key, id
  pending.reserve(uploads_.size());
  for (const auto& [id, upload] : uploads_) pending.emplace_back(upload.key, id);
  std::ranges::sort(pending);
  const std::pair<std::string, std::string> after(get("key-marker"), get("upload-id-marker"));
  constexpr size_t kPage = 2;
  std::string body, next;
  size_t told = 0;
  bool more = false;
  for (const auto& [key, id] : pending) {
    if (!key.starts_with(get("prefix")) || std::pair(key, id) <= after) continue;
    more = told == kPage;
    if (more) break;
    ++told;
    const std::string shown = XmlEscape(PercentEncode(key, true));
    body += fmt::format(
        "<Upload><Key>{}</Key><UploadId>{}</UploadId><Initiated>{}</Initiated>"
        "</Upload>",
        shown, id, IsoDate(Now()));
    next = fmt::format(
        "<NextKeyMarker>{}</NextKeyMarker><NextUploadIdMarker>{}"
        "</NextUploadIdMarker>",
        shown, id);
  }
  return Ok({{"Content-Type", "application/xml"}},
            fmt::format("<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>"
                        "{}</IsTruncated>{}{}</ListMultipartUploadsResult>",
                        more, more ? next : "", body));
}

SimHttpReply S3Double::PutPart(const Request& asked, Upload& upload) {
  const auto number = static_cast<uint32_t>(Number(asked.query.at("partNumber"), 0));
  if (number < 1 || number > 10'000) return S3Error(400, "InvalidArgument");
  const std::string etag = EtagOf(asked.http.body);
  upload.parts[number] = {.contents = asked.http.body, .etag = etag, .said = {}};
  return Ok({{"ETag", QuotedEtag(etag)}});
}

SimHttpReply S3Double::Parts(const Request& asked, const Upload& upload) {
  const uint64_t after = Number(asked.query.at("part-number-marker"), 0);
  constexpr size_t kPage = 3;
  std::string body = "<ListPartsResult>";
  size_t told = 0;
  bool more = false;
  for (const auto& [number, part] : upload.parts) {
    if (number <= after) continue;
    more = told == kPage;
    if (more) break;
    ++told;
    body += fmt::format(
        "<Part><PartNumber>{}</PartNumber><ETag>&quot;{}&quot;</ETag><Size>{}"
        "</Size></Part>",
        number, part.etag, part.contents.size());
  }
  return Ok({}, body + fmt::format("<IsTruncated>{}</IsTruncated></ListPartsResult>", more));
}

SimHttpReply S3Double::Complete(const Request& asked, const std::string& id) {
  if (failing_completions_ > 0) {
    --failing_completions_;
    return S3Error(200, failing_code_);
  }
  Upload& upload = uploads_.at(id);
  const auto root = ParseXml(asked.http.body);
  if (!root || root->children.empty()) return S3Error(400, "MalformedXML");
  Object object{.said = upload.said};
  uint64_t last = 0;
  std::string etags;
  for (const XmlElement& child : root->children) {
    const uint64_t number = Number(child.Text("PartNumber"), 0);
    if (number <= last) return S3Error(400, "InvalidPartOrder");
    last = number;
    const auto part = upload.parts.find(static_cast<uint32_t>(number));
    if (part == upload.parts.end() || part->second.etag != BareEtag(child.Text("ETag"))) {
      return S3Error(400, "InvalidPart");
    }
    if (&child != &root->children.back() &&
        part->second.contents.size() < options_.min_part_bytes) {
      return S3Error(400, "EntityTooSmall");
    }
    object.contents += part->second.contents;
    etags += part->second.etag;
  }
  if (auto refused = CheckCondition(asked)) return std::move(*refused);
  object.etag = EtagOfEtags(etags, root->children.size());
  SimHttpReply reply =
      Ok({}, fmt::format("<?xml version=\"1.0\"?>\n<CompleteMultipartUploadResult><ETag>&quot;{}"
                         "&quot;</ETag></CompleteMultipartUploadResult>",
                         object.etag));
  Store(asked.key, std::move(object));
  uploads_.erase(id);
  return reply;
}

namespace {

/// Everything a listing is made of but the bucket.
struct Listing {
  std::string prefix, delimiter, after;
  uint64_t most = 1000;
  bool spaces_as_plus = true;

  std::string Encoded(const std::string& key) const {
    std::string encoded = PercentEncode(key, true);
    for (size_t at = 0; spaces_as_plus && (at = encoded.find("%20", at)) != encoded.npos;) {
      encoded.replace(at, 3, "+");
    }
    return encoded;
  }
};

}  // namespace

SimHttpReply S3Double::List(const Request& asked) {
  const auto get = [&](const std::string& name) {
    const auto found = asked.query.find(name);
    return found == asked.query.end() ? std::string() : found->second;
  };
  Listing listing{.prefix = get("prefix"),
                  .delimiter = get("delimiter"),
                  .after = get("start-after"),
                  .most = Number(get("max-keys"), 1000),
                  .spaces_as_plus = options_.spaces_as_plus};
  // A token is the last name told; all below a prefix that was told has been told, too.
  const std::string token = get("continuation-token");
  if (!token.empty()) listing.after = PercentDecode(token).value();
  const bool below = !token.empty() && !listing.delimiter.empty() &&
                     listing.after.size() > listing.prefix.size() &&
                     listing.after.ends_with(listing.delimiter);
  std::string body, told;
  uint64_t count = 0;
  bool more = false;
  for (const auto& [key, object] : objects_) {
    if (!key.starts_with(listing.prefix) || key <= listing.after) continue;
    if (below && key.starts_with(listing.after)) continue;
    const size_t cut = listing.delimiter.empty()
                           ? std::string::npos
                           : key.find(listing.delimiter, listing.prefix.size());
    const std::string name = cut == std::string::npos ? key : key.substr(0, cut + 1);
    if (count > 0 && name == told) continue;
    more = count == listing.most;
    if (more) break;
    ++count;
    told = name;
    body += cut == std::string::npos
                ? fmt::format(
                      "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>&quot;{}"
                      "&quot;</ETag><Size>{}</Size></Contents>",
                      XmlEscape(listing.Encoded(name)), IsoDate(object.modified_ns), object.etag,
                      object.size())
                : fmt::format("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>",
                              XmlEscape(listing.Encoded(name)));
  }
  if (more) {
    body += fmt::format("<NextContinuationToken>{}</NextContinuationToken>",
                        XmlEscape(PercentEncode(told, false)));
  }
  return Ok({{"Content-Type", "application/xml"}},
            fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
                        "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><EncodingType>url"
                        "</EncodingType><IsTruncated>{}</IsTruncated>{}</ListBucketResult>",
                        more, body));
}

}  // namespace forebay
