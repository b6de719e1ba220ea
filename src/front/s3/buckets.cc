// Buckets: which there are, and what they say of themselves.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "src/base/hash.h"
#include "src/front/s3/exchange.h"
#include "src/front/s3/xml_writer.h"
#include "src/origin/http/text.h"

namespace forebay::s3door {
namespace {

/// Everything belongs to one: a cell has no accounts.
constexpr std::string_view kOwnerId =
    "f0e0ba900000000000000000000000000000000000000000000000000000000f";
constexpr std::string_view kOwnerName = "forebay";

bool IsAttached(const Exchange& x, std::string_view name,
                std::shared_ptr<const Attachment>* found) {
  for (auto& attachment : x.node().Attachments(x.node().gate().AdmitSelf())) {
    if (attachment->config.name != name) continue;
    *found = std::move(attachment);
    return true;
  }
  return false;
}

}  // namespace

std::string ShownEtag(std::string_view origin_etag) {
  constexpr size_t kMd5Digits = 32;
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto all = [](std::string_view text, std::string_view of) {
    return text.find_first_not_of(of) == text.npos;
  };
  const size_t slash = origin_etag.rfind('/');
  if (slash != origin_etag.npos) {
    const std::string_view behind = origin_etag.substr(slash + 1);
    if (behind.size() == kMd5Digits && all(behind, kDigits)) return std::string(behind);
  }
  const std::string_view md5 = origin_etag.substr(0, kMd5Digits);
  const std::string_view rest = origin_etag.substr(md5.size());
  const bool parts = rest.size() >= 2 && rest[0] == '-' && all(rest.substr(1), "0123456789");
  if (md5.size() == kMd5Digits && all(md5, kDigits) && (rest.empty() || parts)) {
    return std::string(origin_etag);
  }
  const Hash128 hash = HashBytes(AsBytes(origin_etag), 0);
  return http_origin::Hex(std::as_bytes(std::span(&hash, 1))) + "-1";
}

std::string EtagOf(const ObjectInfo& info, const ObjectAttributes& attributes) {
  const auto md5 =
      std::ranges::find(attributes, kMd5Attribute, &ObjectAttributes::value_type::first);
  return md5 == attributes.end() ? ShownEtag(info.etag) : md5->second;
}

std::string IsoDate(int64_t wall_ns) {
  std::string text = http_origin::BasicIsoDate(wall_ns);  // 20261121T084937Z
  text.pop_back();
  for (const size_t at : {13, 11}) text.insert(at, ":");
  for (const size_t at : {6, 4}) text.insert(at, "-");
  const int64_t ms = wall_ns / 1'000'000 % 1000;
  return fmt::format("{}.{:03}Z", text, ms < 0 ? 0 : ms);
}

Outcome<std::shared_ptr<const Attachment>> BucketOf(const Exchange& x, Rights needed) {
  std::shared_ptr<const Attachment> found;
  if (!IsAttached(x, x.request.bucket, &found)) {
    S3Error error(kinds::kNoSuchBucket);
    return std::unexpected(std::move(error.With("BucketName", x.request.bucket)));
  }
  const auto allowed = x.node().gate().Check(*x.who, needed, found->guarded());
  if (!allowed) return std::unexpected(S3Error(allowed.error()));
  return found;
}

S3Error ObjectError(const Exchange& x, const Error& error) {
  std::shared_ptr<const Attachment> found;
  if (error.code() == Code::kNotFound && !IsAttached(x, x.request.bucket, &found)) {
    S3Error missing(kinds::kNoSuchBucket);
    return std::move(missing.With("BucketName", x.request.bucket));
  }
  S3Error told = ErrorAbout(error, kinds::kNoSuchKey);
  if (error.code() == Code::kInvalidArgument && !CheckKey(StoredKey(x.request.key))) {
    // S3 takes keys that no file system could: there are none here, and there will be none.
    const bool reads = x.request.head != nullptr &&
                       (x.request.head->method == "GET" || x.request.head->method == "HEAD");
    told = reads ? S3Error(kinds::kNoSuchKey) : S3Error(kinds::kNotImplemented, error.message());
  }
  if (told.kind.code == kinds::kNoSuchKey.code) told.With("Key", x.request.key);
  return told;
}

void WriteOwner(XmlWriter& xml, std::string_view element) {
  xml.Open(element).Text("ID", kOwnerId).Text("DisplayName", kOwnerName).Close(element);
}

Outcome<void> CheckOwner(const Request& request) {
  for (const std::string_view header :
       {"x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"}) {
    const std::string_view expected = request.Header(header);
    if (!expected.empty() && expected != kOwnerId) return Refuse(kinds::kAccessDenied);
  }
  return {};
}

Task<Answer> ListBuckets(Exchange& x) {
  const std::string prefix = x.request.QueryOr("prefix", "");
  const std::string after = x.request.QueryOr("continuation-token", "");
  size_t most = 10'000;
  if (const std::string* given = x.request.Query("max-buckets")) {
    const auto parsed = std::from_chars(given->data(), given->data() + given->size(), most);
    if (parsed.ec != std::errc() || parsed.ptr != given->data() + given->size() || most == 0 ||
        most > 10'000) {
      co_return Refuse(kinds::kInvalidArgument, "max-buckets is a number from 1 to 10000");
    }
  }
  auto visible = x.node().Attachments(*x.who);
  std::ranges::sort(visible, {}, [](const auto& one) { return one->config.name; });
  XmlWriter xml;
  xml.Root("ListAllMyBucketsResult");
  WriteOwner(xml);
  xml.Open("Buckets");
  size_t count = 0;
  std::string last, token;
  for (const auto& attachment : visible) {
    const std::string& name = attachment->config.name;
    if (name <= after || !name.starts_with(prefix)) continue;
    if (count == most) {
      token = last;
      break;
    }
    xml.Open("Bucket").Text("Name", name).Text("CreationDate", IsoDate(0)).Close("Bucket");
    last = name;
    ++count;
  }
  xml.Close("Buckets");
  if (!token.empty()) xml.Text("ContinuationToken", token);
  if (!prefix.empty()) xml.Text("Prefix", prefix);
  co_return Reply::Xml(xml.Close("ListAllMyBucketsResult").Take());
}

Task<Answer> HeadBucket(Exchange& x) {
  FB_CO_TRY(BucketOf(x, kList));
  Reply reply = Reply::Empty();
  reply.content_type = "application/xml";
  reply.headers = {{"x-amz-bucket-region", x.door.options.region},
                   {"x-amz-access-point-alias", "false"}};
  co_return reply;
}

Task<Answer> GetBucketLocation(Exchange& x) {
  FB_CO_TRY(BucketOf(x, kList));
  XmlWriter xml;
  xml.Root("LocationConstraint");
  // The oldest region has no name here.
  if (x.door.options.region != "us-east-1") xml.Escaped(x.door.options.region);
  co_return Reply::Xml(xml.Close("LocationConstraint").Take());
}

Task<Answer> GetBucketSetting(Exchange& x) {
  FB_CO_TRY(BucketOf(x, kList));
  XmlWriter xml;
  switch (x.operation.op) {
    case Op::kGetBucketVersioning:
      co_return Reply::Xml(
          xml.Root("VersioningConfiguration").Close("VersioningConfiguration").Take());
    case Op::kGetBucketRequestPayment:
      xml.Root("RequestPaymentConfiguration").Text("Payer", "BucketOwner");
      co_return Reply::Xml(xml.Close("RequestPaymentConfiguration").Take());
    case Op::kGetBucketEmptyConfiguration:
      co_return Reply::Xml(xml.Root(x.operation.detail).Close(x.operation.detail).Take());
    default:
      break;
  }
  S3Error error({x.operation.detail, 404, "The bucket has no such configuration."});
  co_return std::unexpected(std::move(error.With("BucketName", x.request.bucket)));
}

/// Rights are a matter of keys, not of objects: all that an access control list could say here is
/// that everything is the owner's.
Task<Answer> GetAcl(Exchange& x) {
  FB_CO_TRY(BucketOf(x, kRead));
  if (x.operation.op == Op::kGetObjectAcl) {
    Trace trace;
    const auto object = co_await x.node().Stat(*x.who, x.request.NodePath(), x.call(), &trace);
    if (!object) co_return std::unexpected(ObjectError(x, object.error()));
  }
  XmlWriter xml;
  xml.Root("AccessControlPolicy");
  WriteOwner(xml);
  xml.Open("AccessControlList").Open("Grant");
  xml.Raw(
      "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
      "xsi:type=\"CanonicalUser\">");
  xml.Text("ID", kOwnerId).Text("DisplayName", kOwnerName).Close("Grantee");
  xml.Text("Permission", "FULL_CONTROL").Close("Grant").Close("AccessControlList");
  co_return Reply::Xml(xml.Close("AccessControlPolicy").Take());
}

/// None can be given through this door. Clients ask before they copy.
Task<Answer> GetObjectTagging(Exchange& x) {
  FB_CO_TRY(BucketOf(x, kRead));
  Trace trace;
  const auto object = co_await x.node().Stat(*x.who, x.request.NodePath(), x.call(), &trace);
  if (!object) co_return std::unexpected(ObjectError(x, object.error()));
  XmlWriter xml;
  co_return Reply::Xml(xml.Root("Tagging").Open("TagSet").Close("TagSet").Close("Tagging").Take());
}

}  // namespace forebay::s3door
