#include "src/front/s3/write_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "src/node/attachment.h"
#include "src/origin/http/text.h"
#include "src/origin/http/xml.h"

namespace forebay::s3door {
namespace {

constexpr size_t kMaxDeletes = 1000;
constexpr uint32_t kMaxParts = 10'000;

/// Headers that ask for what is not kept here, and the one value of each that asks for nothing.
struct Unkept {
  std::string_view header;
  std::string_view nothing = {};
  std::string_view nothing_too = {};
};
constexpr Unkept kUnkept[] = {{"x-amz-acl", "private", "bucket-owner-full-control"},
                              {"x-amz-grant-full-control"},
                              {"x-amz-grant-read"},
                              {"x-amz-grant-read-acp"},
                              {"x-amz-grant-write"},
                              {"x-amz-grant-write-acp"},
                              {"x-amz-object-lock-mode"},
                              {"x-amz-object-lock-retain-until-date"},
                              {"x-amz-object-lock-legal-hold", "OFF"},
                              {"x-amz-server-side-encryption"},
                              {"x-amz-server-side-encryption-aws-kms-key-id"},
                              {"x-amz-server-side-encryption-customer-algorithm"},
                              {"x-amz-storage-class", "STANDARD"},
                              {"x-amz-tagging"},
                              {"x-amz-website-redirect-location"},
                              {"x-amz-write-offset-bytes"}};

template <class Number>
std::optional<Number> NumberOf(std::string_view text) {
  Number number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string BareEtag(std::string_view text) {
  return http_origin::BareEtag(text);
}

}  // namespace

Outcome<void> CheckWriteHeaders(const Request& request) {
  for (const Unkept& unkept : kUnkept) {
    const std::string_view value = request.Header(unkept.header);
    if (value.empty() || value == unkept.nothing || value == unkept.nothing_too) continue;
    return Refuse(kinds::kNotImplemented,
                  fmt::format("{}: {} is not implemented", unkept.header, value));
  }
  return {};
}

Outcome<CopySource> ReadCopySource(const Request& request) {
  std::string_view text = request.Header("x-amz-copy-source");
  if (const size_t question = text.find('?'); question != text.npos) {
    if (text.substr(question) != "?versionId=null") {
      return Refuse(kinds::kNoSuchVersion, "objects here have no versions but 'null'");
    }
    text = text.substr(0, question);
  }
  const auto decoded = http_origin::PercentDecode(text);
  if (!decoded || !IsUtf8(*decoded)) {
    return Refuse(kinds::kInvalidArgument, "Invalid copy source encoding.");
  }
  std::string_view path = *decoded;
  if (path.starts_with('/')) path.remove_prefix(1);
  const size_t slash = path.find('/');
  if (slash == path.npos || slash == 0 || slash + 1 == path.size()) {
    return Refuse(kinds::kInvalidArgument,
                  "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
  }
  return CopySource{.bucket = std::string(path.substr(0, slash)),
                    .key = std::string(path.substr(slash + 1))};
}

Outcome<std::pair<uint64_t, uint64_t>> ReadCopyRange(std::string_view header, uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  const size_t dash = header.find('-');
  if (header.starts_with(kUnit) && dash != header.npos) {
    const auto first = NumberOf<uint64_t>(header.substr(kUnit.size(), dash - kUnit.size()));
    const auto last = NumberOf<uint64_t>(header.substr(dash + 1));
    if (first && last && *first <= *last) {
      if (*last < size) return std::pair(*first, *last + 1);
      return Refuse(
          kinds::kInvalidArgument,
          fmt::format("Range specified is not valid for source object of size: {}", size));
    }
  }
  return Refuse(kinds::kInvalidArgument,
                "The x-amz-copy-source-range value must be of the form bytes=first-last where "
                "first and last are the zero-based offsets of the first and last bytes to copy");
}

Outcome<DeleteList> ReadDeleteList(std::string_view xml) {
  const auto root = http_origin::ParseXml(xml);
  if (!root || root->name != "Delete") return Refuse(kinds::kMalformedXml);
  DeleteList list{.quiet = root->Text("Quiet") == "true"};
  for (const auto& child : root->children) {
    if (child.name != "Object") continue;
    const std::string_view key = child.Text("Key");
    if (key.empty() || list.items.size() == kMaxDeletes) return Refuse(kinds::kMalformedXml);
    list.items.push_back({.key = std::string(key),
                          .version = std::string(child.Text("VersionId")),
                          .etag = BareEtag(child.Text("ETag"))});
  }
  if (list.items.empty()) return Refuse(kinds::kMalformedXml);
  return list;
}

Outcome<std::vector<NamedPart>> ReadPartList(std::string_view xml) {
  const auto root = http_origin::ParseXml(xml);
  if (!root || root->name != "CompleteMultipartUpload") return Refuse(kinds::kMalformedXml);
  std::vector<NamedPart> parts;
  for (const auto& child : root->children) {
    if (child.name != "Part") continue;
    const auto number = NumberOf<uint32_t>(child.Text("PartNumber"));
    const std::string_view etag = child.Text("ETag");
    if (!number || etag.empty() || parts.size() == kMaxParts) return Refuse(kinds::kMalformedXml);
    if (*number == 0 || *number > kMaxParts) {
      return Refuse(kinds::kInvalidArgument,
                    "PartNumber must be an integer between 1 and 10000, inclusive");
    }
    if (!parts.empty() && parts.back().number >= *number) {
      return Refuse(kinds::kInvalidPartOrder);
    }
    parts.push_back({.number = *number, .etag = BareEtag(etag)});
  }
  if (parts.empty()) return Refuse(kinds::kMalformedXml);
  return parts;
}

Outcome<uint32_t> ReadPartNumber(const Request& request) {
  const std::string* text = request.Query("partNumber");
  const auto number = text == nullptr ? std::nullopt : NumberOf<uint32_t>(*text);
  if (number && *number >= 1 && *number <= kMaxParts) return *number;
  return Refuse(kinds::kInvalidArgument,
                "Part number must be an integer between 1 and 10000, inclusive");
}

}  // namespace forebay::s3door
