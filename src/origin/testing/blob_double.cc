#include "src/origin/testing/blob_double.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "src/base/crc.h"
#include "src/origin/http/text.h"
#include "src/origin/http/xml.h"

namespace forebay {

using http_origin::HttpDate;
using http_origin::PercentDecode;
using http_origin::XmlElement;
using http_origin::XmlEscape;
using sim::FindHeader;
using sim::SimHttpReply;
using sim::SimHttpRequest;

namespace {

constexpr std::string_view kMetadata = "x-ms-meta-";
constexpr std::string_view kProperty = "x-ms-blob-";
constexpr uint64_t kMaxJudgedBytes = 4 << 20;

uint64_t Number(std::string_view text, uint64_t otherwise) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : otherwise;
}

std::map<std::string, std::string> ReadQuery(std::string_view text) {
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

/// In the order of hierarchical accounts: part by part.
bool PartsBefore(std::string_view a, std::string_view b) {
  const auto weight = [](char c) {
    return c == '/' ? -1 : static_cast<int>(static_cast<uint8_t>(c));
  };
  return std::ranges::lexicographical_compare(a, b, {}, weight, weight);
}

}  // namespace

SimHttpReply BlobError(int status, std::string_view code, std::string_view message) {
  return {.status = status,
          .headers = {{"Content-Type", "application/xml"},
                      {"x-ms-error-code", std::string(code)},
                      {"x-ms-request-id", "r-1"}},
          .body = fmt::format("<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{}</Code>"
                              "<Message>{}\nRequestId:r-1</Message></Error>",
                              code, message)};
}

sim::HttpHandler BlobDouble::Handler() {
  return [this](const SimHttpRequest& request) {
    SimHttpReply reply = Handle(request);
    reply.headers.push_back({"Date", HttpDate(options_.now())});
    return reply;
  };
}

uint64_t BlobDouble::Asked(const std::string& what) const {
  const auto found = asked_.find(what);
  return found == asked_.end() ? 0 : found->second;
}

std::string_view BlobDouble::Request::Header(std::string_view name) const {
  return FindHeader(http.headers, name);
}

std::string BlobDouble::Request::Query(const std::string& name) const {
  const auto found = query.find(name);
  return found == query.end() ? "" : found->second;
}

SimHttpReply BlobDouble::Handle(const SimHttpRequest& http) {
  if (!scripted_.empty()) {
    SimHttpReply reply = scripted_.front();
    scripted_.erase(scripted_.begin());
    return reply;
  }
  const size_t question = std::min(http.path.find('?'), http.path.size());
  Request asked{.http = http,
                .path = http.path.substr(0, question),
                .query = ReadQuery(
                    std::string_view(http.path).substr(std::min(http.path.size(), question + 1)))};
  if (asked.Header("x-ms-version").empty() || asked.Header("x-ms-client-request-id").empty()) {
    return BlobError(400, "MissingRequiredHeader");
  }
  if (auto refused = CheckProof(asked)) return *refused;
  const std::string path = PercentDecode(asked.path).value();
  const size_t slash = std::min(path.find('/', 1), path.size());
  if (path.substr(1, slash - 1) != options_.container) return BlobError(404, "ContainerNotFound");
  if (slash < path.size()) asked.blob = path.substr(slash + 1);
  return Dispatch(asked);
}

SimHttpReply BlobDouble::Dispatch(const Request& asked) {
  const std::string& method = asked.http.method;
  const std::string comp = asked.Query("comp");
  ++asked_[comp == "list" ? comp : method + (comp.empty() ? "" : " " + comp)];
  if (comp == "list") return List(asked);
  if (asked.blob.empty()) return BlobError(400, "InvalidUri");
  if (method == "GET" && comp == "blocklist") return Blocks(asked);
  if (method == "PUT" && comp == "blocklist") return CommitBlocks(asked);
  if (method == "PUT" && comp == "block") return StoreBlock(asked);
  if (method == "PUT") return PutObject(asked);
  if (method == "DELETE") return Delete(asked);
  return Get(asked);
}

std::optional<SimHttpReply> BlobDouble::CheckCondition(const Request& asked) const {
  const auto found = objects_.find(asked.blob);
  const bool there = found != objects_.end();
  const std::string_view match = asked.Header("If-Match");
  if (asked.Header("If-None-Match") == "*" && there) return BlobError(409, "BlobAlreadyExists");
  if (!match.empty() && (!there || match != http_origin::QuotedEtag(found->second.etag))) {
    return BlobError(412, "ConditionNotMet");
  }
  return std::nullopt;
}

SimHttpReply BlobDouble::Get(const Request& asked) {
  const auto found = objects_.find(asked.blob);
  if (found == objects_.end()) return BlobError(404, "BlobNotFound");
  if (auto refused = CheckCondition(asked)) return *refused;
  const Object& object = found->second;
  const uint64_t size = object.size();
  const auto range = RangeOf(asked.Header("Range"), size);
  if (!range) {
    Reply reply = BlobError(416, "InvalidRange");
    reply.headers.push_back({"Content-Range", fmt::format("bytes */{}", size)});
    return reply;
  }
  const bool part = !asked.Header("Range").empty();
  const bool judged = !asked.Header("x-ms-range-get-content-crc64").empty();
  if (judged && (!part || range->end - range->begin > kMaxJudgedBytes)) {
    return BlobError(400, "OutOfRangeInput");
  }
  Reply reply{.status = part ? 206 : 200,
              .headers = {{"ETag", http_origin::QuotedEtag(object.etag)},
                          {"Last-Modified", HttpDate(object.modified_ns)},
                          {"Content-Length", std::to_string(range->end - range->begin)}},
              .body = {}};
  reply.body = object.tag
                   ? sim::SimBody::Tagged(*object.tag, range->begin, range->end - range->begin)
                   : object.contents.substr(range->begin, range->end - range->begin);
  if (part) {
    reply.headers.push_back(
        {"Content-Range", fmt::format("bytes {}-{}/{}", range->begin, range->end - 1, size)});
  }
  for (const auto& [name, value] : object.said) {
    // Of a range, the plain header would be that of the range.
    const bool renamed = part && name == "content-md5";
    reply.headers.push_back({renamed ? "x-ms-blob-content-md5" : name, value});
  }
  if (object.directory && options_.hierarchical) {
    reply.headers.push_back({"x-ms-resource-type", "directory"});
  }
  if (object.directory) reply.headers.push_back({"x-ms-meta-hdi_isfolder", "true"});
  if (judged) TellCrc64(reply);
  return reply;
}

void BlobDouble::TellCrc64(Reply& reply) const {
  std::string bytes(reply.body.size(), '\0');
  reply.body.CopyTo(0, std::as_writable_bytes(std::span(bytes)));
  const uint64_t crc = Crc64(AsBytes(bytes));
  reply.headers.push_back(
      {"x-ms-content-crc64", http_origin::Base64(std::as_bytes(std::span(&crc, 1)))});
  if (bytes.empty() || !options_.damages || !options_.damages()) return;
  bytes[crc % bytes.size()] ^= 1;
  reply.body = std::move(bytes);
}

SimHttpReply BlobDouble::Store(const Request& asked, Object object) {
  for (const HttpHeader& header : asked.http.headers) {
    const std::string_view name = header.name;
    if (name == "x-ms-blob-type") continue;
    if (name.starts_with(kMetadata)) object.said[header.name] = header.value;
    if (name.starts_with(kProperty)) {
      object.said[std::string(name.substr(kProperty.size()))] = header.value;
    }
  }
  object.etag = fmt::format("0x8D{:012X}", ++last_version_);
  object.modified_ns = options_.now();
  history_[asked.blob][object.etag] = object.contents;
  uncommitted_.erase(asked.blob);  // whoever sent them
  const Reply reply{.status = 201,
                    .headers = {{"ETag", http_origin::QuotedEtag(object.etag)},
                                {"Last-Modified", HttpDate(object.modified_ns)}}};
  objects_[asked.blob] = std::move(object);
  return reply;
}

std::string BlobDouble::Put(const std::string& blob, std::string contents) {
  const SimHttpRequest http;
  Store({.http = http, .blob = blob}, {.contents = std::move(contents)});
  return objects_[blob].etag;
}

void BlobDouble::PutTagged(const std::string& blob, uint64_t tag, uint64_t size) {
  const SimHttpRequest http;
  Store({.http = http, .blob = blob}, {.tag = tag, .tagged_size = size});
}

void BlobDouble::MakeDirectory(const std::string& blob) {
  Put(blob, "");
  objects_[blob].directory = true;
}

void BlobDouble::Say(const std::string& blob, const std::string& header, std::string value) {
  objects_[blob].said[header] = std::move(value);
  objects_[blob].etag = fmt::format("0x8D{:012X}", ++last_version_);
  history_[blob][objects_[blob].etag] = objects_[blob].contents;
}

void BlobDouble::PutBlock(const std::string& blob, const std::string& id, std::string contents) {
  uncommitted_[blob][id] = std::move(contents);
}

SimHttpReply BlobDouble::PutObject(const Request& asked) {
  if (asked.Header("x-ms-blob-type") != "BlockBlob") return BlobError(400, "InvalidHeaderValue");
  const bool crc = !asked.Header("x-ms-content-crc64").empty();
  if (crc && !asked.Header("x-ms-blob-content-md5").empty()) {
    return BlobError(400, "BothCrc64AndMd5HeaderPresent");
  }
  if (auto refused = CheckCondition(asked)) return *refused;
  return Store(asked, {.contents = asked.http.body});
}

SimHttpReply BlobDouble::StoreBlock(const Request& asked) {
  const std::string id = asked.Query("blockid");
  auto& blocks = uncommitted_[asked.blob];
  const auto raw = http_origin::FromBase64(id);
  if (asked.http.body.empty() || !raw || raw->size() > 64) {
    return BlobError(400, "InvalidHeaderValue");
  }
  if (!blocks.empty() && blocks.begin()->first.size() != id.size()) {
    return BlobError(400, "InvalidBlobOrBlock");
  }
  blocks[id] = asked.http.body;
  return {.status = 201,
          .headers = {{"x-ms-content-crc64", std::string(asked.Header("x-ms-content-crc64"))}}};
}

SimHttpReply BlobDouble::CommitBlocks(const Request& asked) {
  if (auto refused = CheckCondition(asked)) return *refused;
  const auto root = http_origin::ParseXml(asked.http.body);
  if (!root) return BlobError(400, "InvalidXmlDocument");
  const auto& there = uncommitted_[asked.blob];
  Object object;
  for (const XmlElement& one : root->children) {
    const auto found = there.find(one.text);
    if (one.name != "Uncommitted" || found == there.end()) {
      return BlobError(400, "InvalidBlockList", "The specified block list is invalid.");
    }
    object.contents += found->second;
    object.blocks.emplace_back(found->first, found->second.size());
  }
  return Store(asked, std::move(object));
}

SimHttpReply BlobDouble::Blocks(const Request& asked) const {
  const auto object = objects_.find(asked.blob);
  const auto there = uncommitted_.find(asked.blob);
  const bool none = there == uncommitted_.end() || there->second.empty();
  if (object == objects_.end() && none) return BlobError(404, "BlobNotFound");
  const auto block = [](std::string_view id, uint64_t size) {
    return fmt::format("<Block><Name>{}</Name><Size>{}</Size></Block>", id, size);
  };
  std::string body = "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>";
  body += "<CommittedBlocks>";
  if (object != objects_.end()) {
    for (const auto& [id, size] : object->second.blocks) body += block(id, size);
  }
  body += "</CommittedBlocks><UncommittedBlocks>";
  if (!none) {
    for (const auto& [id, contents] : there->second) body += block(id, contents.size());
  }
  return {.body = body + "</UncommittedBlocks></BlockList>"};
}

SimHttpReply BlobDouble::Delete(const Request& asked) {
  if (!objects_.contains(asked.blob)) return BlobError(404, "BlobNotFound");
  if (auto refused = CheckCondition(asked)) return *refused;
  objects_.erase(asked.blob);
  return {.status = 202};
}

std::vector<std::string> BlobDouble::Names(const Request& asked) const {
  const std::string prefix = asked.Query("prefix"), delimiter = asked.Query("delimiter");
  std::set<std::string> names;
  const auto add = [&](const std::string& name) {
    if (!name.starts_with(prefix)) return;
    const size_t cut = delimiter.empty() ? std::string::npos : name.find(delimiter, prefix.size());
    names.insert(cut == std::string::npos ? name : name.substr(0, cut + 1));
  };
  if (asked.Query("include").find("uncommittedblobs") != std::string::npos) {
    for (const auto& [name, blocks] : uncommitted_) add(name);
  }
  for (const auto& [name, object] : objects_) {
    add(name);
    // Above every file of a hierarchical account there are directories, which are told in flat
    // listings; with a delimiter they are the prefixes.
    for (size_t at = name.find('/'); options_.hierarchical && delimiter.empty() && at != name.npos;
         at = name.find('/', at + 1)) {
      add(name.substr(0, at));
    }
  }
  std::vector<std::string> sorted(names.begin(), names.end());
  if (options_.hierarchical) std::ranges::sort(sorted, PartsBefore);
  return sorted;
}

std::string BlobDouble::Entry(const std::string& name, bool is_prefix) const {
  if (is_prefix) {
    return fmt::format("<BlobPrefix><Name>{}</Name>{}</BlobPrefix>", XmlEscape(name),
                       options_.hierarchical ? "<Properties><ResourceType>directory</ResourceType>"
                                               "</Properties>"
                                             : "");
  }
  const auto found = objects_.find(name);
  const bool unfinished = found == objects_.end() && uncommitted_.contains(name);
  const Object object = found == objects_.end() ? Object{.directory = !unfinished} : found->second;
  std::string metadata;
  if (object.directory) metadata = "<hdi_isfolder>true</hdi_isfolder>";
  for (const auto& [header, value] : object.said) {
    if (!header.starts_with(kMetadata)) continue;
    metadata += fmt::format("<{0}>{1}</{0}>", header.substr(kMetadata.size()), XmlEscape(value));
  }
  const auto md5 = object.said.find("content-md5");
  return fmt::format(
      "<Blob><Name>{}</Name><Properties><Last-Modified>{}</Last-Modified><Etag>{}</Etag>{}"
      "<Content-Length>{}</Content-Length><Content-MD5>{}</Content-MD5><BlobType>BlockBlob"
      "</BlobType></Properties><Metadata>{}</Metadata></Blob>",
      XmlEscape(name), HttpDate(object.modified_ns), object.etag,
      !options_.hierarchical ? ""
      : object.directory     ? "<ResourceType>directory</ResourceType>"
                             : "<ResourceType>file</ResourceType>",
      object.size(), md5 == object.said.end() ? "" : md5->second, metadata);
}

SimHttpReply BlobDouble::List(const Request& asked) const {
  const std::string prefix = asked.Query("prefix"), delimiter = asked.Query("delimiter");
  const std::string marker = asked.Query("marker");
  const uint64_t most =
      std::min<uint64_t>(options_.most_on_a_page, Number(asked.Query("maxresults"), 5000));
  if (most == 0) return BlobError(400, "OutOfRangeQueryParameterValue");
  const std::vector<std::string> names = Names(asked);
  size_t at = 0;
  if (!marker.empty()) {
    const auto after = http_origin::FromBase64(marker);
    if (!after) return BlobError(400, "OutOfRangeInput");
    const auto before = [&](const std::string& name) {
      return options_.hierarchical ? !PartsBefore(*after, name) : name <= *after;
    };
    while (at < names.size() && before(names[at])) ++at;
  }
  std::string body =
      "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Blobs>";
  const size_t end = std::min<size_t>(names.size(), at + most);
  for (; at < end; ++at) {
    body += Entry(names[at], !delimiter.empty() && names[at].size() > prefix.size() &&
                                 names[at].ends_with(delimiter));
  }
  body += "</Blobs>";
  if (end < names.size()) {
    body +=
        fmt::format("<NextMarker>{}</NextMarker>", http_origin::Base64(AsBytes(names[end - 1])));
  }
  return {.headers = {{"Content-Type", "application/xml"}}, .body = body + "</EnumerationResults>"};
}

std::optional<std::string> BlobDouble::ContentsOf(const std::string& blob) const {
  const auto found = objects_.find(blob);
  return found == objects_.end() ? std::nullopt : std::optional(found->second.contents);
}

bool BlobDouble::EverHad(const std::string& blob, const std::string& etag) const {
  const auto found = history_.find(blob);
  return found != history_.end() && found->second.contains(etag);
}

bool BlobDouble::IsRight(const std::string& blob, const std::string& etag, uint64_t offset,
                         Bytes bytes) const {
  if (!EverHad(blob, etag)) return false;
  const std::string& contents = history_.at(blob).at(etag);
  return offset <= contents.size() && contents.substr(offset, bytes.size()) == AsText(bytes);
}

size_t BlobDouble::UncommittedBlocks(const std::string& blob) const {
  const auto found = uncommitted_.find(blob);
  return found == uncommitted_.end() ? 0 : found->second.size();
}

}  // namespace forebay
