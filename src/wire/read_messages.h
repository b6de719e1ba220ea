// Reading, listing, prefetching. After the RequestHead each request's meta is its struct's fields
// in the order of `Fields`.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "src/base/block_key.h"
#include "src/wire/messages.h"

namespace forebay::wire {

inline constexpr size_t kMaxListEntries = 1000;
inline constexpr size_t kMaxGetManyItems = 1024;
/// A handle that no server gives: Fetch by path.
inline constexpr uint32_t kNoHandle = 0;

/// An object at one version.
struct Info {
  VersionId version;
  uint64_t size = 0;
  int64_t modified_ns = 0;
  uint64_t attachment_id = 0;
  uint32_t fresh_for_ms = 0;  // how long the name may be taken to mean this; ~0: for ever
  uint32_t block_bytes = 0;   // what the pieces' checksums are bound to (pieces.h)
  std::string_view etag;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Hash("version", m.version.hash);
    v.Number("size", m.size);
    v.Number("modified_ns", m.modified_ns);
    v.Number("attachment_id", m.attachment_id);
    v.Number("fresh_for_ms", m.fresh_for_ms);
    v.Number("block_bytes", m.block_bytes);
    v.Text("etag", m.etag, kMaxEtagBytes);
  }
};

struct PingRequest {
  static constexpr MessageType kType = MessageType::kPing;
  template <class V, class M>
  static void Fields(V&, M&) {}
};
using PingAnswer = Empty;

/// Of the request that has the id of this frame. What was asked is answered once, with kCancelled
/// or with what was already done.
struct CancelRequest {
  static constexpr MessageType kType = MessageType::kCancel;
  template <class V, class M>
  static void Fields(V&, M&) {}
};

struct OpenRequest {
  static constexpr MessageType kType = MessageType::kOpen;
  std::string_view path;
  std::string_view if_match;  // an etag; empty: whatever is there
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Text("path", m.path, kMaxPathBytes);
    v.Text("if_match", m.if_match, kMaxEtagBytes);
  }
};
struct OpenAnswer {
  uint32_t handle = kNoHandle;  // of this connection
  Info info;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("handle", m.handle);
    Info::Fields(v, m.info);
  }
};

/// Has no answer; a handle that is not open is ignored.
struct CloseRequest {
  static constexpr MessageType kType = MessageType::kClose;
  uint32_t handle = kNoHandle;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("handle", m.handle);
  }
};

struct ReadRequest {
  static constexpr MessageType kType = MessageType::kRead;
  uint32_t handle = kNoHandle;
  uint64_t offset = 0;
  uint32_t size = 0;  // at most Limits::max_read_bytes; cut at the object's end
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("handle", m.handle);
    v.Number("offset", m.offset);
    v.Number("size", m.size);
  }
};
/// The frame's data are the bytes; `crcs` has one u32 for each page that they touch (pieces.h).
struct ReadAnswer {
  Bytes crcs;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Rest("crcs", m.crcs);
  }
};

/// Opens, reads and closes in one round trip.
struct GetRequest {
  static constexpr MessageType kType = MessageType::kGet;
  uint64_t offset = 0;
  uint32_t size = 0;
  std::string_view path;
  std::string_view if_match;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("offset", m.offset);
    v.Number("size", m.size);
    v.Text("path", m.path, kMaxPathBytes);
    v.Text("if_match", m.if_match, kMaxEtagBytes);
  }
};
struct GetAnswer {
  Info info;
  Bytes crcs;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    Info::Fields(v, m.info);
    v.Rest("crcs", m.crcs);
  }
};

struct GetItem {
  uint64_t offset = 0;
  uint32_t size = 0;
  std::string_view path;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("offset", m.offset);
    v.Number("size", m.size);
    v.Text("path", m.path, kMaxPathBytes);
  }
};
/// Answered by one frame an item, in any order, each with kMoreFollow, then by an empty last one.
/// An item that failed has no data and says why (GetManyAnswer::status); a status in a header ends
/// the whole request.
struct GetManyRequest {
  static constexpr MessageType kType = MessageType::kGetMany;
  std::vector<GetItem> items;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.List("items", m.items, kMaxGetManyItems);
  }
};
struct GetManyAnswer {
  uint16_t index = 0;
  uint16_t status = kStatusOk;
  std::string_view message;  // of an error
  Info info;                 // empty with an error
  Bytes crcs;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("index", m.index);
    v.Number("status", m.status);
    v.Text("message", m.message, kMaxErrorBytes);
    Info::Fields(v, m.info);
    v.Rest("crcs", m.crcs);
  }
};
/// The frame without kMoreFollow.
using GetManyEnd = Empty;

struct StatRequest {
  static constexpr MessageType kType = MessageType::kStat;
  std::string_view path;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Text("path", m.path, kMaxPathBytes);
  }
};
using StatAnswer = Info;

struct ListRequest {
  static constexpr MessageType kType = MessageType::kList;
  uint16_t limit = kMaxListEntries;
  std::string_view path;       // "/ATTACHMENT/" and a prefix of keys
  std::string_view delimiter;  // "" or "/"
  std::string_view after;      // keys after this one, byte-wise
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("limit", m.limit);
    v.Text("path", m.path, kMaxPathBytes);
    v.Text("delimiter", m.delimiter, 1);
    v.Text("after", m.after, kMaxPathBytes);
  }
};
struct Entry {
  std::string_view key;  // within the attachment; of a prefix: with the delimiter at its end
  std::string_view etag;
  uint64_t size = 0;
  int64_t modified_ns = 0;
  bool is_prefix = false;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Text("key", m.key, kMaxPathBytes);
    v.Text("etag", m.etag, kMaxEtagBytes);
    v.Number("size", m.size);
    v.Number("modified_ns", m.modified_ns);
    v.Flag("is_prefix", m.is_prefix);
  }
};
struct ListAnswer {
  bool more = false;  // the next page begins after the last key
  std::vector<Entry> entries;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Flag("more", m.more);
    v.List("entries", m.entries, kMaxListEntries);
  }
};

/// Answered when the range is cached. By path, or by handle where the path is empty.
struct FetchRequest {
  static constexpr MessageType kType = MessageType::kFetch;
  uint32_t handle = kNoHandle;
  uint64_t offset = 0;
  uint64_t size = 0;  // 0: up to the end
  std::string_view path;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("handle", m.handle);
    v.Number("offset", m.offset);
    v.Number("size", m.size);
    v.Text("path", m.path, kMaxPathBytes);
  }
};
struct FetchAnswer {
  uint64_t bytes = 0;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("bytes", m.bytes);
  }
};

}  // namespace forebay::wire
