#include "src/wire/frame.h"

#include <fmt/format.h>

#include "src/base/checksum.h"

namespace forebay::wire {
namespace {

// Where the header's fields lie; docs/PROTOCOL.md has the same table.
constexpr size_t kMetaSizeAt = 0;
constexpr size_t kDataSizeAt = 4;
constexpr size_t kRequestIdAt = 8;
constexpr size_t kTypeAt = 16;
constexpr size_t kFlagsAt = 17;
constexpr size_t kStatusAt = 18;
constexpr size_t kQueueDepthAt = 20;
constexpr size_t kDescriptorsAt = 22;
constexpr size_t kReservedAt = 23;
constexpr size_t kMetaCrcAt = 24;
constexpr size_t kHeaderCrcAt = 28;

// In the order of the numbers 1, 2, …
constexpr Code kCodes[] = {
    Code::kInvalidArgument,  Code::kNotFound,        Code::kAlreadyExists, Code::kVersionChanged,
    Code::kPermissionDenied, Code::kUnauthenticated, Code::kOverloaded,    Code::kUnavailable,
    Code::kDeadlineExceeded, Code::kCancelled,       Code::kCorrupt,       Code::kIoError,
    Code::kNoSpace,          Code::kInUse,           Code::kUnsupported,   Code::kInternal,
};

struct Named {
  MessageType type;
  std::string_view name;
};
constexpr Named kNames[] = {
    {MessageType::kHello, "Hello"},
    {MessageType::kWelcome, "Welcome"},
    {MessageType::kAuth, "Auth"},
    {MessageType::kReady, "Ready"},
    {MessageType::kRefused, "Refused"},
    {MessageType::kPing, "Ping"},
    {MessageType::kCancel, "Cancel"},
    {MessageType::kOpen, "Open"},
    {MessageType::kClose, "Close"},
    {MessageType::kRead, "Read"},
    {MessageType::kGet, "Get"},
    {MessageType::kGetMany, "GetMany"},
    {MessageType::kStat, "Stat"},
    {MessageType::kList, "List"},
    {MessageType::kFetch, "Fetch"},
    {MessageType::kLoad, "Load"},
    {MessageType::kPut, "Put"},
    {MessageType::kPutBegin, "PutBegin"},
    {MessageType::kPutData, "PutData"},
    {MessageType::kPutCommit, "PutCommit"},
    {MessageType::kPutAbort, "PutAbort"},
    {MessageType::kDelete, "Delete"},
    {MessageType::kMultipartCreate, "MultipartCreate"},
    {MessageType::kPartBegin, "PartBegin"},
    {MessageType::kMultipartComplete, "MultipartComplete"},
    {MessageType::kMultipartAbort, "MultipartAbort"},
    {MessageType::kAttach, "Attach"},
    {MessageType::kDetach, "Detach"},
    {MessageType::kAttachments, "Attachments"},
    {MessageType::kEvict, "Evict"},
    {MessageType::kWhere, "Where"},
    {MessageType::kStatus, "Status"},
    {MessageType::kCell, "Cell"},
    {MessageType::kHandOver, "HandOver"},
    {MessageType::kOwners, "Owners"},
    {MessageType::kCellStatus, "CellStatus"},
    {MessageType::kWindow, "Window"},
    {MessageType::kWindowSegment, "WindowSegment"},
    {MessageType::kPeerRead, "PeerRead"},
    {MessageType::kPeerResolve, "PeerResolve"},
    {MessageType::kPeerForget, "PeerForget"},
    {MessageType::kPeerList, "PeerList"},
    {MessageType::kPeerForgetPages, "PeerForgetPages"},
    {MessageType::kPeerFollows, "PeerFollows"},
    {MessageType::kPeerLoad, "PeerLoad"},
    {MessageType::kPeerHeld, "PeerHeld"},
    {MessageType::kPeerStatus, "PeerStatus"},
};

}  // namespace

std::string_view NameOf(MessageType type) {
  for (const Named& named : kNames) {
    if (named.type == type) return named.name;
  }
  return "?";
}

bool IsKnown(MessageType type) {
  return NameOf(type) != "?";
}

uint16_t StatusOf(Code code) {
  for (size_t i = 0; i < std::size(kCodes); ++i) {
    if (kCodes[i] == code) return static_cast<uint16_t>(i + 1);
  }
  return StatusOf(Code::kInternal);
}

Code CodeOf(uint16_t status) {
  return status >= 1 && status <= std::size(kCodes) ? kCodes[status - 1] : Code::kInternal;
}

uint32_t FrameCrc(Bytes bytes) {
  return ~Crc32c(bytes, ~0u);
}

void EncodeHeader(const FrameHeader& header, std::byte* to) {
  StoreTo(to + kMetaSizeAt, header.meta_size);
  StoreTo(to + kDataSizeAt, header.data_size);
  StoreTo(to + kRequestIdAt, header.request_id);
  StoreTo(to + kTypeAt, header.type);
  StoreTo(to + kFlagsAt, header.flags);
  StoreTo(to + kStatusAt, header.status);
  StoreTo(to + kQueueDepthAt, header.queue_depth);
  StoreTo(to + kDescriptorsAt, header.descriptors);
  StoreTo(to + kReservedAt, uint8_t{0});
  StoreTo(to + kMetaCrcAt, header.meta_crc);
  StoreTo(to + kHeaderCrcAt, FrameCrc({to, kHeaderCrcAt}));
}

Result<FrameHeader> DecodeHeader(std::span<const std::byte, kHeaderBytes> from) {
  const std::byte* at = from.data();
  if (LoadFrom<uint32_t>(at + kHeaderCrcAt) != FrameCrc(from.first<kHeaderCrcAt>())) {
    return Fail(Code::kCorrupt,
                "frame header: wrong checksum (is the peer speaking Forebay's "
                "protocol?)");
  }
  FrameHeader header;
  header.meta_size = LoadFrom<uint32_t>(at + kMetaSizeAt);
  header.data_size = LoadFrom<uint32_t>(at + kDataSizeAt);
  header.request_id = LoadFrom<uint64_t>(at + kRequestIdAt);
  header.type = LoadFrom<MessageType>(at + kTypeAt);
  header.flags = LoadFrom<uint8_t>(at + kFlagsAt);
  header.status = LoadFrom<uint16_t>(at + kStatusAt);
  header.queue_depth = LoadFrom<uint16_t>(at + kQueueDepthAt);
  header.descriptors = LoadFrom<uint8_t>(at + kDescriptorsAt);
  header.meta_crc = LoadFrom<uint32_t>(at + kMetaCrcAt);
  if (header.meta_size > kMaxMetaBytes || header.data_size > kMaxDataBytes) {
    return Fail(Code::kInvalidArgument,
                fmt::format("frame of {} + {} bytes; at most {} + {} are allowed", header.meta_size,
                            header.data_size, kMaxMetaBytes, kMaxDataBytes));
  }
  if ((header.flags & ~kAllFrameFlags) != 0 || LoadFrom<uint8_t>(at + kReservedAt) != 0) {
    return Fail(Code::kInvalidArgument, "frame header: flags of an unknown version");
  }
  return header;
}

Result<void> CheckMeta(const FrameHeader& header, Bytes meta) {
  if (meta.size() == header.meta_size && FrameCrc(meta) == header.meta_crc) return {};
  return Fail(Code::kCorrupt, fmt::format("{}: wrong checksum of its fields", NameOf(header.type)));
}

}  // namespace forebay::wire
