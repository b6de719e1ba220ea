#include "src/front/s3/request.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/front/s3/checksums.h"
#include "src/front/s3/text.h"
#include "src/node/attachment.h"
#include "src/origin/folder_mark.h"
#include "src/origin/http/text.h"

namespace forebay::s3door {
namespace {

constexpr size_t kMaxQueryItems = 1000;
constexpr std::string_view kHeadersOfS3 = "x-amz-";
/// Parameters of the signature itself, never headers.
constexpr std::string_view kOfSignatures[] = {
    "x-amz-algorithm", "x-amz-content-sha256", "x-amz-credential", "x-amz-date",
    "x-amz-expires",   "x-amz-security-token", "x-amz-signature",  "x-amz-signedheaders"};
/// Of a body that nobody had when the URL was signed: S3 does not look at them.
constexpr std::string_view kOfBodies[] = {"x-amz-sdk-checksum-algorithm", "x-amz-trailer"};

/// Of which a second line is more of the first.
constexpr std::string_view kLists[] = {"if-match", "if-none-match", "x-amz-copy-source-if-match",
                                       "x-amz-copy-source-if-none-match",
                                       "x-amz-object-attributes"};

Outcome<std::string> Decoded(std::string_view text) {
  auto decoded = http_origin::PercentDecode(text);
  if (!decoded) return Refuse(kinds::kInvalidUri);
  return std::move(*decoded);
}

std::string LowerHost(std::string_view host) {
  // "[::1]:80" keeps its colons: only what follows the last one may be a port.
  const size_t colon = host.rfind(':');
  if (colon != host.npos && host.find(']', colon) == host.npos) host = host.substr(0, colon);
  return Lower(host);
}

/// Whether it could have been sent as a header: what is stored of it is sent as one again.
bool IsHeader(const QueryItem& item) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  const auto of_name = [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != kMarks.npos;
  };
  const auto of_value = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c == '\t' || (byte >= 0x20 && byte != 0x7f);
  };
  return std::ranges::all_of(item.name, of_name) && std::ranges::all_of(item.value, of_value);
}

Outcome<std::vector<http::Header>> HeadersInQuery(const Request& request) {
  std::vector<http::Header> headers;
  if (!request.Has("X-Amz-Signature") && !request.Has("Signature")) return headers;
  for (const QueryItem& item : request.query) {
    const std::string_view name = item.name;
    if (!IsName(name.substr(0, kHeadersOfS3.size()), kHeadersOfS3)) continue;
    const auto is = [name](std::string_view other) { return IsName(name, other); };
    if (std::ranges::any_of(kOfSignatures, is) || std::ranges::any_of(kOfBodies, is) ||
        AlgorithmOfHeader(name)) {
      continue;
    }
    if (!IsHeader(item)) return Refuse(kinds::kInvalidUri);
    headers.push_back({item.name, item.value});
  }
  return headers;
}

/// Of each list that came in several lines one header (RFC 9110, 5.3).
std::vector<http::Header> JoinedLists(const http::RequestHead& head) {
  std::vector<http::Header> joined;
  for (const std::string_view name : kLists) {
    std::string all;
    int lines = 0;
    for (const http::Header& header : head.headers) {
      if (!IsName(header.name, name) || (lines > 0 && header.value == all)) continue;
      all += (lines++ > 0 ? "," : "") + header.value;
    }
    if (lines > 1) joined.push_back({std::string(name), std::move(all)});
  }
  return joined;
}

/// The bucket that the host names; "" where it names none.
std::string BucketOfHost(std::string_view host_header, std::string_view domain) {
  if (domain.empty()) return {};
  std::string host = LowerHost(host_header);
  if (host.size() <= domain.size() + 1 || !host.ends_with(domain)) return {};
  host.resize(host.size() - domain.size());
  if (!host.ends_with('.')) return {};
  host.pop_back();
  return host;
}

/// "." and ".." as parts of a key would be other names to whatever lies behind.
bool HasDotParts(std::string_view key) {
  while (!key.empty()) {
    const std::string_view part = key.substr(0, key.find('/'));
    if (part == "." || part == "..") return true;
    key.remove_prefix(std::min(key.size(), part.size() + 1));
  }
  return false;
}

