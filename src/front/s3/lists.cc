// ListObjects, ListObjectsV2 and ListObjectVersions.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "src/front/s3/listing.h"
#include "src/origin/http/text.h"

namespace forebay::s3door {
namespace {

constexpr uint32_t kMostKeys = 1000;
/// What a token begins with, so that another form can be told from this one some day.
constexpr std::string_view kTokenMark = "1:";

/// How an answer writes names: keys may hold what XML cannot.
class Names {
 public:
  static Outcome<Names> Of(const Request& request) {
    Names names;
    if (const std::string* encoding = request.Query("encoding-type")) {
      if (*encoding != "url") {
        return Refuse(kinds::kInvalidArgument, "Invalid Encoding Method specified in Request");
      }
      names.url_ = true;
    }
    return names;
  }
  std::string operator()(std::string_view name) const {
    return url_ ? http_origin::PercentEncode(name, true) : std::string(name);
  }
  bool url() const { return url_; }

 private:
  bool url_ = false;
};

Outcome<uint32_t> MaxKeys(const Request& request) {
  const std::string* given = request.Query("max-keys");
  if (given == nullptr || given->empty()) return kMostKeys;
  int64_t number = 0;
  const auto parsed = std::from_chars(given->data(), given->data() + given->size(), number);
  if (parsed.ec == std::errc::result_out_of_range && !given->starts_with('-')) return kMostKeys;
  if (parsed.ec != std::errc() || parsed.ptr != given->data() + given->size()) {
    return Refuse(kinds::kInvalidArgument,
                  "Provided max-keys not an integer or within integer range");
  }
  if (number < 0 || number > INT32_MAX) {
    return Refuse(kinds::kInvalidArgument,
                  "Argument maxKeys must be an integer between 0 and 2147483647");
  }
  return static_cast<uint32_t>(std::min<int64_t>(number, kMostKeys));
}

std::string TokenOf(std::string_view last) {
  const std::string text = std::string(kTokenMark).append(last);
  std::string token = http_origin::Base64(AsBytes(text));
  std::ranges::replace(token, '+', '-');
  std::ranges::replace(token, '/', '_');
  return token;
}

Outcome<std::string> FromToken(std::string token) {
  std::ranges::replace(token, '-', '+');
  std::ranges::replace(token, '_', '/');
  const auto text = http_origin::FromBase64(token);
  if (!text || !text->starts_with(kTokenMark) || !IsUtf8(*text)) {
    return Refuse(kinds::kInvalidArgument, "The continuation token provided is incorrect");
  }
  return text->substr(kTokenMark.size());
}

struct Form {
  bool owner = false;
  bool version = false;
};

void WriteEntries(XmlWriter& xml, const Listed& listed, const Names& names, const Form& form) {
  const std::string_view element = form.version ? "Version" : "Contents";
  for (const ListEntry& entry : listed.entries) {
    if (entry.is_prefix) continue;
    xml.Open(element).Text("Key", names(entry.key));
    if (form.version) xml.Text("VersionId", "null").Flag("IsLatest", true);
    xml.Text("LastModified", IsoDate(entry.info.modified_ns));
    xml.Text("ETag", fmt::format("\"{}\"", entry.info.etag));
    xml.Number("Size", entry.info.size);
    if (form.owner) WriteOwner(xml);
    xml.Text("StorageClass", "STANDARD").Close(element);
  }
  for (const ListEntry& entry : listed.entries) {
    if (!entry.is_prefix) continue;
    xml.Open("CommonPrefixes").Text("Prefix", names(entry.key)).Close("CommonPrefixes");
  }
}

std::string LastOf(const Listed& listed) {
  return listed.entries.empty() ? std::string() : listed.entries.back().key;
}

}  // namespace

Task<Answer> ListObjects(Exchange& x) {
  const Request& request = x.request;
  FB_CO_ASSIGN(const Names names, Names::Of(request));
  FB_CO_ASSIGN(const uint32_t limit, MaxKeys(request));
  const ListQuery query{.prefix = request.QueryOr("prefix", ""),
                        .delimiter = request.QueryOr("delimiter", ""),
                        .after = request.QueryOr("marker", ""),
                        .limit = limit};
  FB_CO_ASSIGN(const Listed listed, co_await ListNames(x, query));
  XmlWriter xml;
  xml.Root("ListBucketResult").Text("Name", request.bucket);
  xml.Text("Prefix", names(query.prefix)).Text("Marker", names(query.after));
  if (listed.more && !query.delimiter.empty()) xml.Text("NextMarker", names(LastOf(listed)));
  xml.Number("MaxKeys", limit);
  if (!query.delimiter.empty()) xml.Text("Delimiter", names(query.delimiter));
  if (names.url()) xml.Text("EncodingType", "url");
  xml.Flag("IsTruncated", listed.more);
  WriteEntries(xml, listed, names, {.owner = true});
  co_return Reply::Xml(xml.Close("ListBucketResult").Take());
}

Task<Answer> ListObjectsV2(Exchange& x) {
  const Request& request = x.request;
  FB_CO_ASSIGN(const Names names, Names::Of(request));
  FB_CO_ASSIGN(const uint32_t limit, MaxKeys(request));
  const std::string start_after = request.QueryOr("start-after", "");
  const std::string* token = request.Query("continuation-token");
  ListQuery query{.prefix = request.QueryOr("prefix", ""),
                  .delimiter = request.QueryOr("delimiter", ""),
                  .after = start_after,
                  .limit = limit};
  if (token != nullptr && !token->empty()) {
    FB_CO_ASSIGN(query.after, FromToken(*token));
  }
  FB_CO_ASSIGN(const Listed listed, co_await ListNames(x, query));
  XmlWriter xml;
  xml.Root("ListBucketResult").Text("Name", request.bucket).Text("Prefix", names(query.prefix));
  if (!start_after.empty()) xml.Text("StartAfter", names(start_after));
  if (token != nullptr) xml.Text("ContinuationToken", *token);
  if (listed.more) xml.Text("NextContinuationToken", TokenOf(LastOf(listed)));
  xml.Number("KeyCount", listed.entries.size()).Number("MaxKeys", limit);
  if (!query.delimiter.empty()) xml.Text("Delimiter", names(query.delimiter));
  if (names.url()) xml.Text("EncodingType", "url");
  xml.Flag("IsTruncated", listed.more);
  WriteEntries(xml, listed, names, {.owner = request.QueryOr("fetch-owner", "") == "true"});
  co_return Reply::Xml(xml.Close("ListBucketResult").Take());
}

/// Every object has one version, which has no id.
Task<Answer> ListObjectVersions(Exchange& x) {
  const Request& request = x.request;
  FB_CO_ASSIGN(const Names names, Names::Of(request));
  FB_CO_ASSIGN(const uint32_t limit, MaxKeys(request));
  const std::string* version = request.Query("version-id-marker");
  if (version != nullptr && !version->empty() && !request.Has("key-marker")) {
    co_return Refuse(kinds::kInvalidArgument,
                     "A version-id marker cannot be specified without a key marker.");
  }
  const ListQuery query{.prefix = request.QueryOr("prefix", ""),
                        .delimiter = request.QueryOr("delimiter", ""),
                        .after = request.QueryOr("key-marker", ""),
                        .limit = limit};
  FB_CO_ASSIGN(const Listed listed, co_await ListNames(x, query));
  XmlWriter xml;
  xml.Root("ListVersionsResult").Text("Name", request.bucket);
  xml.Text("Prefix", names(query.prefix)).Text("KeyMarker", names(query.after));
  xml.Text("VersionIdMarker", version == nullptr ? "" : *version);
  if (listed.more) {
    xml.Text("NextKeyMarker", names(LastOf(listed)));
    if (!listed.entries.back().is_prefix) xml.Text("NextVersionIdMarker", "null");
  }
  xml.Number("MaxKeys", limit);
  if (!query.delimiter.empty()) xml.Text("Delimiter", names(query.delimiter));
  if (names.url()) xml.Text("EncodingType", "url");
  xml.Flag("IsTruncated", listed.more);
  WriteEntries(xml, listed, names, {.owner = true, .version = true});
  co_return Reply::Xml(xml.Close("ListVersionsResult").Take());
}

}  // namespace forebay::s3door
