// ListMultipartUploads.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <tuple>

#include "src/front/s3/exchange.h"
#include "src/origin/http/text.h"

namespace forebay::s3door {
namespace {

constexpr uint32_t kMostUploads = 1000;

struct Page {
  std::vector<PendingUpload> uploads;  // their keys as shown
  std::set<std::string> groups;
  bool more = false;
  std::string next_key, next_id;
};

/// The upload that a page begins behind. It may be gone by then, and has its place nevertheless.
struct Marker {
  int64_t begun_ns = 0;
  std::string id;  // the origin's; "": none

  std::string ToString() const { return fmt::format("{}@{}", begun_ns, id); }
  /// `text`: that, or the id alone, as clients who make markers of their own have it. Of an upload
  /// that is gone an id alone says nothing: then the page begins with the first of its key.
  static Marker Of(const std::string& text, const std::vector<PendingUpload>& all) {
    const auto found = std::ranges::find(all, text, &PendingUpload::id);
    if (found != all.end()) return {found->begun_ns, found->id};
    Marker marker{.begun_ns = INT64_MIN, .id = text};
    const size_t at = text.find('@');
    if (at == text.npos) return marker;
    const auto parsed = std::from_chars(text.data(), text.data() + at, marker.begun_ns);
    if (parsed.ec == std::errc() && parsed.ptr == text.data() + at) marker.id = text.substr(at + 1);
    return marker;
  }
  bool IsBehind(const PendingUpload& one) const {
    return std::tie(one.begun_ns, one.id) <= std::tie(begun_ns, id);
  }
};

Outcome<uint32_t> MaxUploads(const Request& request) {
  const std::string* text = request.Query("max-uploads");
  if (text == nullptr || text->empty()) return kMostUploads;
  uint32_t number = 0;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size()) {
    return Refuse(kinds::kInvalidArgument, "max-uploads is a number");
  }
  return std::min(number, kMostUploads);
}

/// What the marker of the request stands for; "": it has none.
Outcome<std::string> OpenMarker(const Exchange& x, AttachmentId bucket) {
  const std::string key = x.request.QueryOr("key-marker", "");
  const std::string shown = x.request.QueryOr("upload-id-marker", "");
  if (key.empty() || shown.empty()) return std::string();
  auto id = x.door.shared.upload_ids.Open(bucket, key, shown);
  if (!id) return Refuse(kinds::kInvalidArgument, "Invalid uploadId marker");
  return *std::move(id);
}

/// Those of one key in the order in which they were begun, as S3 has it.
Page PageOf(std::vector<PendingUpload> all, const Request& request, const Marker& marker,
            uint32_t limit) {
  const std::string prefix = request.QueryOr("prefix", "");
  const std::string delimiter = request.QueryOr("delimiter", "");
  const std::string key_marker = request.QueryOr("key-marker", "");
  std::ranges::sort(
      all, {}, [](const PendingUpload& one) { return std::tie(one.key, one.begun_ns, one.id); });
  Page page;
  for (PendingUpload& one : all) {
    one.key = ShownKey(one.key);
    if (one.key < key_marker) continue;
    if (one.key == key_marker && (marker.id.empty() || marker.IsBehind(one))) continue;
    if (!one.key.starts_with(prefix)) continue;
    const size_t at = delimiter.empty() ? one.key.npos : one.key.find(delimiter, prefix.size());
    const std::string group = at == one.key.npos ? "" : one.key.substr(0, at + delimiter.size());
    if (!group.empty() && (page.groups.contains(group) || key_marker.starts_with(group))) continue;
    if (page.uploads.size() + page.groups.size() == limit) {
      page.more = limit > 0;  // who asks for none would ask for ever
      break;
    }
    page.next_key = group.empty() ? one.key : group;
    page.next_id = group.empty() ? Marker{one.begun_ns, one.id}.ToString() : "";
    if (group.empty()) {
      page.uploads.push_back(std::move(one));
    } else {
      page.groups.insert(group);
    }
  }
  return page;
}

}  // namespace

Task<Answer> ListMultipartUploads(Exchange& x) {
  const Request& request = x.request;
  FB_CO_ASSIGN(const auto bucket, BucketOf(x, kList));
  FB_CO_ASSIGN(const uint32_t limit, MaxUploads(request));
  const std::string encoding = request.QueryOr("encoding-type", "");
  if (!encoding.empty() && encoding != "url") {
    co_return Refuse(kinds::kInvalidArgument, "Invalid Encoding Method specified in Request");
  }
  FB_CO_ASSIGN(const std::string marker_text, OpenMarker(x, bucket->config.id));
  const auto name = [&encoding](std::string_view text) {
    return encoding.empty() ? std::string(text) : http_origin::PercentEncode(text, true);
  };
  auto pending = co_await x.node().ListUploads(
      *x.who, fmt::format("/{}/{}", request.bucket, request.QueryOr("prefix", "")), x.call());
  if (!pending) co_return std::unexpected(ObjectError(x, pending.error()));
  const Marker marker = marker_text.empty() ? Marker() : Marker::Of(marker_text, *pending);
  const Page page = PageOf(std::move(*pending), request, marker, limit);
  const auto shown = [&x, id = bucket->config.id](std::string_view key, std::string_view upload) {
    return upload.empty() ? "" : x.door.shared.upload_ids.Seal(id, key, upload);
  };
  XmlWriter xml;
  xml.Root("ListMultipartUploadsResult").Text("Bucket", request.bucket);
  xml.Text("KeyMarker", name(request.QueryOr("key-marker", "")));
  xml.Text("UploadIdMarker", request.QueryOr("upload-id-marker", ""));
  if (page.more) {
    xml.Text("NextKeyMarker", name(page.next_key));
    xml.Text("NextUploadIdMarker", shown(page.next_key, page.next_id));
  }
  xml.Text("Prefix", name(request.QueryOr("prefix", "")));
  if (request.Has("delimiter")) xml.Text("Delimiter", name(request.QueryOr("delimiter", "")));
  if (!encoding.empty()) xml.Text("EncodingType", encoding);
  xml.Number("MaxUploads", limit).Flag("IsTruncated", page.more);
  for (const PendingUpload& one : page.uploads) {
    xml.Open("Upload").Text("Key", name(one.key)).Text("UploadId", shown(one.key, one.id));
    WriteOwner(xml, "Initiator");
    WriteOwner(xml);
    xml.Text("StorageClass", "STANDARD").Text("Initiated", IsoDate(one.begun_ns)).Close("Upload");
  }
  for (const std::string& group : page.groups) {
    xml.Open("CommonPrefixes").Text("Prefix", name(group)).Close("CommonPrefixes");
  }
  co_return Reply::Xml(xml.Close("ListMultipartUploadsResult").Take());
}

}  // namespace forebay::s3door
