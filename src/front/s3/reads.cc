// GET and HEAD of objects: their bytes go to the socket from where they lie in the store.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <optional>

#include "src/base/units.h"
#include "src/front/s3/exchange.h"
#include "src/origin/http/text.h"

namespace forebay::s3door {
namespace {

/// What one connection has of an object on its way to its socket.
constexpr uint64_t kWindowBytes = 2 * kMiB;
static_assert(kWindowBytes <= kMaxReadBytes);
/// The same, copied, where more than the door's share is pinned already.
constexpr uint64_t kCopyBytes = 64 * kKiB;
/// Objects that change between their name and their first byte are asked for again so often.
constexpr int kMaxOpens = 3;
constexpr std::string_view kDefaultType = "binary/octet-stream";

struct Override {
  std::string_view query;
  std::string_view header;
};
constexpr Override kOverrides[] = {{"response-content-type", "Content-Type"},
                                   {"response-content-language", "Content-Language"},
                                   {"response-expires", "Expires"},
                                   {"response-cache-control", "Cache-Control"},
                                   {"response-content-disposition", "Content-Disposition"},
                                   {"response-content-encoding", "Content-Encoding"}};

/// What the door counts of a window on its way; nothing where there is no room for it.
class PinnedWindow {
 public:
  PinnedWindow(S3Door::Shared& door, uint64_t bytes) : door_(door), bytes_(bytes) {
    const uint64_t before = door_.pinned_bytes.fetch_add(bytes_, std::memory_order_relaxed);
    if (before + bytes_ > door_.options.max_pinned_bytes) GiveBack();
  }
  PinnedWindow(const PinnedWindow&) = delete;
  PinnedWindow& operator=(const PinnedWindow&) = delete;
  ~PinnedWindow() { GiveBack(); }
  explicit operator bool() const { return bytes_ > 0; }

 private:
  void GiveBack() {
    if (bytes_ == 0) return;
    door_.pinned_bytes.fetch_sub(std::exchange(bytes_, 0), std::memory_order_relaxed);
  }

  S3Door::Shared& door_;
  uint64_t bytes_;
};

class Sending {
 public:
  Sending(Exchange& x, std::shared_ptr<Handle> handle, Span span, Reply reply)
      : x_(x),
        handle_(std::move(handle)),
        at_(span.begin),
        end_(span.end),
        reply_(std::move(reply)) {
    reply_.length = span.end - span.begin;
  }

  /// An error: nothing was sent yet.
  Task<Result<void>> Run() {
    if (at_ == end_ || x_.request.head->method == "HEAD") {
      co_await SendParts({});
      co_return Result<void>();
    }
    while (at_ < end_) {
      const auto sent = co_await SendWindow();
      if (sent && *sent) continue;
      if (!sent && !begun_) co_return Fail(sent.error());
      x_.connection.BreakOff();  // too few bytes: all that the client can still be told
      break;
    }
    co_return Result<void>();
  }

 private:
  /// False: the client is gone.
  Task<Result<bool>> SendWindow() {
    // Before the read, which may wait: those who come meanwhile must know of this one.
    const PinnedWindow pinned(x_.door.shared, std::min(end_ - at_, kWindowBytes));
    const uint64_t size = std::min(end_ - at_, pinned ? kWindowBytes : kCopyBytes);
    auto at_once = x_.node().TryRead(*x_.who, *handle_, at_, static_cast<uint32_t>(size));
    if (!at_once) at_once = co_await ReadObject(x_, handle_, at_, size);
    FB_CO_ASSIGN(ReadResult window, std::move(*at_once));
    if (window.size != size) co_return Fail(Code::kInternal, "an object ended before its size");
    at_ += size;
    if (!pinned) co_return co_await SendCopy(std::move(window));
    std::array<Bytes, ReadResult::kMaxPieces> pieces;
    for (size_t i = 0; i < window.count; ++i) pieces[i] = window.pieces[i].view.bytes();
    co_return co_await SendParts(std::span<const Bytes>(pieces.data(), window.count));
  }

  Task<bool> SendCopy(ReadResult window) {
    std::vector<std::byte> bytes;
    bytes.reserve(window.size);
    for (const ReadResult::Piece& piece : window.all()) {
      const Bytes view = piece.view.bytes();
      bytes.insert(bytes.end(), view.begin(), view.end());
    }
    window.Clear();
    const Bytes part(bytes);
    co_return co_await SendParts(std::span(&part, 1));
  }

