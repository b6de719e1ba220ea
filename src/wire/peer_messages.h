// What the nodes of a cell ask one another: from version 2 on, and only of those who came with the
// cell's secret.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "src/wire/peer_name_messages.h"

namespace forebay::wire {

inline constexpr uint32_t kNoNode = UINT32_MAX;

enum PeerReadFlag : uint8_t {
  kHeldOnly = 1,  // kNotFound where it would have to be fetched
  kOrComing = 2,  // with it: unless it is on its way already
  kEither = 4,    // where two others have it, say both: the asker will choose
};

/// Bytes of one version of an object, whoever owns them. It says all that the
/// origin has to be asked with, so that nobody looks up a name on the way.
struct PeerReadRequest {
  static constexpr MessageType kType = MessageType::kPeerRead;
  uint64_t attachment_id = 0;
  uint64_t object_size = 0;
  int64_t modified_ns = 0;
  uint64_t offset = 0;
  uint64_t until = 0;        // where the reader will stop: what lies before may be fetched at once
  uint32_t size = 0;         // at most Limits::max_read_bytes
  uint32_t asker = kNoNode;  // its index, where it may be sent to another node
  uint8_t flags = 0;
  std::string_view key;
  std::string_view etag;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("attachment_id", m.attachment_id);
    v.Number("object_size", m.object_size);
    v.Number("modified_ns", m.modified_ns);
    v.Number("offset", m.offset);
    v.Number("until", m.until);
    v.Number("size", m.size);
    v.Number("asker", m.asker);
    v.Number("flags", m.flags);
    v.Text("key", m.key, kMaxKeyBytes);
    v.Text("etag", m.etag, kMaxEtagBytes);
  }
};
struct PeerReadAnswer {
  /// Where it is kNoNode the bytes follow. Otherwise there are none: the node of this index has
  /// them, or is getting them, and is to be asked with kHeldOnly and kOrComing.
  uint32_t elsewhere = kNoNode;
  /// Of the bytes. Where there are none, and kEither was said: the index of another that has them,
  /// if there is one.
  Bytes crcs;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("elsewhere", m.elsewhere);
    v.Rest("crcs", m.crcs);
  }
};

// -- Loading.

/// Of one Load or PeerLoad.
inline constexpr size_t kMaxLoadItems = 128;
inline constexpr uint64_t kMaxLoadBytes = 64ull << 20;
inline constexpr size_t kMaxLoadErrorBytes = 512;

/// What a node is to bring in from the origin: a part of one version of an object.
struct PeerLoadItem {
  uint64_t object_size = 0;
  int64_t modified_ns = 0;
  uint64_t offset = 0;
  uint64_t size = 0;
  std::string_view key;
  std::string_view etag;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("object_size", m.object_size);
    v.Number("modified_ns", m.modified_ns);
    v.Number("offset", m.offset);
    v.Number("size", m.size);
    v.Text("key", m.key, kMaxKeyBytes);
    v.Text("etag", m.etag, kMaxEtagBytes);
  }
};
/// Answered when all is there, or could not be had.
struct PeerLoadRequest {
  static constexpr MessageType kType = MessageType::kPeerLoad;
  uint64_t attachment_id = 0;
  std::vector<PeerLoadItem> items;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("attachment_id", m.attachment_id);
    v.List("items", m.items, kMaxLoadItems);
  }
};
struct PeerLoadFailure {
  uint16_t item = 0;
  uint16_t status = kStatusOk;
  std::string_view message;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("item", m.item);
    v.Number("status", m.status);
    v.Text("message", m.message, kMaxLoadErrorBytes);
  }
};
struct PeerLoadAnswer {
  std::vector<PeerLoadFailure> failures;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.List("failures", m.failures, kMaxLoadItems);
  }
};

// -- For people.

/// Of one Owners or PeerHeld.
inline constexpr size_t kMaxOwnersChunks = 512;

/// Bytes of a chunk that lie in a node's tiers; both may have the same ones.
struct HeldBytes {
  uint64_t memory_bytes = 0;
  uint64_t disk_bytes = 0;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("memory_bytes", m.memory_bytes);
    v.Number("disk_bytes", m.disk_bytes);
  }
};
struct ChunkNumber {
  uint64_t chunk = 0;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("chunk", m.chunk);
  }
};
/// What a node has of chunks of one version.
struct PeerHeldRequest {
  static constexpr MessageType kType = MessageType::kPeerHeld;
  uint64_t attachment_id = 0;
  uint64_t object_size = 0;
  std::vector<ChunkNumber> chunks;
  std::string_view key;
  std::string_view etag;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("attachment_id", m.attachment_id);
    v.Number("object_size", m.object_size);
    v.List("chunks", m.chunks, kMaxOwnersChunks);
    v.Text("key", m.key, kMaxKeyBytes);
    v.Text("etag", m.etag, kMaxEtagBytes);
  }
};
struct PeerHeldAnswer {
  std::vector<HeldBytes> held;  // one for each chunk
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.List("held", m.held, kMaxOwnersChunks);
  }
};

/// A node's own status, as Status gives it.
struct PeerStatusRequest {
  static constexpr MessageType kType = MessageType::kPeerStatus;
  template <class V, class M>
  static void Fields(V&, M&) {}
};
struct PeerStatusAnswer {
  std::string_view json;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Rest("json", m.json);
  }
};

}  // namespace forebay::wire
