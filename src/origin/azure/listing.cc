#include "src/origin/azure/listing.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/origin/azure/address.h"
#include "src/origin/azure/attributes.h"
#include "src/origin/folder_mark.h"
#include "src/origin/http/request.h"
#include "src/origin/http/text.h"
#include "src/origin/http/xml.h"

namespace forebay::azure {
namespace {

using http_origin::IsNameable;
using http_origin::PercentEncode;
using http_origin::XmlElement;

constexpr uint32_t kMostAtOnce = 5000;

/// Of a hierarchical account, or what tools leave in flat ones to stand for a directory.
bool IsDirectory(const XmlElement& blob) {
  const XmlElement* properties = blob.Child("Properties");
  const XmlElement* metadata = blob.Child("Metadata");
  return (properties != nullptr && properties->Text("ResourceType") == "directory") ||
         (metadata != nullptr && metadata->Text("hdi_isfolder") == "true");
}

std::optional<uint64_t> SizeOf(const XmlElement& blob) {
  const XmlElement* properties = blob.Child("Properties");
  if (properties == nullptr) return std::nullopt;
  return http_origin::ParseNumber(properties->Text("Content-Length"));
}

ObjectInfo InfoOf(const XmlElement& blob) {
  ObjectInfo info;
  const XmlElement* properties = blob.Child("Properties");
  if (properties == nullptr) return info;
  const XmlElement* metadata = blob.Child("Metadata");
  info.etag = StateName(http_origin::BareEtag(properties->Text("Etag")),
                        metadata == nullptr ? "" : metadata->Text(kMd5Metadata),
                        properties->Text("Content-MD5"));
  info.size = SizeOf(blob).value_or(0);
  info.modified_ns = http_origin::ParseHttpDate(properties->Text("Last-Modified")).value_or(0);
  return info;
}

}  // namespace

std::string ListQuery(const ListOptions& options, std::string_view base, const Place& place) {
  // Directories can be told by their metadata only.
  std::string query = "restype=container&comp=list&include=metadata";
  const std::string prefix = std::string(base) + options.prefix;
  if (!prefix.empty()) query += fmt::format("&prefix={}", PercentEncode(prefix, false));
  if (!options.delimiter.empty()) {
    query += fmt::format("&delimiter={}", PercentEncode(options.delimiter, false));
  }
  if (!place.marker.empty()) {
    query += fmt::format("&marker={}", PercentEncode(place.marker, false));
  }
  return query + fmt::format("&maxresults={}", place.exact
                                                   ? std::clamp(options.limit, 1u, kMostAtOnce)
                                                   : kMostAtOnce);
}

Result<ListAnswer> ReadListing(std::string_view body, const ListOptions& options,
                               std::string_view base) {
  FB_ASSIGN(const XmlElement root, http_origin::ParseXml(body));
  const XmlElement* blobs = root.Child("Blobs");
  if (root.name != "EnumerationResults" || blobs == nullptr) {
    return Fail(Code::kCorrupt, "no EnumerationResults with Blobs in it");
  }
  ListAnswer answer{.marker = std::string(root.Text("NextMarker"))};
  for (const XmlElement& one : blobs->children) {
    std::string_view key = one.Text("Name");
    if (!key.starts_with(base)) continue;
    key.remove_prefix(base.size());
    answer.last = key;
    const XmlElement* properties = one.Child("Properties");
    answer.hierarchical |= properties != nullptr && properties->Child("ResourceType") != nullptr;
    const bool is_prefix = one.name == "BlobPrefix";
    const std::string_view named = key.substr(0, key.size() - key.ends_with('/'));
    std::string ours = is_prefix ? std::string(key) : WithFolderMark(key);
    if ((!is_prefix && one.name != "Blob") || !IsNameable(is_prefix ? named : ours)) continue;
    if (ours <= options.after || !key.starts_with(options.prefix)) continue;
    if (!is_prefix && IsDirectory(one)) continue;
    if (!is_prefix && !SizeOf(one)) {
      return Fail(Code::kCorrupt, fmt::format("the Content-Length of {} is no number", ours));
    }
    answer.entries.push_back({.key = std::move(ours),
                              .info = is_prefix ? ObjectInfo() : InfoOf(one),
                              .is_prefix = is_prefix});
  }
  // Some tell prefixes behind objects.
  std::ranges::sort(answer.entries, {}, &ListEntry::key);
  return answer;
}

std::string UnfinishedQuery(std::string_view base, std::string_view marker) {
  std::string query = "restype=container&comp=list&include=uncommittedblobs,metadata";
  if (!base.empty()) query += fmt::format("&prefix={}", PercentEncode(base, false));
  if (!marker.empty()) query += fmt::format("&marker={}", PercentEncode(marker, false));
  return query + fmt::format("&maxresults={}", kMostAtOnce);
}

Result<UnfinishedAnswer> ReadUnfinished(std::string_view body, std::string_view base) {
  FB_ASSIGN(const XmlElement root, http_origin::ParseXml(body));
  const XmlElement* blobs = root.Child("Blobs");
  if (root.name != "EnumerationResults" || blobs == nullptr) {
    return Fail(Code::kCorrupt, "no EnumerationResults with Blobs in it");
  }
  UnfinishedAnswer answer{.marker = std::string(root.Text("NextMarker"))};
  for (const XmlElement& one : blobs->children) {
    const std::string_view name = one.Text("Name");
    if (one.name != "Blob" || !name.starts_with(base) || InfoOf(one).size != 0) continue;
    if (IsDirectory(one)) continue;
    std::string key = WithFolderMark(name.substr(base.size()));
    if (IsNameable(key)) answer.keys.push_back(std::move(key));
  }
  return answer;
}

std::vector<std::string> HoldBack(std::vector<ListEntry>& entries, std::string_view last) {
  std::vector<std::string> held;
  if (last.ends_with('/')) last.remove_suffix(1);
  std::erase_if(entries, [&](const ListEntry& entry) {
    if (!entry.is_prefix) return false;
    const std::string_view name = std::string_view(entry.key).substr(0, entry.key.size() - 1);
    const bool may_come =
        last.starts_with(name) && (last.size() == name.size() || last[name.size()] < '/');
    if (may_come) held.push_back(entry.key);
    return may_come;
  });
  return held;
}

Markers::Key Markers::KeyOf(const ListOptions& options, const std::string& last) {
  return {options.delimiter + "\n" + options.prefix, last};
}

void Markers::Keep(const ListOptions& options, const std::string& last, Place place) {
  const Key key = KeyOf(options, last);
  Kept& kept = kept_[key];
  if (kept.used != 0) by_use_.erase(kept.used);
  kept = {.place = std::move(place), .used = ++turn_};
  by_use_[turn_] = key;
  if (kept_.size() <= most_) return;
  kept_.erase(by_use_.begin()->second);
  by_use_.erase(by_use_.begin());
}

Place Markers::Find(const ListOptions& options) {
  if (options.after.empty()) return {.exact = true};
  const auto found = kept_.find(KeyOf(options, options.after));
  if (found == kept_.end()) return {};
  by_use_.erase(found->second.used);
  found->second.used = ++turn_;
  by_use_[turn_] = found->first;
  return found->second.place;
}

}  // namespace forebay::azure
