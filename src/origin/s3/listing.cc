#include "src/origin/s3/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "src/origin/folder_mark.h"
#include "src/origin/http/request.h"
#include "src/origin/http/text.h"
#include "src/origin/http/xml.h"
#include "src/origin/s3/address.h"

namespace forebay::s3 {
namespace {

using http_origin::BareEtag;
using http_origin::IsNameable;
using http_origin::ParseIsoDate;
using http_origin::PercentDecode;
using http_origin::PercentEncode;
using http_origin::XmlElement;

constexpr uint32_t kMostKeys = 1000;  // S3 gives no more
/// Sorts behind everything that anybody puts below a prefix (U+10FFFF).
constexpr std::string_view kLast = "\xf4\x8f\xbf\xbf";

/// Names that end with the delimiter stand for all below them, which were told when they were.
std::string StartAfter(const ListOptions& options) {
  const size_t cut = options.delimiter.empty() || !options.after.starts_with(options.prefix)
                         ? std::string::npos
                         : options.after.find(options.delimiter, options.prefix.size());
  if (cut == std::string::npos) return std::string(WithoutFolderMark(options.after));
  return options.after.substr(0, cut + options.delimiter.size()) + std::string(kLast);
}

/// encoding-type=url is that of forms: a space is a '+'.
Result<std::string> Decoded(std::string_view text, bool encoded) {
  if (!encoded) return std::string(text);
  std::string spaced(text);
  std::ranges::replace(spaced, '+', ' ');
  return PercentDecode(spaced);
}

Result<ListEntry> ReadObject(const XmlElement& contents, bool encoded) {
  ListEntry entry;
  FB_ASSIGN(entry.key, Decoded(contents.Text("Key"), encoded));
  const std::string_view size = contents.Text("Size");
  const auto [end, error] =
      std::from_chars(size.data(), size.data() + size.size(), entry.info.size);
  if (error != std::errc() || end != size.data() + size.size()) {
    return Fail(Code::kCorrupt, fmt::format("object '{}' has no size", entry.key));
  }
  entry.info.etag = BareEtag(contents.Text("ETag"));
  entry.info.modified_ns = ParseIsoDate(contents.Text("LastModified")).value_or(0);
  return entry;
}

bool WasAskedFor(const ListEntry& entry, const ListOptions& options) {
  std::string_view name = entry.key;
  if (!name.starts_with(options.prefix) || name <= options.after) return false;
  if (entry.is_prefix && name.ends_with('/')) name.remove_suffix(1);
  return IsNameable(name);
}

}  // namespace

std::string ListQuery(const ListOptions& options, std::string_view base, std::string_view token) {
  std::string query = fmt::format("list-type=2&encoding-type=url&max-keys={}",
                                  std::clamp<uint32_t>(options.limit, 1, kMostKeys));
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) query += fmt::format("&{}={}", name, PercentEncode(value, false));
  };
  add("prefix", fmt::format("{}{}", base, options.prefix));
  add("delimiter", options.delimiter);
  if (!token.empty()) {
    add("continuation-token", token);
  } else if (!options.after.empty()) {
    add("start-after", fmt::format("{}{}", base, StartAfter(options)));
  }
  return query;
}

Result<ListAnswer> ReadListing(std::string_view body, const ListOptions& options,
                               std::string_view base) {
  FB_ASSIGN(const XmlElement root, http_origin::ParseXml(body));
  if (root.name != "ListBucketResult") {
    return Fail(Code::kCorrupt, fmt::format("a listing was asked for, and <{}> came", root.name));
  }
  const bool encoded = root.Text("EncodingType") == "url";
  ListAnswer answer{.truncated = root.Text("IsTruncated") == "true",
                    .token = std::string(root.Text("NextContinuationToken"))};
  if (answer.truncated && answer.token.empty()) {
    return Fail(Code::kCorrupt, "a listing goes on, but does not say where");
  }
  for (const XmlElement& child : root.children) {
    ListEntry entry;
    if (child.name == "Contents") {
      FB_ASSIGN(entry, ReadObject(child, encoded));
    } else if (child.name == "CommonPrefixes") {
      FB_ASSIGN(entry.key, Decoded(child.Text("Prefix"), encoded));
      entry.is_prefix = true;
    } else {
      continue;
    }
    if (!entry.key.starts_with(base)) continue;
    entry.key.erase(0, base.size());
    if (!entry.is_prefix) entry.key = WithFolderMark(entry.key);
    if (WasAskedFor(entry, options)) answer.entries.push_back(std::move(entry));
  }
  // Objects and common prefixes come apart.
  std::ranges::sort(answer.entries, {}, &ListEntry::key);
  return answer;
}

Result<UploadsAnswer> ReadUploads(std::string_view body, std::string_view base) {
  FB_ASSIGN(const XmlElement root, http_origin::ParseXml(body));
  if (root.name != "ListMultipartUploadsResult") {
    return Fail(Code::kCorrupt, fmt::format("uploads were asked for, and <{}> came", root.name));
  }
  const bool encoded = root.Text("EncodingType") == "url";
  UploadsAnswer answer{.truncated = root.Text("IsTruncated") == "true",
                       .next_id = std::string(root.Text("NextUploadIdMarker"))};
  FB_ASSIGN(answer.next_key, Decoded(root.Text("NextKeyMarker"), encoded));
  if (answer.truncated && answer.next_key.empty()) {
    return Fail(Code::kCorrupt, "a list of uploads goes on, but does not say where");
  }
  for (const XmlElement& child : root.children) {
    if (child.name != "Upload") continue;
    PendingUpload upload{.id = std::string(child.Text("UploadId")),
                         .begun_ns = ParseIsoDate(child.Text("Initiated")).value_or(0)};
    FB_ASSIGN(upload.key, Decoded(child.Text("Key"), encoded));
    if (!upload.key.starts_with(base)) continue;
    upload.key = WithFolderMark(std::string_view(upload.key).substr(base.size()));
    if (IsNameable(upload.key) && !upload.id.empty()) answer.uploads.push_back(std::move(upload));
  }
  return answer;
}

}  // namespace forebay::s3
