#include "src/origin/azure/attributes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "src/origin/http/request.h"
#include "src/origin/http/text.h"

namespace forebay::azure {
namespace {

using http_origin::BareEtag;
using http_origin::FromBase64;
using http_origin::Hex;
using http_origin::Lower;
using http_origin::SetHeader;

constexpr std::string_view kUserPrefix = "x-amz-meta-";
constexpr std::string_view kMetadataPrefix = "x-ms-meta-";
constexpr std::string_view kOurs = "forebay";
constexpr std::string_view kEscapedName = "forebay_";   // the name is escaped
constexpr std::string_view kEscapedBoth = "forebayv_";  // the value, too
constexpr std::string_view kOtherHeader = "forebayh_";  // no user's: a header that Blob lacks
constexpr std::string_view kFolderMetadata = "hdi_isfolder";
constexpr size_t kMd5Bytes = 16;
/// What S3 calls the bytes of which nobody says what they are.
constexpr std::string_view kUnknownType = "binary/octet-stream";

struct Property {
  std::string_view attribute;
  std::string_view header;  // of requests
};
constexpr Property kProperties[] = {{"cache-control", "x-ms-blob-cache-control"},
                                    {"content-disposition", "x-ms-blob-content-disposition"},
                                    {"content-encoding", "x-ms-blob-content-encoding"},
                                    {"content-language", "x-ms-blob-content-language"},
                                    {"content-type", "x-ms-blob-content-type"}};

bool IsSmall(char c) {
  return c >= 'a' && c <= 'z';
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

/// An identifier that nobody else gives a meaning to.
bool IsPlainName(std::string_view name) {
  return !name.empty() && !IsDigit(name[0]) && !name.starts_with(kOurs) &&
         name != kFolderMetadata &&
         std::ranges::all_of(name, [](char c) { return IsSmall(c) || IsDigit(c) || c == '_'; });
}

/// Blob takes no empty ones, HTTP loses spaces at the ends, and whether a signature is of several
/// spaces or of one for them is a matter of opinion.
bool IsPlainValue(std::string_view value) {
  return !value.empty() && value.front() != ' ' && value.back() != ' ' &&
         value.find("  ") == value.npos &&
         std::ranges::all_of(value, [](char c) { return c >= 0x20 && c < 0x7f; });
}

/// "my-key" is "my_2dkey".
std::string Escaped(std::string_view name) {
  std::string escaped;
  for (const char c : name) {
    if (IsSmall(c) || IsDigit(c)) {
      escaped += c;
    } else {
      escaped += fmt::format("_{:02x}", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

std::optional<std::string> Unescaped(std::string_view escaped) {
  std::string name;
  while (!escaped.empty()) {
    if (escaped[0] != '_') {
      name += escaped[0];
      escaped.remove_prefix(1);
      continue;
    }
    unsigned char c = 0;
    if (escaped.size() < 3) return std::nullopt;
    const char* const end = escaped.data() + 3;
    const auto [at, error] = std::from_chars(escaped.data() + 1, end, c, 16);
    if (error != std::errc() || at != end) return std::nullopt;
    name += static_cast<char>(c);
    escaped.remove_prefix(3);
  }
  return name;
}

/// Never empty.
std::string EscapedValue(std::string_view value) {
  return "=" + http_origin::PercentEncode(value, false);
}
std::optional<std::string> UnescapedValue(std::string_view escaped) {
  if (!escaped.starts_with('=')) return std::nullopt;
  auto value = http_origin::PercentDecode(escaped.substr(1));
  return value ? std::optional(std::move(*value)) : std::nullopt;
}

std::string Base64OfHex(std::string_view hex) {
  std::string bytes;
  for (size_t at = 0; at + 1 < hex.size(); at += 2) {
    uint8_t byte = 0;
    std::from_chars(hex.data() + at, hex.data() + at + 2, byte, 16);
    bytes += static_cast<char>(byte);
  }
  return http_origin::Base64(AsBytes(bytes));
}

}  // namespace

Metadata MetadataOf(std::string_view attribute, std::string_view value) {
  if (!attribute.starts_with(kUserPrefix)) {
    return {std::string(kOtherHeader) + Escaped(attribute), EscapedValue(value)};
  }
  const std::string_view name = attribute.substr(kUserPrefix.size());
  if (!IsPlainValue(value)) {
    return {std::string(kEscapedBoth) + Escaped(name), EscapedValue(value)};
  }
  if (IsPlainName(name)) return {std::string(name), std::string(value)};
  return {std::string(kEscapedName) + Escaped(name), std::string(value)};
}

std::optional<ObjectAttributes::value_type> AttributeOf(std::string_view name,
                                                        std::string_view value) {
  const std::string lower = Lower(name);
  const auto user = [](std::string_view of) { return std::string(kUserPrefix).append(of); };
  const auto behind = [&lower](std::string_view prefix) {
    return lower.starts_with(prefix) ? Unescaped(std::string_view(lower).substr(prefix.size()))
                                     : std::nullopt;
  };
  if (!lower.starts_with(kOurs)) {
    return ObjectAttributes::value_type{user(lower), std::string(value)};
  }
  if (const auto escaped = behind(kEscapedName)) {
    return ObjectAttributes::value_type{user(*escaped), std::string(value)};
  }
  const auto raw = UnescapedValue(value);
  if (!raw) return std::nullopt;
  if (const auto both = behind(kEscapedBoth)) {
    return ObjectAttributes::value_type{user(*both), *raw};
  }
  if (const auto header = behind(kOtherHeader)) {
    return ObjectAttributes::value_type{*header, *raw};
  }
  return std::nullopt;
}

void AddAttributes(HttpRequest& request, const ObjectAttributes& attributes) {
  if (!attributes.empty()) SetHeader(request, "x-ms-blob-content-type", std::string(kUnknownType));
  for (const auto& [name, value] : attributes) {
    const auto property = std::ranges::find(kProperties, name, &Property::attribute);
    if (name == kMd5Attribute) {
      SetHeader(request, fmt::format("{}{}", kMetadataPrefix, kMd5Metadata), value);
      SetHeader(request, "x-ms-blob-content-md5", Base64OfHex(value));
    } else if (property != std::end(kProperties)) {
      SetHeader(request, property->header, value);
    } else {
      Metadata metadata = MetadataOf(name, value);
      SetHeader(request, fmt::format("{}{}", kMetadataPrefix, metadata.name),
                std::move(metadata.value));
    }
  }
}

ObjectAttributes ReadAttributes(const HttpResponse& response) {
  ObjectAttributes attributes;
  for (const HttpHeader& header : response.headers()) {
    std::string name = Lower(header.name);
    if (name.starts_with(kMetadataPrefix)) {
      auto one = AttributeOf(std::string_view(name).substr(kMetadataPrefix.size()), header.value);
      if (one) attributes.push_back(std::move(*one));
    } else if (std::ranges::find(kProperties, name, &Property::attribute) !=
               std::end(kProperties)) {
      attributes.emplace_back(std::move(name), header.value);
    }
  }
  std::ranges::sort(attributes);
  return attributes;
}

std::string_view Md5Of(const ObjectAttributes& attributes) {
  const auto md5 =
      std::ranges::find(attributes, kMd5Attribute, &ObjectAttributes::value_type::first);
  return md5 == attributes.end() ? std::string_view() : std::string_view(md5->second);
}

std::string StateName(std::string_view etag, std::string_view md5) {
  return md5.empty() ? std::string(etag) : fmt::format("{}/{}", etag, md5);
}

std::string StateName(std::string_view etag, std::string_view left_md5,
                      std::string_view content_md5_base64) {
  if (left_md5.empty()) return std::string(etag);
  const auto theirs = FromBase64(content_md5_base64);
  const bool agree = theirs && theirs->size() == kMd5Bytes && Hex(AsBytes(*theirs)) == left_md5;
  return StateName(etag, agree ? left_md5 : "");
}

std::string StateNameOf(const HttpResponse& response) {
  // Of a range, Content-MD5 is that of the range.
  std::string_view md5 = response.Header("x-ms-blob-content-md5");
  if (md5.empty()) md5 = response.Header("Content-MD5");
  return StateName(BareEtag(response.Header("ETag")),
                   response.Header(fmt::format("{}{}", kMetadataPrefix, kMd5Metadata)), md5);
}

std::string_view EtagOfState(std::string_view state) {
  return state.substr(0, state.find('/'));
}

std::string PackAttributes(const ObjectAttributes& attributes) {
  std::string text;
  for (const auto& [name, value] : attributes) text += fmt::format("{}\n{}\n", name, value);
  std::string packed = http_origin::Base64(AsBytes(text));
  while (packed.ends_with('=')) packed.pop_back();
  std::ranges::replace(packed, '+', '-');
  std::ranges::replace(packed, '/', '_');
  return packed;
}

std::optional<ObjectAttributes> UnpackAttributes(std::string_view packed) {
  std::string base64(packed);
  std::ranges::replace(base64, '-', '+');
  std::ranges::replace(base64, '_', '/');
  while (base64.size() % 4 != 0) base64 += '=';
  const auto text = FromBase64(base64);
  if (!text) return std::nullopt;
  ObjectAttributes attributes;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const size_t name = rest.find('\n');
    const size_t value = name == rest.npos ? name : rest.find('\n', name + 1);
    if (value == rest.npos || name == 0) return std::nullopt;
    attributes.emplace_back(rest.substr(0, name), rest.substr(name + 1, value - name - 1));
    rest.remove_prefix(value + 1);
  }
  return attributes;
}

}  // namespace forebay::azure