  Task<bool> SendParts(std::span<const Bytes> parts) {
    if (begun_) co_return (co_await x_.connection.SendMore(parts, x_.cancel)).has_value();
    begun_ = true;
    co_return (co_await x_.connection.Respond(x_.HeadOf(std::move(reply_)), parts, x_.cancel))
        .has_value();
  }

  Exchange& x_;
  const std::shared_ptr<Handle> handle_;
  uint64_t at_;
  const uint64_t end_;
  Reply reply_;
  bool begun_ = false;
};

/// Headers that tell of the object itself, but for its content type and those that are replaced.
std::string LinesAbout(const ObjectInfo& info, std::string_view etag,
                       const ObjectAttributes& attributes, std::span<const std::string> replaced) {
  std::string lines = fmt::format("ETag: \"{}\"\r\nLast-Modified: {}\r\nAccept-Ranges: bytes\r\n",
                                  etag, http_origin::HttpDate(info.modified_ns));
  for (const auto& [name, value] : attributes) {
    if (name == "content-type" || name == kMd5Attribute) continue;
    if (name.starts_with(kChecksumPrefix)) continue;  // told to who asks
    if (std::ranges::find(replaced, name) != replaced.end()) continue;
    http::AppendHeader(lines, name, value);
  }
  return lines;
}

AttributeCache::Value Describe(const ObjectInfo& info, ObjectAttributes attributes) {
  auto made = std::make_shared<Described>();
  made->etag = EtagOf(info, attributes);
  made->lines = LinesAbout(info, made->etag, attributes, {});
  const auto type =
      std::ranges::find(attributes, "content-type", &ObjectAttributes::value_type::first);
  made->content_type = type == attributes.end() ? kDefaultType : std::string_view(type->second);
  made->attributes = std::move(attributes);
  return made;
}

Reply ReplyAbout(const Described& object) {
  constexpr size_t kUsualBytes = 384;  // with what every answer has
  Reply reply{.content_type = object.content_type};
  reply.lines.reserve(kUsualBytes);
  reply.lines = object.lines;
  return reply;
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

Outcome<void> Override(const Exchange& x, const ObjectInfo& info, const Described& object,
                       Reply& reply) {
  std::vector<std::string> replaced;
  for (const auto& [query, header] : kOverrides) {
    const std::string* value = x.request.Query(query);
    if (value == nullptr) continue;
    if (x.anonymous) {
      return Refuse(kinds::kInvalidRequest,
                    "headers of the answer can be chosen by signed requests only");
    }
    if (header == "Content-Type") {
      reply.content_type = *value;
    } else {
      replaced.push_back(LowerCase(header));
      reply.headers.push_back({std::string(header), *value});
    }
  }
  if (!replaced.empty()) {
    reply.lines = LinesAbout(info, object.etag, object.attributes, replaced);
  }
  return {};
}

S3Error BadRange(std::string_view header, uint64_t size) {
  S3Error error(kinds::kInvalidRange);
  error.With("RangeRequested", std::string(header)).With("ActualObjectSize", std::to_string(size));
  return error;
}

/// nullopt: the whole object. Parts of uploads are not kept apart, so that an object has one.
Outcome<std::optional<RangeChoice>> RangeOf(const Exchange& x, const ObjectState& object) {
  std::string_view header = x.request.Header("Range");
  if (const std::string* part = x.request.Query("partNumber")) {
    uint32_t number = 0;
    const auto parsed = std::from_chars(part->data(), part->data() + part->size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != part->data() + part->size() || number == 0 ||
        number > 10'000) {
      return Refuse(kinds::kInvalidArgument, "partNumber is a number from 1 to 10000");
    }
    if (!header.empty()) {
      return Refuse(kinds::kInvalidRequest, "Range and partNumber cannot be asked for together");
    }
    if (number > 1) return Refuse(kinds::kInvalidPartNumber);
    if (object.size == 0) return std::nullopt;
    return RangeChoice{.partial = true, .span = {0, object.size}};
  }
  const std::string_view if_range = x.request.Header("If-Range");
  if (!if_range.empty() && !NamesEtag(if_range, object.etag) &&
      http_origin::ParseHttpDate(if_range).value_or(0) / 1'000'000'000 !=
          object.modified_ns / 1'000'000'000) {
    return std::nullopt;
  }
  if (header.empty()) return std::nullopt;
  std::optional<RangeChoice> choice = ChooseRange(header, object.size);
  if (!choice) return std::unexpected(BadRange(header, object.size));
  if (!choice->partial) choice.reset();
  return choice;
}

/// Null: to be asked for.
AttributeCache::Value KnownDescription(const Exchange& x, const Handle& handle) {
  const ResolvedObject& object = ObjectOf(handle);
  return x.door.shared.attributes.Find(object.version, object.info.modified_ns);
}

Outcome<void> CheckVersion(const Exchange& x) {
  const std::string* version = x.request.Query("versionId");
  if (version == nullptr || *version == "null") return {};
  if (version->empty()) {
    return Refuse(kinds::kInvalidArgument, "Version id cannot be the empty string");
  }
  S3Error error(kinds::kNoSuchVersion);
  error.With("Key", x.request.key).With("VersionId", *version);
  return std::unexpected(std::move(error));
}

/// nullopt: not this state of the object, but one that came meanwhile.
Task<Outcome<std::optional<Reply>>> TryGet(Exchange& x, bool afresh) {
  FB_CO_TRY(CheckVersion(x));
  // What is known is asked for here first, without a task.
  std::string path = x.request.NodePath();
  std::optional<Result<std::shared_ptr<Handle>>> opened;
  if (!afresh) opened = x.node().TryOpen(*x.who, path);
  if (!opened) opened = co_await OpenObject(x, std::move(path), afresh);
  const Result<std::shared_ptr<Handle>>& handle = *opened;
  if (!handle) co_return std::unexpected(ObjectError(x, handle.error()));
  const ObjectInfo& info = ObjectOf(**handle).info;
  Result<AttributeCache::Value> described = KnownDescription(x, **handle);
  if (*described == nullptr) described = co_await DescriptionOf(x, *handle);
  if (!described && described.error().code() == Code::kVersionChanged) co_return std::nullopt;
  if (!described) co_return std::unexpected(ObjectError(x, described.error()));
  const ObjectState object{
      .etag = (*described)->etag, .size = info.size, .modified_ns = info.modified_ns};
  Reply reply = ReplyAbout(**described);
  std::string_view failed;
  switch (Decide(Conditions::Of(x.request), object, &failed)) {
    case Verdict::kFailed: {
      if (!afresh && failed == "If-Match") co_return std::nullopt;
      S3Error error(kinds::kPreconditionFailed);
      co_return std::unexpected(std::move(error.With("Condition", std::string(failed))));
    }
    case Verdict::kNotModified:
      reply.status = 304;
      reply.content_type.clear();
      co_return reply;
    case Verdict::kProceed:
      break;
  }
  FB_CO_ASSIGN(const auto range, RangeOf(x, object));
  FB_CO_TRY(Override(x, info, **described, reply));
  Span span{0, info.size};
  if (range) {
    span = range->span;
    reply.status = 206;
    fmt::format_to(std::back_inserter(reply.lines), "Content-Range: bytes {}-{}/{}\r\n", span.begin,
                   span.end - 1, info.size);
  }
  if (!range && x.request.Header("x-amz-checksum-mode") == "ENABLED") {
    if (const auto* checksum = ChecksumOf(**described)) {
      reply.headers.push_back({checksum->first, checksum->second});
      reply.headers.push_back({"x-amz-checksum-type", "FULL_OBJECT"});
    }
  }
  Sending sending(x, *handle, span, std::move(reply));
  const auto sent = co_await sending.Run();
  if (sent) co_return Reply::Sent();
  if (sent.error().code() == Code::kVersionChanged) co_return std::nullopt;
  co_return std::unexpected(ObjectError(x, sent.error()));
}

/// As TryGet.
Task<Outcome<std::optional<Reply>>> TryAttributes(Exchange& x, bool afresh) {
  FB_CO_TRY(CheckVersion(x));
  std::string_view wanted = x.request.Header("x-amz-object-attributes");
  if (wanted.empty()) {
    co_return Refuse(kinds::kInvalidArgument, "x-amz-object-attributes names what is wanted");
  }
  const auto handle = co_await OpenObject(x, x.request.NodePath(), afresh);
  if (!handle) co_return std::unexpected(ObjectError(x, handle.error()));
  const auto described = co_await DescriptionOf(x, *handle);
  if (!described && described.error().code() == Code::kVersionChanged) co_return std::nullopt;
  if (!described) co_return std::unexpected(ObjectError(x, described.error()));
  const ObjectInfo& info = ObjectOf(**handle).info;
  XmlWriter xml;
  xml.Root("GetObjectAttributesResponse");
  while (!wanted.empty()) {
    std::string_view one = wanted.substr(0, wanted.find(','));
    wanted.remove_prefix(std::min(wanted.size(), one.size() + 1));
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (one == "ETag") {
      xml.Text("ETag", (*described)->etag);
    } else if (one == "Checksum") {
      if (const auto* sum = ChecksumOf(**described)) {
        xml.Open("Checksum");
        WriteChecksum(xml, *AlgorithmOfHeader(sum->first), sum->second);
        xml.Close("Checksum");
      }
    } else if (one == "ObjectSize") {
      xml.Number("ObjectSize", info.size);
    } else if (one == "StorageClass") {
      xml.Text("StorageClass", "STANDARD");
    } else if (one != "ObjectParts") {  // of which nothing is kept
      co_return Refuse(kinds::kInvalidArgument, "Invalid attribute name specified.");
    }
  }
  Reply reply = Reply::Xml(xml.Close("GetObjectAttributesResponse").Take());
  reply.headers = {{"Last-Modified", http_origin::HttpDate(info.modified_ns)}};
  co_return reply;
}

}  // namespace

Task<Result<std::shared_ptr<Handle>>> OpenObject(Exchange& x, std::string path, bool afresh) {
  Trace trace;
  if (afresh) {
    // No state has this name, so that what is known is asked for again.
    static_cast<void>(
        co_await x.node().Open(*x.who, path, {.if_match = "none such"}, x.call(), &trace));
  }
  auto known = x.node().TryOpen(*x.who, path);
  if (known) co_return std::move(*known);
  co_return co_await x.node().Open(*x.who, std::move(path), {}, x.call(), &trace);
}

Task<Result<AttributeCache::Value>> DescriptionOf(Exchange& x, std::shared_ptr<Handle> handle) {
  const ResolvedObject& object = ObjectOf(*handle);
  const int64_t modified_ns = object.info.modified_ns, now_ns = x.env().clock.WallNanos();
  if (auto known = KnownDescription(x, *handle)) co_return known;
  ObjectAttributes attributes;
  if (object.attachment->origin->capabilities().attributes) {
    FB_CO_ASSIGN(attributes, co_await x.node().Attributes(*x.who, handle, x.call()));
  }
  auto learned = Describe(object.info, std::move(attributes));
  x.door.shared.attributes.Learn(object.version, modified_ns, now_ns, learned);
  co_return learned;
}

Task<Result<std::string>> EtagOf(Exchange& x, std::shared_ptr<Handle> handle) {
  FB_CO_ASSIGN(const auto described, co_await DescriptionOf(x, handle));
  co_return described->etag;
}

Task<Result<ReadResult>> ReadObject(Exchange& x, std::shared_ptr<Handle> handle, uint64_t offset,
                                    uint64_t size) {
  auto at_once = x.node().TryRead(*x.who, *handle, offset, static_cast<uint32_t>(size));
  if (at_once) co_return std::move(*at_once);
  Trace trace;
  co_return co_await x.node().Read(*x.who, std::move(handle), offset, static_cast<uint32_t>(size),
                                   x.call(), &trace);
}

const ObjectAttributes::value_type* ChecksumOf(const Described& described) {
  // Who writes a blob anew may leave what was said of the old one: the MD5 tells, and is gone then.
  if (described.etag.find('-') != described.etag.npos) return nullptr;
  for (const auto& attribute : described.attributes) {
    if (AlgorithmOfHeader(attribute.first)) return &attribute;
  }
  return nullptr;
}

void WriteChecksum(XmlWriter& xml, Algorithm algorithm, std::string_view value) {
  xml.Text(fmt::format("Checksum{}", NameOf(algorithm)), value);
  xml.Text("ChecksumType", "FULL_OBJECT");
}

Task<Answer> UntilItStays(Exchange& x, Attempt attempt) {
  for (int opens = 0; opens < kMaxOpens; ++opens) {
    FB_CO_ASSIGN(auto reply, co_await attempt(x, opens > 0));
    if (reply) co_return std::move(*reply);
  }
  co_return Refuse(kinds::kServiceUnavailable, "the object changes faster than it can be read");
}

Task<Answer> GetObject(Exchange& x) {
  return UntilItStays(x, TryGet);
}

Task<Answer> GetObjectAttributes(Exchange& x) {
  return UntilItStays(x, TryAttributes);
}

}  // namespace forebay::s3door