Outcome<void> CheckKeyText(std::string_view key) {
  if (key.size() > kMaxKeyBytes) {
    S3Error error(kinds::kKeyTooLong);
    error.With("Size", std::to_string(key.size()));
    error.With("MaxSizeAllowed", std::to_string(kMaxKeyBytes));
    return std::unexpected(std::move(error));
  }
  if (!IsUtf8(key) || key.find('\0') != key.npos || HasDotParts(key)) {
    return Refuse(kinds::kInvalidUri);
  }
  return {};
}

}  // namespace

std::string StoredKey(std::string_view key) {
  return WithFolderMark(key);
}

std::string_view ShownKey(std::string_view stored) {
  return WithoutFolderMark(stored);
}

const std::string* Request::Query(std::string_view name) const {
  const auto found = std::ranges::find(query, name, &QueryItem::name);
  return found == query.end() ? nullptr : &found->value;
}

std::string Request::QueryOr(std::string_view name, std::string_view otherwise) const {
  const std::string* value = Query(name);
  return value == nullptr ? std::string(otherwise) : *value;
}

std::string_view Request::Header(std::string_view name) const {
  for (const http::Header& header : joined) {
    if (IsName(header.name, name)) return header.value;
  }
  if (const std::string* value = head->Find(name)) return *value;
  const auto found = std::ranges::find_if(
      from_query, [name](const http::Header& header) { return IsName(header.name, name); });
  return found == from_query.end() ? std::string_view() : std::string_view(found->value);
}

std::vector<const http::Header*> Request::AllHeaders() const {
  std::vector<const http::Header*> all;
  all.reserve(head->headers.size() + from_query.size());
  for (const http::Header& header : head->headers) all.push_back(&header);
  for (const http::Header& header : from_query) all.push_back(&header);
  return all;
}

std::string Request::NodePath() const {
  const std::string stored = StoredKey(key);
  std::string text;
  text.reserve(bucket.size() + stored.size() + 2);
  return (((text += '/') += bucket) += '/') += stored;
}

Outcome<std::vector<QueryItem>> ParseQuery(std::string_view query) {
  std::vector<QueryItem> items;
  items.reserve(std::min<size_t>(kMaxQueryItems, 1 + std::ranges::count(query, '&')));
  while (!query.empty()) {
    const std::string_view one = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), one.size() + 1));
    if (one.empty()) continue;
    if (items.size() == kMaxQueryItems) return Refuse(kinds::kInvalidUri);
    const size_t equals = std::min(one.find('='), one.size());
    std::string value(one.substr(std::min(one.size(), equals + 1)));
    std::ranges::replace(value, '+', ' ');
    QueryItem item;
    FB_ASSIGN(item.name, Decoded(one.substr(0, equals)));
    FB_ASSIGN(item.value, Decoded(value));
    if (!IsUtf8(item.name) || !IsUtf8(item.value)) return Refuse(kinds::kInvalidUri);
    items.push_back(std::move(item));
  }
  return items;
}

bool IsBucketName(std::string_view name) {
  if (!CheckAttachmentName(name)) return false;
  // Each label is one of a host's name: "a.-b" and "a-.b" are none.
  return name.find(".-") == name.npos && name.find("-.") == name.npos;
}

Outcome<Request> ParseRequest(const http::RequestHead& head, std::string_view domain) {
  Request request;
  request.head = &head;
  const std::string_view target = head.target;
  const std::string_view raw_path = head.path();
  if (!raw_path.starts_with('/')) return Refuse(kinds::kInvalidUri);
  FB_ASSIGN(request.path, Decoded(raw_path));
  if (raw_path.size() < target.size()) {
    FB_ASSIGN(request.query, ParseQuery(target.substr(raw_path.size() + 1)));
  }
  FB_ASSIGN(request.from_query, HeadersInQuery(request));
  request.joined = JoinedLists(head);
  request.bucket = BucketOfHost(request.Header("Host"), domain);
  request.bucket_in_host = !request.bucket.empty();
  std::string_view rest = std::string_view(request.path).substr(1);
  if (!request.bucket_in_host) {
    // Before decoding: an encoded slash is no part of a bucket's name.
    const std::string_view raw = raw_path.substr(1);
    FB_ASSIGN(request.bucket, Decoded(raw.substr(0, raw.find('/'))));
    rest.remove_prefix(std::min(rest.size(), request.bucket.size() + 1));
    if (request.bucket.empty() && !rest.empty()) return Refuse(kinds::kInvalidBucketName);
  }
  request.key = rest;
  FB_TRY(CheckKeyText(request.key));
  return request;
}

}  // namespace forebay::s3door
