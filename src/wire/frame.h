// A frame: 32 bytes of header, then `meta_size` bytes of one message's fields, then `data_size`
// bytes of an object. docs/PROTOCOL.md has every byte. Pure: bytes in, bytes out.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "src/base/bytes.h"
#include "src/base/result.h"

namespace forebay::wire {

inline constexpr size_t kHeaderBytes = 32;
/// What one frame may carry, whoever sends it. The handshake may name less, never more.
inline constexpr uint32_t kMaxMetaBytes = 1u << 20;
inline constexpr uint32_t kMaxDataBytes = 4u << 20;

/// An answer has the type of its request. Numbers are for ever.
enum class MessageType : uint8_t {
  kHello = 1,
  kWelcome = 2,
  kAuth = 3,
  kReady = 4,
  kRefused = 5,

  kPing = 16,
  kCancel = 17,  // has no answer of its own
  kOpen = 18,
  kClose = 19,  // has no answer
  kRead = 20,
  kGet = 21,
  kGetMany = 22,
  kStat = 23,
  kList = 24,
  kFetch = 25,
  kLoad = 26,

  kPut = 32,
  kPutBegin = 33,
  kPutData = 34,
  kPutCommit = 35,
  kPutAbort = 36,
  kDelete = 37,
  kMultipartCreate = 38,
  kPartBegin = 39,  // then PutData, PutCommit or PutAbort
  kMultipartComplete = 40,
  kMultipartAbort = 41,

  kAttach = 48,
  kDetach = 49,
  kAttachments = 50,
  kEvict = 51,
  kWhere = 52,
  kStatus = 53,
  kCell = 54,
  kHandOver = 55,
  kOwners = 60,
  kCellStatus = 61,

  kWindow = 64,
  kWindowSegment = 65,

  kPeerRead = 80,
  kPeerResolve = 81,
  kPeerForget = 82,
  kPeerList = 83,
  kPeerForgetPages = 84,
  kPeerFollows = 85,
  kPeerLoad = 90,
  kPeerHeld = 91,
  kPeerStatus = 92,
};
bool IsKnown(MessageType type);
/// "Read"; "?" for what is not known.
std::string_view NameOf(MessageType type);

enum FrameFlag : uint8_t {
  kIsAnswer = 1,
  kMoreFollow = 2,  // of an answer: another frame answers the same request
  /// Of Read, Get and PeerRead: check what is in memory before it is sent, and fetch anew what is
  /// not what came in. Asked for after an answer that did not match its checksums.
  kCheckFirst = 4,
};
inline constexpr uint8_t kAllFrameFlags = kIsAnswer | kMoreFollow | kCheckFirst;

/// 0 means success. Code's place in its enum may move; these numbers may not.
inline constexpr uint16_t kStatusOk = 0;
uint16_t StatusOf(Code code);
/// A number of a later version is kInternal: the message still tells.
Code CodeOf(uint16_t status);

struct FrameHeader {
  uint32_t meta_size = 0;
  uint32_t data_size = 0;
  uint64_t request_id = 0;  // the client's choice; answers repeat it
  MessageType type = MessageType::kPing;
  uint8_t flags = 0;
  uint16_t status = kStatusOk;  // of an answer; where it is not 0, the meta is an ErrorAnswer
  uint16_t queue_depth = 0;     // of an answer: requests of all connections that wait at the node
  uint8_t descriptors = 0;      // that come with the frame's first byte; Unix sockets only
  uint32_t meta_crc = 0;        // CRC32C of the meta

  bool is_answer() const { return (flags & kIsAnswer) != 0; }
  bool more_follow() const { return (flags & kMoreFollow) != 0; }
  size_t body_size() const { return size_t{meta_size} + data_size; }
  friend bool operator==(const FrameHeader&, const FrameHeader&) = default;
};

/// The checksum of metas, headers and of data on its way in: CRC32C as everybody computes it
/// ("123456789" gives e3069283).
uint32_t FrameCrc(Bytes bytes);

void EncodeHeader(const FrameHeader& header, std::byte* to);
/// kCorrupt where the checksum fails: the stream is of no more use. kInvalidArgument where it is
/// intact and claims too much, or what v1 does not know.
Result<FrameHeader> DecodeHeader(std::span<const std::byte, kHeaderBytes> from);

/// kCorrupt names the message.
Result<void> CheckMeta(const FrameHeader& header, Bytes meta);

}  // namespace forebay::wire
