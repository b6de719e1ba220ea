// Administration, and the window into shared memory.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "src/wire/messages.h"
#include "src/wire/read_messages.h"

namespace forebay::wire {

inline constexpr size_t kMaxAttachments = 1024;

/// An attachment's settings, as texts that people write: "60s", "uid:1000".
struct AttachmentFields {
  uint64_t id = 0;           // given by the node
  uint64_t chunk_bytes = 0;  // 0: the node's default
  bool read_only = false;
  std::string_view name;
  std::string_view origin;     // URL
  std::string_view freshness;  // "": the default
  std::string_view allow;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("id", m.id);
    v.Number("chunk_bytes", m.chunk_bytes);
    v.Flag("read_only", m.read_only);
    v.Text("name", m.name, kMaxNameBytes);
    v.Text("origin", m.origin, kMaxUrlBytes);
    v.Text("freshness", m.freshness, kMaxNameBytes);
    v.Text("allow", m.allow, kMaxUrlBytes);
  }
};

/// Answered by Empty.
struct AttachRequest {
  static constexpr MessageType kType = MessageType::kAttach;
  AttachmentFields attachment;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    AttachmentFields::Fields(v, m.attachment);
  }
};
struct DetachRequest {
  static constexpr MessageType kType = MessageType::kDetach;
  std::string_view name;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Text("name", m.name, kMaxNameBytes);
  }
};
struct AttachmentsRequest {
  static constexpr MessageType kType = MessageType::kAttachments;
  template <class V, class M>
  static void Fields(V&, M&) {}
};
struct AttachmentsAnswer {
  std::vector<AttachmentFields> attachments;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.List("attachments", m.attachments, kMaxAttachments);
  }
};

struct EvictRequest {
  static constexpr MessageType kType = MessageType::kEvict;
  std::string_view path;  // a prefix
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Text("path", m.path, kMaxPathBytes);
  }
};
struct EvictAnswer {
  uint64_t bytes = 0;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("bytes", m.bytes);
  }
};

struct WhereRequest {
  static constexpr MessageType kType = MessageType::kWhere;
  std::string_view path;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Text("path", m.path, kMaxPathBytes);
  }
};
struct WhereAnswer {
  Info info;
  uint64_t memory_bytes = 0;
  uint64_t disk_bytes = 0;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    Info::Fields(v, m.info);
    v.Number("memory_bytes", m.memory_bytes);
    v.Number("disk_bytes", m.disk_bytes);
  }
};

struct StatusRequest {
  static constexpr MessageType kType = MessageType::kStatus;
  template <class V, class M>
  static void Fields(V&, M&) {}
};
struct StatusAnswer {
  std::string_view json;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Rest("json", m.json);
  }
};

enum class CellAction : uint8_t {
  kNone = 0,
  kAcceptLosses = 1,  // those whom the frozen map keeps are dead
  kLeave = 2,         // the node owns nothing from now on
  kStay = 3,          // it owns again
};

/// What a node of a cell knows of the others, a line each, once the action is done; from version 2
/// on.
struct CellRequest {
  static constexpr MessageType kType = MessageType::kCell;
  uint8_t action = 0;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("action", m.action);
  }
};
struct CellAnswer {
  std::string_view text;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Rest("text", m.text);
  }
};

/// Asks for the window of one attachment; Unix sockets only. `request` and the answer's `grant` are
/// src/window's own bytes; descriptors come with the answer (FrameHeader::descriptors).
struct WindowRequest {
  static constexpr MessageType kType = MessageType::kWindow;
  uint64_t attachment_id = 0;
  Bytes request;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("attachment_id", m.attachment_id);
    v.Rest("request", m.request);
  }
};
/// One more segment of memory that an attachment's blocks lie in.
struct WindowSegmentRequest {
  static constexpr MessageType kType = MessageType::kWindowSegment;
  uint64_t attachment_id = 0;
  uint32_t segment = 0;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("attachment_id", m.attachment_id);
    v.Number("segment", m.segment);
  }
};
/// Of both.
struct WindowAnswer {
  Bytes grant;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Rest("grant", m.grant);
  }
};

}  // namespace forebay::wire
